"""GET and POST /purchase/{token}: the page of a purchase link. Opening it changes nothing; its form leads to pay."""

from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from litestar import MediaType, Request, Response, Router, get, post
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from litemail.kit import link_page
from litemail.kit.db import Database
from litemail.kit.errors import Error, Problem
from litemail.kit.wire import Given
from litemail.providers.payments import Gateways
from litemail.web.errors import STATUS
from litemail.workflows import purchase_links
from litemail.workflows.purchase_links import LinkExpired, PaymentFailed, PurchaseLinks, Seen

if TYPE_CHECKING:
    from jinja2 import Template

Shown = Response[str]

_FOLDER = Path(__file__).parent / "templates"
_STATUS_OF_STATE = {"expired": HTTPStatus.GONE, "failed": HTTPStatus.GONE}

log = structlog.get_logger("purchase page")


class PageFailed(Error):
    code = "internal"
    message = "Something went wrong on our side; nothing was bought."
    action = "Load the page again."


@dataclass(frozen=True)
class Counter:
    """What the pages work with."""

    database: Database
    links: PurchaseLinks
    gateways: Gateways


def router(counter: Counter) -> Router:
    """The pages. They belong at the root of the API's server, outside of its authentication."""
    return Router(
        "/purchase",
        route_handlers=[show, act],
        dependencies={"counter": Provide(lambda: counter, sync_to_thread=False)},
        exception_handlers={Exception: _explain},
        include_in_schema=False,
    )


@get("/{token:str}", media_type=MediaType.HTML)
async def show(token: FromPath[str], counter: Given[Counter]) -> Shown:
    seen = await purchase_links.see(counter.database, token, links=counter.links)
    return _answer(_page(seen), _STATUS_OF_STATE.get(seen.state, HTTPStatus.OK))


@post("/{token:str}", media_type=MediaType.HTML, status_code=HTTPStatus.SEE_OTHER)
async def act(token: FromPath[str], counter: Given[Counter]) -> Shown:
    """To the gateway's page; back to this one where the offer is paid already."""
    link = await purchase_links.pay(counter.database, token, links=counter.links, gateways=counter.gateways)
    return _answer("", HTTPStatus.SEE_OTHER, location=link or token)


def _page(seen: Seen) -> str:
    problem: Problem | None = None
    if seen.state in _STATUS_OF_STATE:
        problem = (LinkExpired() if seen.state == "expired" else PaymentFailed()).problem()
    lines = [line for each in seen.offer.priced for line in each.lines()]
    return _template().render(seen=seen, lines=lines, total=seen.offer.total, problem=problem)


def _problem_page(problem: Problem) -> str:
    return _template().render(seen=None, lines=[], total=0, problem=problem)


def _answer(html: str, status: HTTPStatus = HTTPStatus.OK, **headers: str) -> Shown:
    return link_page.answer(html, status, policy=_policy(), **headers)


def _explain(_request: Request[Any, Any, Any], error: Exception) -> Shown:
    """Every failure as a page."""
    if isinstance(error, HTTPException):
        problem = Problem(
            code="request.malformed", message="The request cannot be read.", action="Open the link again."
        )
        return _answer(_problem_page(problem), HTTPStatus(error.status_code))
    if isinstance(error, Error):
        return _answer(_problem_page(error.problem()), HTTPStatus(STATUS[error.kind]))
    log.error("unexpected failure of a purchase page", exc_info=error)
    return _answer(_problem_page(PageFailed().problem()), HTTPStatus.INTERNAL_SERVER_ERROR)


@cache
def _policy() -> str:
    """The page's own style sheet, and its form, which leads to the gateway's page, wherever that is."""
    return f"default-src 'none'; style-src {link_page.source_of(_style())}; base-uri 'none'; frame-ancestors 'none'"


@cache
def _style() -> str:
    return (_FOLDER / "purchase.css").read_text()


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - slow to load, seldom needed
    from markupsafe import Markup  # noqa: PLC0415 - as above

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["money"] = _money
    environment.globals["style"] = Markup(_style())  # noqa: S704 - our own file, whose hash the policy names
    return environment.get_template("purchase.html")


def _money(amount: int) -> str:
    """`123456` is `1,234.56`."""
    whole, cents = divmod(amount, 100)
    return f"{whole:,}.{cents:02}"
