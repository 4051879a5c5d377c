"""What each answer of Instantly becomes: documented statuses, undocumented ones, and nonsense."""

import json
from typing import Any

import httpx
import pytest

from litemail.kit import outbound
from litemail.kit.errors import Error
from litemail.providers import platform
from litemail.providers.platform import Credentials, Session, Standing, instantly
from tests.providers import vendor_answers
from tests.providers.vendor_answers import INBOX, KEY, PASSWORD, Handler, reach

ADAPTER = instantly.adapter()
ACCOUNT = {"email": "a@b.test", "warmup_status": 0, "setup_pending": False, "status": 1}


def failure(status: int, message: str, **headers: str) -> httpx.Response:
    body = {"statusCode": status, "error": "Reason", "message": message}
    return httpx.Response(status, json=body, headers=headers)


def session(handler: Handler) -> Session:
    return vendor_answers.session(ADAPTER, handler)


def adding(answer: httpx.Response | Exception, *, there: bool = False) -> Session:
    afterwards = httpx.Response(200, json=ACCOUNT) if there else failure(404, "Account not found")
    return vendor_answers.adding(ADAPTER, answer, afterwards=afterwards)


ANSWERS = [
    (failure(401, "Unauthorized"), platform.BadCredentials),
    (failure(401, "Missing Authorization header"), platform.BadCredentials),
    (failure(403, "Forbidden"), platform.BadCredentials),
    (failure(401, "Enter the code of your authenticator"), platform.TotpRequired),
    (failure(402, "Workspace does not have an active paid plan"), platform.NoPaidPlan),
    (failure(404, "Not Found"), platform.UnexpectedAnswer),
    (failure(418, "Teapot"), platform.UnexpectedAnswer),
    (failure(429, "Too Many Requests"), platform.RateLimited),
    (failure(408, "Timeout"), platform.Unavailable),
    (httpx.Response(500, text="oops"), platform.Unavailable),
    (httpx.Response(503, html="<h1>down</h1>"), platform.Unavailable),
    (httpx.Response(301, headers={"location": "http://elsewhere.test/"}), platform.UnexpectedAnswer),
    (httpx.Response(200, html="<h1>Sign in</h1>"), platform.UnexpectedAnswer),
    (httpx.Response(200, content=b"\xff\xfe"), platform.UnexpectedAnswer),
    (httpx.Response(200, json=[]), platform.UnexpectedAnswer),
    (httpx.Response(200, json={"id": 7}), platform.UnexpectedAnswer),
    (httpx.Response(204), platform.UnexpectedAnswer),
]


@pytest.mark.parametrize(("answer", "error"), ANSWERS)
async def test_an_answer_to_a_check_becomes_its_error(answer: httpx.Response, error: type[Error]) -> None:
    with pytest.raises(error) as raised:
        await session(lambda _: answer).check()
    assert type(raised.value) is error


async def test_a_workspace_that_a_good_key_is_not_of_is_told_from_a_wrong_key() -> None:
    async def check(*, good_key: bool) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            if good_key and "x-as-workspace" not in request.headers:
                return httpx.Response(200, json={"id": "ws-1", "name": "Outreach"})
            return failure(401, "Unauthorized")

        await ADAPTER.session(Credentials(api_key=KEY, workspace="nope"), reach(ADAPTER, answer)).check()

    with pytest.raises(platform.WorkspaceNotFound, match="no workspace 'nope', only: Outreach"):
        await check(good_key=True)
    with pytest.raises(platform.BadCredentials):
        await check(good_key=False)


REFUSALS = [
    (400, "body must have required property 'email'", platform.Rejected),
    (400, "body/imap_port must be number", platform.Rejected),
    (400, "IMAP login failed: already too many connections", platform.InboxSignInRefused),
    (400, "SMTP credentials were not accepted", platform.InboxSignInRefused),
    (400, "This inbox is connected to another workspace", platform.AlreadyConnectedElsewhere),
    (409, "Already in use", platform.AlreadyConnectedElsewhere),
    (400, "You have reached the maximum of your subscription", platform.LimitReached),
    (400, "Something is off", platform.Rejected),
]


@pytest.mark.parametrize(("status", "words", "error"), REFUSALS)
async def test_a_refused_inbox_that_is_not_there_is_named_by_the_words(
    status: int, words: str, error: type[Error]
) -> None:
    [outcome] = await adding(failure(status, words)).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    assert type(outcome.error) is error
    assert words in str(outcome.error)


