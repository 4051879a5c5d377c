"""What each answer of Woodpecker becomes, with its source, and nonsense.

Sources: "page" is developers.woodpecker.co, "article" docs.woodpecker.co, "made up" what neither says.
"""

from typing import Any

import httpx
import pytest

from litemail.kit.errors import Error
from litemail.providers import platform
from litemail.providers.platform import Accepted, Session, Standing, woodpecker
from tests.providers import vendor_answers
from tests.providers.vendor_answers import INBOX, KEY, PASSWORD, json_answer, reach

ADAPTER = woodpecker.adapter()
SUMMARY = {"processing_finished": True, "failed_mailboxes_count": 0, "failed_mailboxes": []}


def smtp(error: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": 234, "type": "SMTP", "details": {"email": "A@b.test", "error": error, "daily_limit": 40, **more}}


def page(*mailboxes: dict[str, Any], pages: int = 1) -> httpx.Response:
    return json_answer(200, {"content": list(mailboxes), "pagination_data": {"total_pages": pages}})


def answering(
    answer: httpx.Response, *, listed: httpx.Response | None = None, summary: httpx.Response | None = None
) -> Session:
    """Says that to an add, and the others to the list (204 unless given) and the summary."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return answer
        if request.url.path.endswith("/summary"):
            return summary or json_answer(200, SUMMARY)
        return listed or httpx.Response(204)

    return vendor_answers.session(ADAPTER, handle)


def listing(answer: httpx.Response) -> Session:
    return answering(json_answer(500, {}), listed=answer)


CHECKS: list[tuple[int, Any, type[Error], str]] = [
    (401, {"code": "UNAUTHORIZED", "details": ["Invalid API key"]}, platform.BadCredentials, "page get-batch-summary"),
    (403, {"code": "ACCESS_DENIED"}, platform.BadCredentials, "HTTP"),
    (403, {"code": "FORBIDDEN", "details": ["The API add-on is needed"]}, platform.NoPaidPlan, "article API reference"),
    (402, {}, platform.NoPaidPlan, "HTTP"),
    (429, {}, platform.RateLimited, "HTTP"),
    (500, {"code": "INTERNAL_SERVER_ERROR"}, platform.Unavailable, "page get-batch-summary"),
    (404, {"code": "NOT_FOUND"}, platform.UnexpectedAnswer, "nonsense"),
    (200, [], platform.UnexpectedAnswer, "nonsense"),
]


@pytest.mark.parametrize(("status", "body", "error", "_source"), CHECKS)
async def test_an_answer_to_a_check_becomes_its_error(status: int, body: Any, error: type[Error], _source: str) -> None:
    with pytest.raises(error) as raised:
        await vendor_answers.session(ADAPTER, lambda _: json_answer(status, body)).check()
    assert type(raised.value) is error
    assert raised.value.problem().action


async def test_an_agency_names_the_company() -> None:
    companies: list[str | None] = []

    def handle(request: httpx.Request) -> httpx.Response:
        companies.append(request.headers.get("x-company-id"))
        return json_answer(200, {"id": 1})

    for workspace in (None, "4711"):
        await ADAPTER.session(platform.Credentials(KEY, workspace=workspace), reach(ADAPTER, handle)).check()
    assert companies == [None, "4711"]


@pytest.mark.parametrize("batch_id", [17, "17"], ids=["article", "page"])
async def test_the_batch_is_the_ticket(batch_id: object) -> None:
    [outcome] = await answering(json_answer(202, {"batch_id": batch_id})).add([INBOX])
    assert outcome == Accepted("a@b.test", "17")


REFUSALS: list[tuple[int, dict[str, Any], type[Error], str]] = [
    (
        400,
        {"code": "VALIDATION", "details": ["daily_sending_limit must be in range <1,5500>"]},
        platform.Rejected,
        "article adding mailboxes",
    ),
    (400, {"code": "VALIDATION", "details": ["footer must not be blank"]}, platform.Rejected, "article"),
    (
        409,
        {"code": "CONFLICT", "details": ["in use by another company"]},
        platform.AlreadyConnectedElsewhere,
        "article",
    ),
    (400, {"code": "SMTP_AUTH", "details": []}, platform.InboxSignInRefused, "made up"),
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
    [outcome] = await answering(json_answer(409, {"code": "CONFLICT"}), listed=page(smtp())).add([INBOX])
    assert isinstance(outcome, Accepted)
    assert outcome.already


@pytest.mark.parametrize(("status", "body"), [(202, {}), (200, {"batch_id": None}), (204, {}), (202, [])])
async def test_an_unknown_answer_to_an_add_is_never_success(status: int, body: Any) -> None:
    with pytest.raises(platform.UnexpectedAnswer):
        await answering(json_answer(status, body)).add([INBOX])


ERRORS: list[tuple[str | None, Standing, type[Error] | None, str]] = [
    (None, Standing.CONNECTED, None, "page get-mailbox"),
    ("", Standing.CONNECTED, None, "article listing"),
    ("Connected conditionally.", Standing.CONNECTED, None, "article listing"),
    ("Authentication failed", Standing.FAILED, platform.InboxSignInRefused, "article reconnect"),
    ("Couldn't connect to the host", Standing.FAILED, platform.Rejected, "article reconnect"),
    ("You've reached your provider's sending limit", Standing.FAILED, platform.LimitReached, "article campaign error"),
]


@pytest.mark.parametrize(("words", "standing", "error", "_source"), ERRORS)
async def test_each_error_of_a_mailbox_has_a_standing(
    words: str | None, standing: Standing, error: type[Error] | None, _source: str
) -> None:
    inbox = (await listing(page(smtp(words))).find(["a@b.test"]))["a@b.test"]
    assert (inbox.standing, inbox.daily_limit) == (standing, 40)
    assert (type(inbox.problem) if inbox.problem else None) is error


async def test_an_inbox_whose_imap_side_is_broken_does_not_work() -> None:
    imap = {"id": 123, "type": "IMAP", "details": {"email": "a@b.test", "error": "IMAP authentication failed"}}
    inbox = (await listing(page(imap, smtp(imap_id=123))).find(["a@b.test"]))["a@b.test"]
    assert isinstance(inbox.problem, platform.InboxSignInRefused)


async def test_the_list_is_read_as_pages_and_as_an_array() -> None:
    for answer in (page(smtp()), json_answer(200, [smtp()])):
        assert "a@b.test" in await listing(answer).find(["a@b.test"])
    assert await listing(httpx.Response(204)).find(["a@b.test"]) == {}
    for nonsense in (json_answer(200, {}), json_answer(200, [{"id": 1}]), httpx.Response(200, html="<h1>Hi</h1>")):
        with pytest.raises(platform.UnexpectedAnswer):
            await listing(nonsense).find(["a@b.test"])


async def test_all_pages_are_read() -> None:
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["page"])
        return page(*([smtp()] if len(asked) == 3 else []), pages=3)

    assert "a@b.test" in await vendor_answers.session(ADAPTER, handle).find(["a@b.test"])
    assert asked == ["0", "1", "2"]


FAILED: list[tuple[Any, type[Error], str]] = [
    ({"smtp_email": "A@b.test", "errors": ["Authentication failed"]}, platform.InboxSignInRefused, "made up"),
    ({"email": "a@b.test", "error": {"message": "Already connected"}}, platform.AlreadyConnectedElsewhere, "made up"),
    ("a@b.test", platform.Rejected, "made up"),
]


@pytest.mark.parametrize(("entry", "error", "_source"), FAILED)
async def test_a_failed_mailbox_of_a_batch_says_why_in_whatever_shape(
    entry: object, error: type[Error], _source: str
) -> None:
    """ "page" get-batch-summary: `failed_mailboxes` is a list, of what is not said."""
    summary = json_answer(200, {**SUMMARY, "failed_mailboxes_count": 1, "failed_mailboxes": [entry]})
    confirmed = await answering(json_answer(500, {}), summary=summary).confirm([Accepted("a@b.test", "17")])
    assert confirmed["a@b.test"].standing is Standing.FAILED
    assert type(confirmed["a@b.test"].problem) is error


@pytest.mark.parametrize(
    "summary",
    [
        json_answer(200, {**SUMMARY, "processing_finished": False}),
        json_answer(200, SUMMARY),
        json_answer(404, {"code": "NOT_FOUND"}),
    ],
    ids=["in progress", "done without it", "forgotten"],
)
async def test_what_neither_the_list_nor_the_summary_names_is_not_decided(summary: httpx.Response) -> None:
    session = answering(json_answer(500, {}), summary=summary)
    assert await session.confirm([Accepted("a@b.test", "17")]) == {}


async def test_after_a_lost_answer_the_batch_gets_time_to_show() -> None:
    """Else it would not be found, and be handed over again."""
    with pytest.raises(platform.OutcomeUnknown) as raised:
        await answering(httpx.Response(502)).add([INBOX])
    assert raised.value.retry_after
    assert raised.value.retry_after >= 30


@pytest.mark.parametrize("secret", [KEY, PASSWORD])
async def test_secrets_that_it_echoes_are_not_kept(secret: str) -> None:
    body = {"code": "ERROR", "details": [f"bad login with {secret}"]}
    [outcome] = await answering(json_answer(400, body)).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    with pytest.raises(platform.UnexpectedAnswer) as raised:
        await answering(json_answer(202, {"you sent": secret})).add([INBOX])
    assert "5ecret" not in f"{outcome.error}{raised.value}{raised.value.body}"
