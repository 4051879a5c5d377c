"""What each answer of Saleshandy becomes, with its source, and nonsense.

Sources: "page" is developer.saleshandy.com; "seen" a public client that says it checked the live API in July 2026;
"made up" what no page says.
"""

from typing import Any

import httpx
import pytest

from litemail.kit.errors import Error
from litemail.providers import platform
from litemail.providers.platform import Changes, Session, Standing, saleshandy
from tests.providers import vendor_answers
from tests.providers.vendor_answers import INBOX, KEY, PASSWORD, json_answer

ADAPTER = saleshandy.adapter()
ACCOUNT = {"id": "XdPd8p1PVo", "fromName": "Ada Byron", "fromEmail": "A@b.test", "status": 1}
LIMITED = {**ACCOUNT, "settings": [{"code": "daily-sending-limit", "value": "40"}]}


def answering(answer: httpx.Response, *, accounts: tuple[dict[str, Any], ...] = ()) -> Session:
    """Lists these accounts, and says that to all else."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/email-accounts":
            return json_answer(200, {"message": "Success", "payload": {"emails": list(accounts)}})
        return answer

    return vendor_answers.session(ADAPTER, handle)


CHECKS: list[tuple[int, Any, type[Error], str]] = [
    (401, {"message": "Unauthorized"}, platform.BadCredentials, "HTTP"),
    (403, {"message": "Forbidden resource"}, platform.BadCredentials, "HTTP"),
    (403, {"message": "Upgrade to the Pro plan to use the API"}, platform.NoPaidPlan, "page: Pro plan or above"),
    (402, {}, platform.NoPaidPlan, "HTTP"),
    (401, {"message": "Two-factor authentication required"}, platform.TotpRequired, "made up"),
    (400, {"message": ["pageSize must not be greater than 100"]}, platform.Rejected, "page list: at most 100"),
    (429, {"message": "ThrottlerException: Too Many Requests"}, platform.RateLimited, "seen"),
    (502, {}, platform.Unavailable, "HTTP"),
    (200, {"payload": {}}, platform.UnexpectedAnswer, "nonsense"),
    (200, {"emails": [{"id": 7}]}, platform.UnexpectedAnswer, "nonsense"),
]


@pytest.mark.parametrize(("status", "body", "error", "_source"), CHECKS)
async def test_an_answer_to_a_check_becomes_its_error(status: int, body: Any, error: type[Error], _source: str) -> None:
    with pytest.raises(error) as raised:
        await vendor_answers.session(ADAPTER, lambda _: json_answer(status, body)).check()
    assert type(raised.value) is error
    assert raised.value.problem().action


@pytest.mark.parametrize(
    "body", [{"emails": [ACCOUNT]}, {"message": "Success", "payload": {"emails": [ACCOUNT]}}], ids=["page", "seen"]
)
async def test_the_list_is_read_wrapped_and_unwrapped(body: dict[str, Any]) -> None:
    found = await vendor_answers.session(ADAPTER, lambda _: json_answer(200, body)).find(["a@b.test"])
    assert found["a@b.test"].standing is Standing.CONNECTED


async def test_a_search_that_finds_others_too_is_not_taken_for_the_inbox() -> None:
    """ "page" list: `search` is for a part of the address or the name."""
    other = {**ACCOUNT, "fromEmail": "la@b.test"}
    assert await answering(json_answer(500, {}), accounts=(other,)).find(["a@b.test"]) == {}


CONNECTED = {"status": 1, "smtpConnection": {"error": None}, "imapConnection": {"error": None}}


@pytest.mark.parametrize("body", [CONNECTED, {"payload": CONNECTED}, {"status": 1}])
async def test_a_connected_inbox_is_accepted(body: dict[str, Any]) -> None:
    [outcome] = await answering(json_answer(200, body)).add([INBOX])
    assert isinstance(outcome, platform.Accepted)
    assert not outcome.already


async def test_an_inbox_that_is_saved_but_not_connected_is_refused_and_says_what_stays() -> None:
    """ "page" smtp-imap-connect: always saved; status 0 is unverified, with the errors of both sides."""
    body = {"status": 0, "smtpConnection": {"error": "535 refused"}, "imapConnection": {"error": "NO login"}}
    [outcome] = await answering(json_answer(200, body)).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    assert isinstance(outcome.error, platform.InboxSignInRefused)
    assert "SMTP: 535 refused; IMAP: NO login" in str(outcome.error)
    assert "delete it there" in str(outcome.error)


REFUSALS: list[tuple[int, dict[str, Any], type[Error], str]] = [
    (400, {"message": "Email account already exists in another team"}, platform.AlreadyConnectedElsewhere, "made up"),
    (400, {"message": "Email account limit reached"}, platform.LimitReached, "made up"),
    (422, {"message": ["emailServiceProvider must be lowercase"]}, platform.Rejected, "page smtp-imap-connect"),
    (400, {"error": {"message": "Invalid credentials"}}, platform.InboxSignInRefused, "made up"),
    (400, {"nothing": 1}, platform.UnexpectedAnswer, "nonsense"),
]


@pytest.mark.parametrize(("status", "body", "error", "_source"), REFUSALS)
async def test_a_refused_inbox_that_is_not_there_is_named_by_the_words(
    status: int, body: dict[str, Any], error: type[Error], _source: str
) -> None:
    [outcome] = await answering(json_answer(status, body)).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    assert type(outcome.error) is error


async def test_a_refused_inbox_that_is_there_is_accepted_whatever_the_words() -> None:
    [outcome] = await answering(json_answer(409, {"message": "no"}), accounts=(ACCOUNT,)).add([INBOX])
    assert isinstance(outcome, platform.Accepted)
    assert outcome.already


@pytest.mark.parametrize("body", [{"status": 2}, {"status": "1"}, {}, [], {"payload": {}}])
async def test_an_unknown_answer_to_an_add_is_never_success(body: Any) -> None:
    with pytest.raises(platform.UnexpectedAnswer):
        await answering(json_answer(200, body)).add([INBOX])


@pytest.mark.parametrize(
    ("status", "standing", "error"),
    [
        (0, Standing.FAILED, platform.InboxSignInRefused),
        (1, Standing.CONNECTED, None),
        (2, Standing.FAILED, platform.Rejected),
        (9, Standing.FAILED, platform.Rejected),
    ],
)
async def test_each_status_has_a_standing(status: int, standing: Standing, error: type[Error] | None) -> None:
    """ "page" list: 0 inactive, 1 active, 2 suspended."""
    inbox = (await answering(json_answer(500, {}), accounts=({**LIMITED, "status": status},)).find(["a@b.test"]))[
        "a@b.test"
    ]
    assert (inbox.standing, inbox.daily_limit) == (standing, 40)
    assert (type(inbox.problem) if inbox.problem else None) is error


async def test_a_change_that_cannot_be_read_back_is_no_success() -> None:
    """ "page" bulk-update has no body of an answer."""
    session = answering(httpx.Response(200), accounts=(LIMITED,))
    await session.update("a@b.test", Changes(daily_limit=40))
    with pytest.raises(platform.Rejected, match="did not change"):
        await session.update("a@b.test", Changes(daily_limit=41))
    with pytest.raises(platform.Rejected, match="is not there"):
        await answering(httpx.Response(200)).update("a@b.test", Changes(daily_limit=41))
    with pytest.raises(platform.Rejected, match="senderFirstName"):
        await answering(json_answer(400, {"message": "senderFirstName is required"}), accounts=(LIMITED,)).update(
            "a@b.test", Changes(daily_limit=41)
        )


async def test_a_list_that_cannot_be_read_changes_nothing_so_its_outcome_is_no_question() -> None:
    def cut(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("cut")

    with pytest.raises(platform.Unavailable) as raised:
        await vendor_answers.session(ADAPTER, cut).find(["a@b.test"])
    assert type(raised.value) is platform.Unavailable


@pytest.mark.parametrize("secret", [KEY, PASSWORD])
async def test_secrets_that_it_echoes_are_not_kept(secret: str) -> None:
    body = {"status": 0, "smtpConnection": {"error": f"bad login with {secret}"}}
    [outcome] = await answering(json_answer(200, body)).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    with pytest.raises(platform.UnexpectedAnswer) as raised:
        await answering(json_answer(200, {"you sent": secret})).add([INBOX])
    assert "5ecret" not in f"{outcome.error}{raised.value}{raised.value.body}"