@pytest.mark.parametrize("words", [words for _, words, _ in REFUSALS])
async def test_a_refused_inbox_that_is_there_is_accepted_whatever_the_words(words: str) -> None:
    [outcome] = await adding(failure(400, words), there=True).add([INBOX])
    assert outcome == platform.Accepted("a@b.test", ticket="a@b.test", already=True)


async def test_a_refusal_without_a_message_is_unexpected() -> None:
    [outcome] = await adding(httpx.Response(400, text="no")).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    assert isinstance(outcome.error, platform.UnexpectedAnswer)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={}),
        httpx.Response(200, json={**ACCOUNT, "email": "other@b.test"}),
        httpx.Response(200, json={**ACCOUNT, "status": 9}),
        httpx.Response(201, text="created"),
    ],
)
async def test_an_unknown_answer_to_an_add_is_never_success(answer: httpx.Response) -> None:
    with pytest.raises(platform.UnexpectedAnswer):
        await adding(answer).add([INBOX])


@pytest.mark.parametrize(
    ("lost", "error"),
    [
        (httpx.ReadTimeout("late"), platform.OutcomeUnknown),
        (httpx.WriteTimeout("late"), platform.OutcomeUnknown),
        (httpx.ReadError("cut"), platform.OutcomeUnknown),
        (httpx.RemoteProtocolError("cut"), platform.OutcomeUnknown),
        (httpx.Response(500), platform.OutcomeUnknown),
        (httpx.Response(504), platform.OutcomeUnknown),
        (httpx.ConnectError("refused"), platform.Unavailable),
        (httpx.ConnectTimeout("late"), platform.Unavailable),
        (httpx.PoolTimeout("busy"), platform.Unavailable),
        (outbound.ConnectFailed(host="vendor.test", port=443, reason="refused"), platform.Unavailable),
        (outbound.LookupFailed(host="vendor.test"), platform.Unavailable),
        (outbound.BodyTooLarge(host="vendor.test", limit=1), platform.UnexpectedAnswer),
        (outbound.OutsideHost(host="vendor.test", port=443, allowed="nothing"), outbound.OutsideHost),
    ],
)
async def test_an_add_without_an_answer_tells_whether_it_may_have_happened(
    lost: httpx.Response | Exception, error: type[Error]
) -> None:
    with pytest.raises(error) as raised:
        await adding(lost).add([INBOX])
    assert type(raised.value) is error


@pytest.mark.parametrize(
    ("status", "standing", "error"),
    [
        (1, Standing.CONNECTED, None),
        (2, Standing.CONNECTED, None),
        (3, Standing.CONNECTED, None),
        (-1, Standing.FAILED, platform.InboxSignInRefused),
        (-2, Standing.FAILED, platform.Rejected),
        (-3, Standing.FAILED, platform.Rejected),
        (None, Standing.PENDING, None),
    ],
)
async def test_each_status_of_an_account_has_a_standing(
    status: int | None, standing: Standing, error: type[Error] | None
) -> None:
    account = {**ACCOUNT, "status": status, "status_message": {"e_message": "535 refused"}}
    found = await session(lambda _: httpx.Response(200, json=account)).find(["A@b.test"])
    inbox = found["A@b.test"]
    assert inbox.standing is standing
    assert (type(inbox.problem) if inbox.problem else None) is error
    if inbox.problem:
        assert "535 refused" in str(inbox.problem)


async def test_an_account_that_is_being_set_up_is_pending() -> None:
    account = {**ACCOUNT, "setup_pending": True}
    found = await session(lambda _: httpx.Response(200, json=account)).find(["a@b.test"])
    assert found["a@b.test"].standing is Standing.PENDING


async def test_a_404_that_is_not_the_platforms_own_does_not_mean_absent() -> None:
    with pytest.raises(platform.UnexpectedAnswer):
        await session(lambda _: httpx.Response(404, html="nothing here")).find(["a@b.test"])


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0"}, 1),
        ({"retry-after": "99999999999"}, 900),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 1),
    ],
)
async def test_retry_after_is_heeded_within_bounds(headers: dict[str, str], seconds: float) -> None:
    with pytest.raises(platform.RateLimited) as raised:
        await session(lambda _: failure(429, "Too Many Requests", **headers)).check()
    assert raised.value.retry_after == seconds


