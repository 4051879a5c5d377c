"""What each answer of lemlist becomes: the documented ones, each with its source, and nonsense.

Sources are pages under developer.lemlist.com/api-reference: "add", "test", "remove" of endpoints/email-accounts,
"errors" and "limits" of getting-started, "user" of endpoints/users; "made up" is what only the twin says.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from litemail.kit.errors import Error
from litemail.providers import platform
from litemail.providers.platform import Credentials, MailServer, Session, Standing, lemlist
from tests.providers import vendor_answers
from tests.providers.vendor_answers import INBOX, KEY, PASSWORD, json_answer, reach

ADAPTER = lemlist.adapter()
MAILBOX: dict[str, Any] = {
    "_id": "usm_1",
    "email": "A@b.test",
    "provider": "custom",
    "status": "CONNECTED",
    "lemlist": {"emailLimit": 50},
    "lemwarm": {"active": False},
}
WORKS = {"smtp": {"success": True}, "imap": {"success": True}}
ADDED = {"id": "umx_1", "email": "a@b.test", "provider": "custom"}


def words(status: int, text: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, text=text, headers=headers)


@dataclass
class Team:
    """lemlist as far as a test says, with the calls made."""

    mailboxes: list[dict[str, Any]] = field(default_factory=list)
    answers: Mapping[str, httpx.Response | Exception] = field(default_factory=dict)
    """By the beginning of method and path, below /api."""
    calls: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        call = f"{request.method} {request.url.path.removeprefix('/api')}"
        self.calls.append(call)
        for beginning, answer in self.answers.items():
            if call.startswith(beginning):
                if isinstance(answer, Exception):
                    raise answer
                return answer
        if call == "GET /team":
            return json_answer(200, {"_id": "tea_1", "name": "Acme", "userIds": ["usr_gone", "usr_1"]})
        if call == "GET /users/usr_1":
            return json_answer(200, {"_id": "usr_1", "email": "owner@acme.test", "mailboxes": self.mailboxes})
        if call == "GET /users/usr_gone":
            return words(404, "User not found")
        if call.endswith("/test"):
            return json_answer(200, WORKS)
        if call == "POST /user/email-accounts":
            return json_answer(201, ADDED)
        return json_answer(200, {"ok": True})


def at(team: Team) -> Session:
    return vendor_answers.session(ADAPTER, team)


def adding(answer: httpx.Response | Exception, *, there: bool = False) -> Session:
    return at(Team([MAILBOX] if there else [], {"POST /user/email-accounts": answer}))


ACCOUNT_ERRORS: list[tuple[httpx.Response, type[Error], str]] = [
    (words(401, "The authentication you supplied is incorrect"), platform.BadCredentials, "add; errors: 401"),
    (words(403, "User is not a member of this team"), platform.BadCredentials, "add"),
    (words(403, "User is blocked"), platform.BadCredentials, "errors: 403"),
    (words(400, "Bad team"), platform.BadCredentials, "add; errors: Bad team"),
    (words(401, "Two-factor authentication required"), platform.TotpRequired, "made up"),
    (words(402, "Your plan does not include the API"), platform.NoPaidPlan, "made up"),
    (words(429, "Too many requests"), platform.RateLimited, "errors: 429; limits"),
    (words(405, "Method not allowed"), platform.UnexpectedAnswer, "add: 405"),
    (words(404, "Not found"), platform.UnexpectedAnswer, "errors: 404"),
    (words(400, "Bad params"), platform.UnexpectedAnswer, "errors: Bad params, of a call that has none"),
    (words(500, "Internal server error"), platform.Unavailable, "errors: 500"),
    (httpx.Response(200, html="<h1>Sign in</h1>"), platform.UnexpectedAnswer, "nonsense"),
    (json_answer(200, {"name": "no id"}), platform.UnexpectedAnswer, "nonsense"),
    (httpx.Response(302, headers={"location": "http://elsewhere.test/"}), platform.UnexpectedAnswer, "nonsense"),
]


@pytest.mark.parametrize(("answer", "error", "_source"), ACCOUNT_ERRORS)
async def test_an_answer_about_the_account_becomes_its_error(
    answer: httpx.Response, error: type[Error], _source: str
) -> None:
    with pytest.raises(error) as raised:
        await at(Team(answers={"GET /team": answer})).check()
    assert type(raised.value) is error
    assert raised.value.problem().action


async def test_a_rest_is_as_long_as_lemlist_asks_for() -> None:
    """Retry-After: 2 and X-RateLimit-Reset as a date that no standard knows (limits)."""
    reset = "Tue Feb 16 2021 09:02:42 GMT+0100 (Central European Standard Time)"
    answer = words(429, "Too many requests", **{"retry-after": "2", "x-ratelimit-reset": reset})
    with pytest.raises(platform.RateLimited) as raised:
        await at(Team(answers={"GET /team": answer})).check()
    assert raised.value.retry_after == 2


REFUSALS: list[tuple[httpx.Response, type[Error], str]] = [
    (words(400, "Missing required fields"), platform.Rejected, "add"),
    (words(400, "Invalid host"), platform.Rejected, "add"),
    (words(400, "This SMTP mailbox already exists"), platform.AlreadyConnectedElsewhere, "add, and it is not ours"),
    (words(400, "Bad params"), platform.Rejected, "errors"),
    (words(400, "Bad request"), platform.Rejected, "errors"),
    (words(400, "You have reached the limit of email accounts of your plan"), platform.LimitReached, "made up"),
    (words(400, "Could not authenticate"), platform.InboxSignInRefused, "unknown words"),
]


@pytest.mark.parametrize(("answer", "error", "_source"), REFUSALS)
async def test_a_refused_inbox_that_is_not_there_has_its_reason(
    answer: httpx.Response, error: type[Error], _source: str
) -> None:
    [outcome] = await adding(answer).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    assert type(outcome.error) is error
    assert answer.text in str(outcome.error)


@pytest.mark.parametrize(("answer", "_error", "_source"), REFUSALS)
async def test_a_refused_inbox_that_is_there_is_accepted_whatever_the_words(
    answer: httpx.Response, _error: type[Error], _source: str
) -> None:
    [outcome] = await adding(answer, there=True).add([INBOX])
    assert outcome == platform.Accepted("a@b.test", ticket="usm_1", already=True)


@pytest.mark.parametrize(
    "answer",
    [
        json_answer(201, {}),
        json_answer(201, {**ADDED, "email": "other@b.test"}),
        json_answer(202, {"id": 7}),
        words(201, "created"),
        words(418, "Teapot"),
        httpx.Response(200, html="<h1>Sign in</h1>"),
    ],
)
async def test_an_unknown_answer_to_an_add_is_never_success(answer: httpx.Response) -> None:
    with pytest.raises(platform.UnexpectedAnswer):
        await adding(answer).add([INBOX])


async def test_a_refusal_that_is_not_lemlists_own_is_unexpected() -> None:
    [outcome] = await adding(httpx.Response(400, html="<h1>Bad gateway</h1>")).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    assert isinstance(outcome.error, platform.UnexpectedAnswer)


@pytest.mark.parametrize("lost", [httpx.ReadTimeout("late"), httpx.ReadError("cut"), httpx.Response(500)])
async def test_an_add_without_an_answer_may_have_happened(lost: httpx.Response | Exception) -> None:
    with pytest.raises(platform.OutcomeUnknown):
        await adding(lost).add([INBOX])


FAILED_TESTS = [
    ({"smtp": {"success": True}, "imap": {"success": False, "error": "Invalid credentials"}}, "IMAP: Invalid cred"),
    ({"smtp": {"success": False, "error": "535 no"}, "imap": {"success": True}}, "SMTP: 535 no"),
    ({"smtp": {"success": False}, "imap": {"success": False}}, "IMAP: failed; SMTP: failed"),
]
"""The first is the example of the page "test"."""


@pytest.mark.parametrize(("tested", "said"), FAILED_TESTS)
async def test_an_added_inbox_that_fails_its_test_is_taken_away_again(tested: dict[str, Any], said: str) -> None:
    team = Team(answers={"POST /user/email-accounts/umx_1/test": json_answer(200, tested)})
    [outcome] = await at(team).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    assert type(outcome.error) is platform.InboxSignInRefused
    assert said in str(outcome.error)
    assert team.calls[-1] == "DELETE /user/email-accounts/umx_1"


async def test_a_test_without_an_answer_leaves_the_inbox_and_is_tried_again() -> None:
    """It changes nothing, so nothing is unknown."""
    team = Team(answers={"POST /user/email-accounts/umx_1/test": httpx.ReadTimeout("late")})
    with pytest.raises(platform.Unavailable) as raised:
        await at(team).add([INBOX])
    assert not isinstance(raised.value, platform.OutcomeUnknown)
    assert not any(call.startswith("DELETE") for call in team.calls)


async def test_a_test_of_another_shape_is_unexpected() -> None:
    team = Team(answers={"POST /user/email-accounts/umx_1/test": json_answer(200, {"ok": True})})
    with pytest.raises(platform.UnexpectedAnswer):
        await at(team).add([INBOX])


@pytest.mark.parametrize(
    ("status", "tested", "standing", "error"),
    [
        ("CONNECTED", WORKS, Standing.CONNECTED, None),
        ("CONNECTED", FAILED_TESTS[0][0], Standing.FAILED, platform.InboxSignInRefused),
        ("ERROR", FAILED_TESTS[0][0], Standing.FAILED, platform.InboxSignInRefused),
        ("ERROR", WORKS, Standing.PENDING, None),
        ("DISCONNECTED", WORKS, Standing.PENDING, None),
        ("RESTING", WORKS, Standing.FAILED, platform.UnexpectedAnswer),
    ],
)
async def test_an_inbox_is_connected_when_its_status_and_its_test_are_good(
    status: str, tested: dict[str, Any], standing: Standing, error: type[Error] | None
) -> None:
    team = Team([{**MAILBOX, "status": status}], {"POST /user/email-accounts/usm_1/test": json_answer(200, tested)})
    inbox = (await at(team).find(["a@B.test"]))["a@B.test"]
    assert (inbox.standing, inbox.external_id, inbox.daily_limit) == (standing, "usm_1", 50)
    assert inbox.problem is None if error is None else isinstance(inbox.problem, error)


async def test_a_stored_password_that_fails_says_that_lemlist_cannot_change_it() -> None:
    team = Team([MAILBOX], {"POST /user/email-accounts/usm_1/test": json_answer(200, FAILED_TESTS[0][0])})
    problem = (await at(team).find(["a@b.test"]))["a@b.test"].problem
    assert problem
    assert "Remove the inbox in lemlist" in (problem.problem().action or "")


async def test_an_inbox_is_tested_once_in_a_session() -> None:
    team = Team([MAILBOX])
    session = at(team)
    [outcome] = await session.add([INBOX])
    assert isinstance(outcome, platform.Accepted)
    for _ in range(2):
        assert (await session.confirm([outcome]))["a@b.test"].standing is Standing.CONNECTED
    assert len([call for call in team.calls if call.endswith("/test")]) == 1


async def test_a_mailbox_may_come_without_a_provider_and_a_member_without_mailboxes() -> None:
    """As in the example of the page "user"."""
    shown = {name: value for name, value in MAILBOX.items() if name != "provider"}
    assert (await at(Team([shown])).find(["a@b.test"]))["a@b.test"].standing is Standing.CONNECTED
    answers = {"GET /users/": json_answer(200, {"_id": "usr_1", "email": "owner@acme.test"})}
    assert await at(Team(answers=answers)).find(["a@b.test"]) == {}


async def test_an_unknown_status_of_another_mailbox_does_no_harm() -> None:
    others = [{**MAILBOX, "_id": "usm_2", "email": "other@b.test", "status": "RESTING"}, MAILBOX]
    session = at(Team(others))
    assert (await session.find(["a@b.test"]))["a@b.test"].standing is Standing.CONNECTED
    assert [inbox.standing for inbox in [one async for one in session.list_()]] == [
        Standing.FAILED,
        Standing.CONNECTED,
    ]


@pytest.mark.parametrize("host", ["imap.gmail.com", "SMTP.Gmail.com", "smtp.googlemail.com"])
async def test_gmail_with_a_password_is_refused_without_a_call(host: str) -> None:
    """Such connections are not allowed (add)."""
    team = Team()
    server = MailServer(host, 993, "tls", "a@b.test", PASSWORD)
    [outcome] = await at(team).add([replace(INBOX, imap=server)])
    assert isinstance(outcome, platform.Refused)
    assert outcome.error.problem().code == "platform.rejected"
    assert "Google" in (outcome.error.problem().action or "")
    assert team.calls == []


@pytest.mark.parametrize(
    ("answer", "error", "_source"),
    [
        (json_answer(200, {"ok": True}), None, "remove"),
        (words(404, "Email account not found"), None, "remove"),
        (words(403, "You are not allowed to modify this mailbox"), platform.Rejected, "remove"),
        (words(400, "Bad team"), platform.BadCredentials, "remove"),
        (words(401, "The authentication you supplied is incorrect"), platform.BadCredentials, "remove"),
        (words(405, "Method not allowed"), platform.UnexpectedAnswer, "remove"),
        (json_answer(200, {"ok": False}), platform.UnexpectedAnswer, "nonsense"),
        (httpx.Response(404, html="nothing here"), platform.UnexpectedAnswer, "nonsense"),
    ],
)
async def test_an_answer_to_a_removal_becomes_its_error(
    answer: httpx.Response, error: type[Error] | None, _source: str
) -> None:
    session = at(Team([MAILBOX], {"DELETE /user/email-accounts/usm_1": answer}))
    if error is None:
        await session.remove("a@b.test")
    else:
        with pytest.raises(error) as raised:
            await session.remove("a@b.test")
        assert type(raised.value) is error


@pytest.mark.parametrize("gone", [words(404, "Not found"), words(405, "Method not allowed")])
async def test_warm_up_is_switched_by_the_newer_path_where_the_older_is_gone(gone: httpx.Response) -> None:
    """The vendor's files have /lemwarm/{id}/start and pause, its newer pages /warmup/{id}/start."""
    team = Team([MAILBOX], {"POST /lemwarm/": gone})

    def handle(request: httpx.Request) -> httpx.Response:
        answer = team(request)
        if team.calls[-1] == "POST /warmup/usm_1/start":
            team.mailboxes = [{**MAILBOX, "lemwarm": {"active": True}}]
        return answer

    await vendor_answers.session(ADAPTER, handle).set_warmup(["a@b.test"], on=True)
    assert team.calls[-2:] == ["GET /users/usr_gone", "GET /users/usr_1"]


