"""The hosted page of the sandbox's gateway as HTML. It loads nothing, and its policy lets it load nothing."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from litemail.kit import link_page
from litemail.kit.errors import Problem
from litemail.kit.money import Money
from litemail.servers.sandbox.gateway_cards import CARDS
from litemail.servers.sandbox.gateway_queries import Card, Page

if TYPE_CHECKING:
    from jinja2 import Template

_FOLDER = Path(__file__).parent / "templates"
_TITLES = {"top_up": "Payment to Litemail", "save_card": "Save a card for Litemail"}
_DONE = {"top_up": "Paid.", "save_card": "The card is saved."}


def open_page(page: Page, cards: Sequence[Card], *, problem: Problem | None = None, typed: str = "") -> str:
    """The form; after a failed try with what went wrong and what was typed."""
    return _rendered(page, state="open", cards=cards, problem=problem, typed=typed)


def done_page(page: Page) -> str:
    return _rendered(page, state="done", done=_DONE[page.purpose])


def expired_page(page: Page, problem: Problem) -> str:
    """Says so and offers a new link."""
    return _rendered(page, state="expired", problem=problem)


def returned_page() -> str:
    """Where another gateway's page sends people when they are done there."""
    return _rendered(None, state="done", done="Thank you. Your wallet shows a payment as soon as the bank confirms it.")


def problem_page(problem: Problem) -> str:
    return _rendered(None, state="none", problem=problem)


@cache
def policy() -> str:
    """The content security policy: the page's own style sheet, and its form."""
    own = link_page.source_of(_style())
    return f"default-src 'none'; style-src {own}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


def _rendered(
    page: Page | None,
    *,
    state: Literal["open", "done", "expired", "none"],
    cards: Sequence[Card] = (),
    problem: Problem | None = None,
    typed: str = "",
    done: str | None = None,
) -> str:
    return _template().render(
        page=page,
        state=state,
        title=_TITLES[page.purpose] if page else "Payment to Litemail",
        amount=_amount(page.money) if page else None,
        cards=cards,
        problem=problem,
        typed=typed,
        done=done,
        test_cards=CARDS.values(),
    )


def _amount(money: Money) -> str:
    """`123456` is `1,234.56`."""
    whole, cents = divmod(money.amount, 100)
    return f"{whole:,}.{cents:02}"


@cache
def _style() -> str:
    return (_FOLDER / "pay.css").read_text()


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
    environment.globals["style"] = Markup(_style())  # noqa: S704 - our own file, whose hash the policy names
    return environment.get_template("pay.html")