@pytest.mark.parametrize(
    "reset", ["2015-10-21T07:28:00Z", "2015-10-21T07:28:00.000+02:00", "Wed, 21 Oct 2015 07:28:00 GMT"]
)
async def test_the_moment_at_which_a_limit_ends_is_heeded(reset: str) -> None:
    with pytest.raises(platform.RateLimited) as raised:
        await session(lambda _: failure(429, "Too Many Requests", **{"x-ratelimit-reset": reset})).check()
    assert raised.value.retry_after == 1


@pytest.mark.parametrize("headers", [{}, {"retry-after": "soon"}, {"x-ratelimit-reset": "1445412480"}])
async def test_without_a_wish_the_rest_begins_below_a_second(headers: dict[str, str]) -> None:
    with pytest.raises(platform.RateLimited) as raised:
        await session(lambda _: failure(429, "Too Many Requests", **headers)).check()
    assert raised.value.retry_after
    assert 0.2 < raised.value.retry_after < 1


async def test_a_wish_in_the_body_is_heeded_too() -> None:
    body = {"error": {"code": "RATE_LIMIT_EXCEEDED", "message": "Slow down", "retry_after": 30}}
    with pytest.raises(platform.RateLimited) as raised:
        await session(lambda _: httpx.Response(429, json=body)).check()
    assert raised.value.retry_after == 30


@pytest.mark.parametrize("secret", [KEY, PASSWORD, json.dumps(PASSWORD)[1:-1], "in%22b0x-5ecret"])
async def test_secrets_that_a_platform_echoes_are_not_kept(secret: str) -> None:
    [outcome] = await adding(failure(400, f"bad login with {secret}")).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    with pytest.raises(platform.UnexpectedAnswer) as raised:
        await adding(httpx.Response(200, json={"you sent": secret, "pad": "x" * 9999})).add([INBOX])
    texts = [json.dumps(str(outcome.error)), str(raised.value), raised.value.body]
    assert all("5ecret" not in text for text in texts)
    assert len(raised.value.body) <= 2000
    assert raised.value.body in raised.value.problem().message


async def test_a_list_ends_on_an_empty_page_even_with_a_cursor() -> None:
    pages = [[ACCOUNT], [{**ACCOUNT, "email": "c@d.test"}], []]

    def handle(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"items": pages.pop(0), "next_starting_after": "cursor"})

    assert [inbox.email async for inbox in session(handle).list_()] == ["a@b.test", "c@d.test"]


LOGINS: list[tuple[httpx.Response, type[Error]]] = [
    (httpx.Response(401, json={"error": "Invalid credentials"}), platform.BadCredentials),
    (httpx.Response(200, json={"error": "Invalid credentials"}), platform.BadCredentials),
    (httpx.Response(200, json={"error": "Enter your 2FA code"}), platform.TotpRequired),
    (httpx.Response(200, json={}), platform.UnexpectedAnswer),
    (httpx.Response(200, html="<h1>Are you human?</h1>"), platform.UnexpectedAnswer),
    (httpx.Response(200, json={}, headers={"set-cookie": "other=1"}), platform.UnexpectedAnswer),
    (httpx.Response(404, text="gone"), platform.UnexpectedAnswer),
    (httpx.Response(429), platform.RateLimited),
    (httpx.Response(500), platform.Unavailable),
]


@pytest.mark.parametrize(("answer", "error"), LOGINS)
async def test_an_answer_to_a_login_becomes_its_error(answer: httpx.Response, error: type[Error]) -> None:
    sign_in = ADAPTER.sign_in
    assert sign_in
    with pytest.raises(error):
        await sign_in(platform.Login("a@b.test", PASSWORD), reach(ADAPTER, lambda _: answer))


async def test_a_login_with_several_workspaces_asks_which() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        answers: dict[str, tuple[Any, dict[str, str]]] = {
            "/api/auth/login": ({}, {"set-cookie": "__session=abc; Path=/"}),
            "/api/organization/user": ([{"id": "1", "name": "One"}, {"id": "2", "name": "Two"}], {}),
        }
        body, headers = answers[request.url.path]
        return httpx.Response(200, json=body, headers=headers)

    exchange = ADAPTER.exchange
    assert exchange
    with pytest.raises(platform.WorkspaceRequired, match="One, Two"):
        await exchange(
            platform.Login("a@b.test", PASSWORD), reach(ADAPTER, handle), workspace=None, key_name="Litemail"
        )


def test_signing_in_can_be_switched_off() -> None:
    adapter = instantly.adapter(login=False)
    assert adapter.sign_in is None
    assert adapter.exchange is None
    assert platform.Capability.LOGIN not in adapter.declaration.capabilities
    assert "platform_pass" not in [field.field for field in adapter.declaration.credentials]
