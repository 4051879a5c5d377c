"""An invoice as a page to print. It loads nothing, and its policy lets it load nothing."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from litemail.billing.queries import Invoice
from litemail.billing.schemas import percent
from litemail.kit.clock import rfc3339

if TYPE_CHECKING:
    from jinja2 import Template

_FOLDER = Path(__file__).parent / "templates"
_TITLES = {"invoice": "Invoice", "refund": "Refund"}


def page(invoice: Invoice, *, corrected: Invoice | None) -> str:
    """The page; `corrected` is the invoice that a refund takes back from."""
    return _template().render(invoice=invoice, corrected=corrected, title=_TITLES[invoice.kind])


@cache
def policy() -> str:
    """The content security policy of the page: its own style sheet and nothing else."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@cache
def _style() -> str:
    return (_FOLDER / "invoice.css").read_text()


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
    environment.filters |= {"money": _money, "percent": percent, "rfc3339": rfc3339}
    environment.globals["style"] = Markup(_style())  # noqa: S704 - our own file, whose hash the policy names
    return environment.get_template("invoice.html")


def _money(amount: int) -> str:
    """`123456` is `1,234.56`."""
    whole, cents = divmod(abs(amount), 100)
    return f"{'-' if amount < 0 else ''}{whole:,}.{cents:02}"