async def test_warm_up_that_is_as_wanted_is_left_alone() -> None:
    team = Team([MAILBOX])
    await at(team).set_warmup(["a@b.test", "nobody@b.test"], on=False)
    assert not any(call.startswith("POST") for call in team.calls)


@pytest.mark.parametrize(("wanted", "fits"), [(None, True), ("Acme", True), ("tea_1", True), ("Other", False)])
async def test_a_key_is_of_one_team(wanted: str | None, fits: bool) -> None:
    session = ADAPTER.session(Credentials(KEY, workspace=wanted), reach(ADAPTER, Team()))
    if fits:
        assert [one.name for one in await session.check()] == ["Acme"]
    else:
        with pytest.raises(platform.WorkspaceNotFound, match="Acme"):
            await session.check()


@pytest.mark.parametrize("secret", [KEY, PASSWORD, json.dumps(PASSWORD)[1:-1], "OmtleS01ZWNyZXQ"])
async def test_secrets_that_lemlist_shows_are_not_kept(secret: str) -> None:
    """The last is the key as it goes in the header."""
    [outcome] = await adding(words(400, f"bad host with {secret}")).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    with pytest.raises(platform.UnexpectedAnswer) as raised:
        await adding(json_answer(200, {"you sent": secret})).add([INBOX])
    for text in (json.dumps(str(outcome.error)), raised.value.body):
        assert "5ecret" not in text
        assert "OmtleS01ZWNyZXQ" not in text
