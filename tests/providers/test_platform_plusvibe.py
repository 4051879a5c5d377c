"""What each answer of PlusVibe becomes, with its source, and nonsense.

Sources: "page" is developer.plusvibe.ai; "list" a public list of its calls that was checked against the live API in
March 2026; "seen" what public clients of it read; "reference" research on the platforms; "made up" what no page says.
"""

import logging
from typing import Any

import httpx
import pytest

from litemail.kit.errors import Error
from litemail.providers import platform
from litemail.providers.platform import Changes, Login, Session, Standing, plusvibe
from tests.providers import vendor_answers
from tests.providers.vendor_answers import INBOX, KEY, PASSWORD, Handler, json_answer, reach

ADAPTER = plusvibe.adapter()
WORKSPACE = {"_id": "65f3c92d3dbe5dbb35374a9a", "name": "Agency"}
OTHER = {"_id": "65f3c92d3dbe5dbb35374a9b", "name": "Other"}
ACCOUNT = {"id": "68329272b5658177e8e4c620", "email": "A@b.test", "status": "ACTIVE", "warmup_status": "INACTIVE"}


def workspaces(*there: dict[str, str]) -> httpx.Response:
    return json_answer(200, {"status": "success", "workspaces": list(there or (WORKSPACE,))})


def answering(answer: httpx.Response, *, accounts: tuple[dict[str, Any], ...] = ()) -> Session:
    """Says which workspaces there are and which inboxes, and that to all else."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/authenticate"):
            return workspaces()
        if request.url.path.endswith("/account/list"):
            skip = int(request.url.params["skip"])
            return json_answer(200, {"accounts": list(accounts[skip:])})
        return answer

    return vendor_answers.session(ADAPTER, handle)


CHECKS: list[tuple[int, Any, type[Error], str]] = [
    (401, {"message": "Invalid API key"}, platform.BadCredentials, "made up"),
    (403, {"message": "Forbidden"}, platform.BadCredentials, "HTTP"),
    (401, {"message": "Enter the code of your authenticator"}, platform.TotpRequired, "made up"),
    (402, {"message": "Payment required"}, platform.NoPaidPlan, "HTTP"),
    (403, {"message": "Your plan does not include the API"}, platform.NoPaidPlan, "made up"),
    (400, {"status": "error", "message": "workspace_id is required"}, platform.Rejected, "page bulk-reconnect"),
    (429, {"message": "Too many requests"}, platform.RateLimited, "HTTP"),
    (500, {"message": "oops"}, platform.Unavailable, "HTTP"),
    (200, {"status": "success"}, platform.UnexpectedAnswer, "nonsense"),
    (200, [], platform.UnexpectedAnswer, "nonsense"),
    (302, {}, platform.UnexpectedAnswer, "nonsense"),
]


@pytest.mark.parametrize(("status", "body", "error", "_source"), CHECKS)
async def test_an_answer_to_a_check_becomes_its_error(status: int, body: Any, error: type[Error], _source: str) -> None:
    with pytest.raises(error) as raised:
        await vendor_answers.session(ADAPTER, lambda _: json_answer(status, body)).check()
    assert type(raised.value) is error
    assert raised.value.problem().action


async def test_with_several_workspaces_the_right_one_is_asked_for() -> None:
    session = vendor_answers.session(ADAPTER, lambda _: workspaces(WORKSPACE, OTHER))
    assert [one.name for one in await session.check()] == ["Agency", "Other"]
    with pytest.raises(platform.WorkspaceRequired, match="Agency, Other"):
        await session.find(["a@b.test"])


@pytest.mark.parametrize("wanted", ["Other", "other", OTHER["_id"]])
async def test_a_workspace_is_named_by_its_name_or_id(wanted: str) -> None:
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/authenticate"):
            return workspaces(WORKSPACE, OTHER)
        asked.append(request.url.params["workspace_id"])
        return json_answer(200, {"accounts": []})

    session = ADAPTER.session(platform.Credentials(KEY, workspace=wanted), reach(ADAPTER, handle))
    assert await session.find(["a@b.test"]) == {}
    assert asked == [OTHER["_id"]]


async def test_accepted_is_not_connected() -> None:
    """Its page: a successful response does not indicate that the accounts were added."""
    session = answering(json_answer(200, {"status": "success"}))
    [outcome] = await session.add([INBOX])
    assert isinstance(outcome, platform.Accepted)
    assert await session.confirm([outcome]) == {}


REFUSALS: list[tuple[int, dict[str, Any], type[Error], str]] = [
    (400, {"message": "SMTP authentication failed"}, platform.InboxSignInRefused, "made up"),
    (400, {"message": "Account limit reached, upgrade"}, platform.LimitReached, "made up"),
    (409, {"message": "In use by another organization"}, platform.AlreadyConnectedElsewhere, "made up"),
    (400, {"message": "Google accounts are not supported"}, platform.Rejected, "page bulk-add: non-Google only"),
    (400, {}, platform.UnexpectedAnswer, "nonsense"),
]


@pytest.mark.parametrize(("status", "body", "error", "_source"), REFUSALS)
async def test_a_refused_inbox_that_is_not_there_is_named_by_the_words(
    status: int, body: dict[str, Any], error: type[Error], _source: str
) -> None:
    [outcome] = await answering(json_answer(status, body)).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    assert type(outcome.error) is error


async def test_a_refused_inbox_that_is_there_is_accepted_whatever_the_words() -> None:
    [outcome] = await answering(json_answer(400, {"message": "no"}), accounts=(ACCOUNT,)).add([INBOX])
    assert isinstance(outcome, platform.Accepted)
    assert outcome.already


@pytest.mark.parametrize("body", [{"status": "queued maybe"}, {}, [], "success"])
async def test_an_unknown_answer_to_an_add_is_never_success(body: Any) -> None:
    with pytest.raises(platform.UnexpectedAnswer):
        await answering(json_answer(200, body)).add([INBOX])


STATUSES: list[tuple[str, Standing, type[Error] | None, str]] = [
    ("ACTIVE", Standing.CONNECTED, None, "seen"),
    ("active", Standing.CONNECTED, None, "made up"),
    ("PAUSED", Standing.CONNECTED, None, "made up"),
    ("PENDING", Standing.PENDING, None, "made up"),
    ("ERROR", Standing.FAILED, platform.InboxSignInRefused, "made up"),
    ("WHATEVER", Standing.FAILED, platform.Rejected, "nonsense"),
]


@pytest.mark.parametrize(("status", "standing", "error", "_source"), STATUSES)
async def test_each_status_has_a_standing(
    status: str, standing: Standing, error: type[Error] | None, _source: str
) -> None:
    found = await answering(json_answer(500, {}), accounts=({**ACCOUNT, "status": status},)).find(["a@B.test"])
    inbox = found["a@B.test"]
    assert (inbox.email, inbox.standing) == ("a@b.test", standing)
    assert (type(inbox.problem) if inbox.problem else None) is error


@pytest.mark.parametrize("name", ["id", "_id"])
async def test_an_id_is_read_under_both_names(name: str) -> None:
    account = {name: "68329272b5658177e8e4c620", "email": "a@b.test", "status": "ACTIVE", "warmup_status": "ACTIVE"}
    found = await answering(json_answer(500, {}), accounts=(account,)).find(["a@b.test"])
    assert (found["a@b.test"].external_id, found["a@b.test"].warmup) == (account[name], True)


async def test_a_warmup_that_was_not_switched_for_all_is_no_success() -> None:
    session = answering(json_answer(200, {"updated_count": 0, "updated_ids": []}), accounts=(ACCOUNT,))
    with pytest.raises(platform.Rejected, match="1 inboxes"):
        await session.set_warmup(["a@b.test"], on=True)
    with pytest.raises(platform.Rejected, match="is not there"):
        await session.set_warmup(["nobody@b.test"], on=True)
    with pytest.raises(platform.UnexpectedAnswer):
        await answering(json_answer(200, {}), accounts=(ACCOUNT,)).set_warmup(["a@b.test"], on=True)


@pytest.mark.parametrize("body", [{"updated_count": 1, "updated_ids": [ACCOUNT["id"]]}, {"status": "success"}])
async def test_a_switched_warmup_is_told_in_two_ways(body: dict[str, Any]) -> None:
    """ "list" has the first, "page" answers other bulk calls with the second."""
    await answering(json_answer(200, body), accounts=(ACCOUNT,)).set_warmup(["a@b.test"], on=True)


async def test_a_daily_limit_is_changed_and_a_name_is_not() -> None:
    session = answering(json_answer(200, {"status": "success"}), accounts=(ACCOUNT,))
    await session.update("a@b.test", Changes(daily_limit=12))
    with pytest.raises(platform.NotOffered):
        await session.update("a@b.test", Changes(last_name="Byron"))


def login_session(handler: Handler) -> Session:
    assert ADAPTER.login_session
    return ADAPTER.login_session(Login("ada@b.test", PASSWORD), reach(ADAPTER, handler), workspace=None)


LOGINS: list[tuple[int, Any, type[Error], str]] = [
    (
        200,
        {"code": 0, "message": "Invalid credentials"},
        platform.BadCredentials,
        "page list-workspaces",
    ),
    (401, {"message": "Unauthorized"}, platform.BadCredentials, "HTTP"),
    (403, {"message": "2FA code needed"}, platform.TotpRequired, "made up"),
    (400, {"message": "pipl_username must be an email"}, platform.Rejected, "page list-workspaces: format email"),
    (200, {"data": []}, platform.UnexpectedAnswer, "nonsense"),
    (404, {"message": "Not Found"}, platform.UnexpectedAnswer, "nonsense"),
]


@pytest.mark.parametrize(("status", "body", "error", "_source"), LOGINS)
async def test_an_answer_to_a_login_becomes_its_error(status: int, body: Any, error: type[Error], _source: str) -> None:
    with pytest.raises(error) as raised:
        await login_session(lambda _: json_answer(status, body)).check()
    assert type(raised.value) is error


@pytest.mark.parametrize("name", ["data", "workspaces"])
@pytest.mark.parametrize("prefix", ["/api/v1", "/v1"])
async def test_a_login_finds_the_path_and_the_list_under_both_names(name: str, prefix: str) -> None:
    """ "page" has /api/v1, a public client of the same calls /v1."""

    def handle(request: httpx.Request) -> httpx.Response:
        if not request.url.path.startswith(f"{prefix}/"):
            return httpx.Response(404, text="Cannot POST")
        return json_answer(200, {"code": 1, "message": "Success", name: [WORKSPACE]})

    [workspace] = await login_session(handle).check()
    assert workspace.name == "Agency"


async def test_a_password_in_a_query_is_neither_logged_nor_told(caplog: pytest.LogCaptureFixture) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return json_answer(200, {"code": 1, "data": [WORKSPACE]})
        assert request.url.params["pipl_password"] == PASSWORD
        return json_answer(200, {"you asked": str(request.url)})

    with caplog.at_level(logging.WARNING), pytest.raises(platform.UnexpectedAnswer) as raised:
        await login_session(handle).find(["a@b.test"])
    assert "5ecret" not in f"{raised.value}{raised.value.body}{caplog.text}"


async def test_after_a_lost_answer_the_batch_gets_time_to_show() -> None:
    """Else it would not be found, and be handed over again."""
    with pytest.raises(platform.OutcomeUnknown) as raised:
        await answering(httpx.Response(502)).add([INBOX])
    assert raised.value.retry_after
    assert raised.value.retry_after >= 30


@pytest.mark.parametrize("secret", [KEY, PASSWORD])
async def test_secrets_that_it_echoes_are_not_kept(secret: str) -> None:
    [outcome] = await answering(json_answer(400, {"message": f"bad login with {secret}"})).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    with pytest.raises(platform.UnexpectedAnswer) as raised:
        await answering(json_answer(200, {"you sent": secret})).add([INBOX])
    assert "5ecret" not in f"{outcome.error}{raised.value}{raised.value.body}"
