"""GET and POST /pay/{token}: the hosted page of the sandbox's gateway. Whoever has the link may pay; only POST acts."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import structlog
from litestar import MediaType, Request, Response, Router, get, post
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from litemail.kit import link_page
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Error, Kind, Problem
from litemail.kit.wire import Given
from litemail.providers.payments.sandbox import PayLinks
from litemail.servers.sandbox import gateway, pay_page
from litemail.servers.sandbox import gateway_queries as queries
from litemail.servers.sandbox.gateway_cards import CARDS, SandboxCard
from litemail.servers.sandbox.gateway_queries import Page

Shown = Response[str]

_REASON = "pay page"
_LARGEST_FORM = 4096
_MOST_FIELDS = 20
_STATUS = {
    Kind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Kind.GONE: HTTPStatus.GONE,
    Kind.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Kind.UNSUPPORTED: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Kind.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Kind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}

log = structlog.get_logger("sandbox")


class UnknownLink(Error):
    kind = Kind.NOT_FOUND
    code = "payment.unknown_link"
    message = "There is no payment at this address."
    action = "Open the whole link that you were given."


class LinkExpired(Error):
    kind = Kind.GONE
    code = "payment.link_expired"
    message = "This link has expired."
    action = "Nothing was paid with it. Get a new one for the same payment."


class NoSuchCard(Error):
    kind = Kind.INVALID
    code = "payment.no_such_card"
    message = "This is not one of the test cards."
    action = "Choose one of those listed below."


class NotAForm(Error):
    kind = Kind.UNSUPPORTED
    code = "payment.not_a_form"
    message = "This page takes a form."
    action = "Send it as application/x-www-form-urlencoded with the field card_number."


class FormTooLarge(Error):
    kind = Kind.TOO_LARGE
    code = "payment.form_too_large"
    message = "The form is too large."


class PageFailed(Error):
    code = "internal"
    message = "Something went wrong on our side; nothing was changed."
    action = "Load the page again."


@dataclass(frozen=True)
class Desk:
    """What the pages work with."""

    database: Database
    links: PayLinks


def router(desk: Desk) -> Router:
    """The pages. They belong at the root of the API's server, outside of its authentication."""
    return Router(
        "/pay",
        route_handlers=[show, returned, act],
        dependencies={"desk": Provide(lambda: desk, sync_to_thread=False)},
        exception_handlers={Exception: _explain},
        include_in_schema=False,
    )


@get("/{token:str}", media_type=MediaType.HTML)
async def show(token: FromPath[str], desk: Given[Desk]) -> Shown:
    async with desk.database.begin_system(_REASON) as tx:
        page = await queries.find_page(tx, _page_id(token, desk))
        if page is None:
            raise UnknownLink
        if page.status == "done":
            return _answer(pay_page.done_page(page))
        if page.expired(tx.now):
            return _answer(pay_page.expired_page(page, LinkExpired().problem()), HTTPStatus.GONE)
        return _answer(pay_page.open_page(page, await queries.list_cards(tx, page.customer)))


@get("/done", media_type=MediaType.HTML)
async def returned() -> Shown:
    return _answer(pay_page.returned_page())


@post("/{token:str}", media_type=MediaType.HTML, status_code=HTTPStatus.OK)
async def act(request: Request[Any, Any, Any], token: FromPath[str], desk: Given[Desk]) -> Shown:
    page_id = _page_id(token, desk)
    form = await _form(request)
    async with desk.database.begin_system(_REASON) as tx:
        page = await queries.lock_page(tx, page_id)
        if page is None:
            raise UnknownLink
        if page.expired(tx.now):
            if form.get("action") != "renew":
                return _answer(pay_page.expired_page(page, LinkExpired().problem()), HTTPStatus.GONE)
            return _see(desk.links.token((await gateway.renew(tx, page)).id))
        if page.status == "done" or form.get("action") == "renew":
            return _see(token)
        status, problem = await _try_card(tx, page, form)
        if problem is None:
            return _see(token)
        cards = await queries.list_cards(tx, page.customer)
        typed = form.get("card_number", "")[:30]
        return _answer(pay_page.open_page(page, cards, problem=problem, typed=typed), status)


async def _try_card(tx: Tx, page: Page, form: dict[str, str]) -> tuple[HTTPStatus, Problem | None]:
    """Pays or saves with the card of the form; the problem where that failed, which leaves the page open."""
    card = await _card(tx, page, form)
    if card is None:
        return HTTPStatus.UNPROCESSABLE_ENTITY, NoSuchCard().problem()
    act_with = gateway.save_card if page.purpose == "save_card" else gateway.pay
    reason = await act_with(tx, page, card)
    if reason is None:
        return HTTPStatus.OK, None
    return HTTPStatus.PAYMENT_REQUIRED, gateway.refusal(reason).problem()


async def _card(tx: Tx, page: Page, form: dict[str, str]) -> SandboxCard | None:
    """The card that the form names. A number that was typed wins: the choice of a saved card is made beforehand."""
    typed = "".join(form.get("card_number", "").split()).replace("-", "")
    if not typed and form.get("saved_card") and page.purpose == "top_up":
        saved = await queries.find_card(tx, form["saved_card"], customer=page.customer)
        return saved.behaviour if saved else None
    return CARDS.get(typed)


async def _form(request: Request[Any, Any, Any]) -> dict[str, str]:
    """The fields; `card` stands for `card_number` too, for programs that pay. Raises NotAForm, FormTooLarge."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise NotAForm
    body = await request.body()
    if len(body) > _LARGEST_FORM:
        raise FormTooLarge
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise NotAForm from None
    form = {name: values[-1].replace("\x00", "") for name, values in fields.items()}
    form.setdefault("card_number", form.get("card", ""))
    return form


def _page_id(token: str, desk: Desk) -> str:
    page_id = desk.links.page_id(token)
    if page_id is None:
        raise UnknownLink
    return page_id


def _see(token: str) -> Shown:
    """To the page as it is now, so that loading it again sends nothing again. Relative: whatever path we are behind."""
    return _answer("", HTTPStatus.SEE_OTHER, location=token)


def _answer(html: str, status: HTTPStatus = HTTPStatus.OK, **headers: str) -> Shown:
    return link_page.answer(html, status, policy=pay_page.policy(), **headers)


def _explain(_request: Request[Any, Any, Any], error: Exception) -> Shown:
    """Every failure as a page."""
    if isinstance(error, HTTPException):
        problem = Problem(
            code="request.malformed", message="The request cannot be read.", action="Load the page again."
        )
        return _answer(pay_page.problem_page(problem), HTTPStatus(error.status_code))
    if isinstance(error, Error) and error.kind in _STATUS:
        return _answer(pay_page.problem_page(error.problem()), _STATUS[error.kind])
    log.error("unexpected failure of a pay page", exc_info=error)
    return _answer(pay_page.problem_page(PageFailed().problem()), HTTPStatus.INTERNAL_SERVER_ERROR)
