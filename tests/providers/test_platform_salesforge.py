"""What each answer of Salesforge becomes: the documented ones, each with its source, and nonsense.

Sources: "contract" is the vendor's own contract as its client shows it (SalesforgeAI/forge-cli), "summary" a public
summary of that contract (statuses, the error's shape, fields of answers), "users" what users of the API report; "made
up" is what only the twin says. The vendor documents causes of refusals, not their words.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from litemail.kit.errors import Error
from litemail.providers import platform
from litemail.providers.platform import Changes, Credentials, Session, Standing, salesforge
from tests.providers import vendor_answers
from tests.providers.vendor_answers import INBOX, KEY, PASSWORD, json_answer, reach

ADAPTER = salesforge.adapter()
MAILBOX: dict[str, Any] = {"id": "mbox_1", "address": "A@b.test", "status": "active", "dailyEmailLimit": 30}
WORKSPACE = {"id": "ws/1", "accountId": "acc_1", "name": "Acme", "slug": "acme"}
MAILBOXES = "/workspaces/ws%2F1/mailboxes"


def failure(status: int, message: str) -> httpx.Response:
    return json_answer(status, {"message": message})


def page(*data: dict[str, Any], total: int | None = None) -> httpx.Response:
    return json_answer(200, {"data": data, "limit": 100, "offset": 0, "total": len(data) if total is None else total})


@dataclass
class Account:
    """Salesforge as far as a test says, with the calls made."""

    mailboxes: list[dict[str, Any]] = field(default_factory=list)
    answers: Mapping[str, httpx.Response | Exception] = field(default_factory=dict)
    """By the beginning of method and path."""
    workspaces: list[dict[str, str]] = field(default_factory=lambda: [WORKSPACE])
    calls: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().partition("?")[0].removeprefix("/public/v2")
        self.calls.append(f"{request.method} {path}")
        self.bodies += [json.loads(request.content)] if request.content else []
        for beginning, answer in self.answers.items():
            if self.calls[-1].startswith(beginning):
                if isinstance(answer, Exception):
                    raise answer
                return answer
        if path == "/workspaces":
            return page(*self.workspaces)
        if request.method == "GET" and path == MAILBOXES:
            return page(*self.mailboxes)
        return {"POST": json_answer(201, {**MAILBOX, "status": "pending"}), "DELETE": httpx.Response(204)}.get(
            request.method, json_answer(200, MAILBOX)
        )


def at(account: Account) -> Session:
    return vendor_answers.session(ADAPTER, account)


def adding(answer: httpx.Response | Exception, *, there: bool = False) -> Session:
    return at(Account([MAILBOX] if there else [], {"POST": answer}))


ACCOUNT_ERRORS: list[tuple[httpx.Response, type[Error], str]] = [
    (failure(401, "invalid API key"), platform.BadCredentials, "summary: 401"),
    (json_answer(401, {"message": "Unauthorized", "data": {}}), platform.BadCredentials, "summary: {message, data}"),
    (failure(401, "two-factor authentication required"), platform.TotpRequired, "made up"),
    (failure(402, "insufficient credits"), platform.NoPaidPlan, "summary: 402"),
    (failure(403, "key out of scope for this resource"), platform.BadCredentials, "summary: 403"),
    (failure(403, "feature is not on your current plan"), platform.NoPaidPlan, "users: 403"),
    (failure(404, "not found"), platform.UnexpectedAnswer, "summary: 404"),
    (failure(429, "too many requests"), platform.RateLimited, "HTTP"),
    (failure(500, "internal error"), platform.Unavailable, "summary: 500"),
    (failure(400, "bad request"), platform.UnexpectedAnswer, "summary: 400, of a call that has no body"),
    (failure(422, "insufficient active contact capacity"), platform.UnexpectedAnswer, "summary: 422"),
    (httpx.Response(401, html="<h1>Sign in</h1>"), platform.BadCredentials, "nonsense"),
    (json_answer(200, [WORKSPACE]), platform.UnexpectedAnswer, "nonsense"),
    (json_answer(200, {"data": [{"name": "no id"}], "total": 1}), platform.UnexpectedAnswer, "nonsense"),
    (httpx.Response(302, headers={"location": "http://elsewhere.test/"}), platform.UnexpectedAnswer, "nonsense"),
]


@pytest.mark.parametrize(("answer", "error", "_source"), ACCOUNT_ERRORS)
async def test_an_answer_about_the_account_becomes_its_error(
    answer: httpx.Response, error: type[Error], _source: str
) -> None:
    with pytest.raises(error) as raised:
        await at(Account(answers={"GET /workspaces": answer})).check()
    assert type(raised.value) is error
    assert raised.value.problem().action


REFUSALS: list[tuple[httpx.Response, type[Error], str]] = [
    (failure(400, "imap: authentication failed"), platform.InboxSignInRefused, "contract: verified before stored"),
    (failure(400, "smtp: connection refused"), platform.InboxSignInRefused, "contract: verified before stored"),
    (
        failure(400, "address is already connected to another workspace"),
        platform.AlreadyConnectedElsewhere,
        "contract: not in another workspace",
    ),
    (failure(409, "connected in another workspace"), platform.AlreadyConnectedElsewhere, "contract, as 409"),
    (failure(400, "dailyEmailLimit exceeds workspace limit"), platform.Rejected, "contract: above the workspace's cap"),
    (failure(400, "lastName is required"), platform.Rejected, "contract: required fields"),
    (failure(422, "port is invalid"), platform.Rejected, "summary: 422"),
    (failure(400, "mailbox limit of your plan is reached"), platform.LimitReached, "made up"),
    (failure(400, "something is off"), platform.Rejected, "unknown words"),
]


@pytest.mark.parametrize(("answer", "error", "_source"), REFUSALS)
async def test_a_refused_inbox_that_is_not_there_has_its_reason(
    answer: httpx.Response, error: type[Error], _source: str
) -> None:
    [outcome] = await adding(answer).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    assert type(outcome.error) is error
    assert answer.json()["message"] in str(outcome.error)


@pytest.mark.parametrize(("answer", "_error", "_source"), REFUSALS)
async def test_a_refused_inbox_that_is_there_is_accepted_whatever_the_words(
    answer: httpx.Response, _error: type[Error], _source: str
) -> None:
    [outcome] = await adding(answer, there=True).add([INBOX])
    assert outcome == platform.Accepted("a@b.test", ticket="mbox_1", already=True)


async def test_an_inbox_that_is_being_connected_is_asked_for_again() -> None:
    """409: a second request for an address that is mid-connect (contract), say of a call whose answer was lost."""
    with pytest.raises(platform.Unavailable) as raised:
        await adding(failure(409, "mailbox is already being connected")).add([INBOX])
    assert raised.value.retryable


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_an_inbox_is_accepted_with_any_good_status(status: int) -> None:
    """201 in the summary, 200 in the file that it replaced."""
    [outcome] = await adding(json_answer(status, {**MAILBOX, "status": "pending"})).add([INBOX])
    assert outcome == platform.Accepted("a@b.test", ticket="mbox_1")


@pytest.mark.parametrize(
    "answer",
    [
        json_answer(201, {}),
        json_answer(201, {**MAILBOX, "address": "other@b.test"}),
        json_answer(201, {"data": MAILBOX}),
        httpx.Response(201, text="created"),
        failure(418, "teapot"),
        httpx.Response(200, html="<h1>Sign in</h1>"),
    ],
)
async def test_an_unknown_answer_to_an_add_is_never_success(answer: httpx.Response) -> None:
    with pytest.raises(platform.UnexpectedAnswer):
        await adding(answer).add([INBOX])


async def test_a_refusal_without_a_message_is_unexpected() -> None:
    [outcome] = await adding(httpx.Response(400, text="no")).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    assert isinstance(outcome.error, platform.UnexpectedAnswer)


@pytest.mark.parametrize("lost", [httpx.ReadTimeout("late"), httpx.ReadError("cut"), httpx.Response(500)])
async def test_an_add_without_an_answer_may_have_happened(lost: httpx.Response | Exception) -> None:
    with pytest.raises(platform.OutcomeUnknown):
        await adding(lost).add([INBOX])


@pytest.mark.parametrize(
    ("more", "standing", "error"),
    [
        ({"status": "active"}, Standing.CONNECTED, None),
        ({"status": "pending"}, Standing.PENDING, None),
        (
            {"status": "access_lost", "disconnectReason": "535 refused"},
            Standing.FAILED,
            platform.InboxSignInRefused,
        ),
        ({"status": "access_lost", "disconnectReason": None}, Standing.FAILED, platform.InboxSignInRefused),
        ({"status": "suspended"}, Standing.FAILED, platform.UnexpectedAnswer),
    ],
)
async def test_each_status_of_a_mailbox_has_a_standing(
    more: dict[str, Any], standing: Standing, error: type[Error] | None
) -> None:
    session = at(Account([{**MAILBOX, **more}]))
    inbox = (await session.find(["a@B.test"]))["a@B.test"]
    assert (inbox.standing, inbox.external_id, inbox.daily_limit) == (standing, "mbox_1", 30)
    assert inbox.problem is None if error is None else isinstance(inbox.problem, error)
    assert (more.get("disconnectReason") or "") in str(inbox.problem)


async def test_a_list_that_is_not_salesforges_own_is_unexpected() -> None:
    unclear = Account(answers={f"GET {MAILBOXES}": httpx.Response(404, html="nothing here")})
    with pytest.raises(platform.UnexpectedAnswer):
        await at(unclear).confirm([platform.Accepted("a@b.test", "mbox_1")])


async def test_a_search_that_finds_too_much_finds_only_what_was_asked_for() -> None:
    found = await at(Account([{**MAILBOX, "address": "aa@b.test"}, MAILBOX])).find(["a@b.test", "c@b.test"])
    assert found.keys() == {"a@b.test"}


async def test_pages_are_read_to_the_end_however_long_they_are() -> None:
    pages = [page({**MAILBOX, "address": f"box{number}@b.test"}, total=3) for number in range(3)]
    offsets: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/workspaces"):
            return page(WORKSPACE)
        offsets.append(request.url.params["offset"])
        return pages.pop(0)

    session = vendor_answers.session(ADAPTER, handle)
    assert [one.email async for one in session.list_()] == ["box0@b.test", "box1@b.test", "box2@b.test"]
    assert offsets == ["0", "1", "2"]


OTHER = {**WORKSPACE, "id": "ws_2", "name": "Other"}


@pytest.mark.parametrize(("wanted", "path"), [("ws_2", "ws_2"), ("OTHER", "ws_2"), ("Acme", "ws%2F1")])
async def test_the_workspace_named_is_worked_in(wanted: str, path: str) -> None:
    account = Account(workspaces=[WORKSPACE, OTHER], answers={"GET /workspaces/": page()})
    session = ADAPTER.session(Credentials(KEY, workspace=wanted), reach(ADAPTER, account))
    assert len(await session.check()) == 1
    await session.find(["a@b.test"])
    assert account.calls[-1] == f"GET /workspaces/{path}/mailboxes"


async def test_without_a_name_all_workspaces_are_told_and_work_asks_which() -> None:
    session = at(Account(workspaces=[WORKSPACE, OTHER]))
    assert [one.name for one in await session.check()] == ["Acme", "Other"]
    with pytest.raises(platform.WorkspaceRequired, match="Acme, Other"):
        await session.add([INBOX])


async def test_a_workspace_that_is_not_there_is_named() -> None:
    session = ADAPTER.session(Credentials(KEY, workspace="Nobody's"), reach(ADAPTER, Account()))
    with pytest.raises(platform.WorkspaceNotFound, match="Acme"):
        await session.check()


async def test_the_key_goes_bare() -> None:
    """With "Bearer" before it, it is another key (summary)."""
    seen: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return page(WORKSPACE)

    await vendor_answers.session(ADAPTER, handle).check()
    assert seen == [KEY]


async def test_an_inbox_without_a_last_name_has_that_of_its_domain() -> None:
    account = Account()
    await at(account).add([replace(INBOX, last_name="", daily_limit=12)])
    assert account.bodies[-1] == {
        "address": "a@b.test",
        "firstName": "Ada",
        "lastName": "B",
        "smtp": {"host": "smtp.b.test", "port": 587, "username": "a@b.test", "password": PASSWORD},
        "imap": {"host": "imap.b.test", "port": 993, "username": "a@b.test", "password": PASSWORD},
        "dailyEmailLimit": 12,
    }
    account.mailboxes = [MAILBOX]
    await at(account).update("a@b.test", Changes(last_name=""))
    assert account.bodies[-1] == {"lastName": "B"}


CHANGES: list[tuple[httpx.Response, type[Error] | None, str]] = [
    (json_answer(200, MAILBOX), None, "contract"),
    (failure(400, "dailyEmailLimit must be between 1 and 100"), platform.Rejected, "contract: 1 to 100"),
    (failure(404, "mailbox not found"), platform.UnexpectedAnswer, "summary: 404, of one just found"),
    (httpx.Response(200, text="ok"), platform.UnexpectedAnswer, "nonsense"),
]


@pytest.mark.parametrize(("answer", "error", "_source"), CHANGES)
async def test_an_answer_to_a_change_becomes_its_error(
    answer: httpx.Response, error: type[Error] | None, _source: str
) -> None:
    account = Account([MAILBOX], {"PATCH": answer})
    if error is None:
        await at(account).update("a@b.test", Changes(first_name="Augusta", daily_limit=40))
        assert account.bodies == [{"firstName": "Augusta", "dailyEmailLimit": 40}]
    else:
        with pytest.raises(error):
            await at(account).update("a@b.test", Changes(daily_limit=400))


@pytest.mark.parametrize(
    ("answer", "error", "_source"),
    [
        (httpx.Response(204), None, "summary: 204"),
        (json_answer(200, {}), None, "200 in the file that it replaced"),
        (failure(400, "imap: authentication failed"), platform.InboxSignInRefused, "contract: verified before saving"),
        (failure(400, "OAuth mailboxes require reauthorization"), platform.InboxSignInRefused, "contract: OAuth"),
        (failure(418, "teapot"), platform.UnexpectedAnswer, "nonsense"),
    ],
)
async def test_an_answer_to_new_credentials_becomes_its_error(
    answer: httpx.Response, error: type[Error] | None, _source: str
) -> None:
    account = Account([MAILBOX], {"PATCH": answer})
    if error is None:
        await at(account).update_credentials(INBOX)
        assert account.calls[-1] == f"PATCH {MAILBOXES}/mbox_1/connection-settings"
        assert account.bodies[-1]["imap"]["password"] == PASSWORD
    else:
        with pytest.raises(error):
            await at(account).update_credentials(INBOX)


async def test_what_is_not_there_cannot_be_changed_and_needs_no_removal() -> None:
    account = Account()
    with pytest.raises(platform.Rejected):
        await at(account).update("a@b.test", Changes(daily_limit=4))
    await at(account).remove("a@b.test")
    assert not any(call.startswith(("PATCH", "DELETE")) for call in account.calls)


@pytest.mark.parametrize("secret", [KEY, PASSWORD, json.dumps(PASSWORD)[1:-1]])
async def test_secrets_that_salesforge_shows_are_not_kept(secret: str) -> None:
    [outcome] = await adding(failure(400, f"bad login with {secret}")).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    with pytest.raises(platform.UnexpectedAnswer) as raised:
        await adding(json_answer(200, {"you sent": secret})).add([INBOX])
    assert all("5ecret" not in text for text in (json.dumps(str(outcome.error)), raised.value.body))
