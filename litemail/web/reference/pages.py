"""The pages of the reference."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from litemail.web.reference import markdown, samples
from litemail.web.reference.codes import Code, Event, codes, events
from litemail.web.reference.contract import Operation, pretty, read
from litemail.web.reference.samples import LANGUAGES, Call

if TYPE_CHECKING:
    from jinja2 import Environment

BASE_HOST = "base.litemail.invalid"
BASE = f"http://{BASE_HOST}"
"""Stands for the reader's own address in pages that are kept."""

GUIDES = (
    ("introduction", "Introduction"),
    ("quickstart", "Quickstart"),
    ("authentication", "Authentication"),
    ("errors", "Errors"),
    ("pagination", "Lists and pages"),
    ("idempotency", "Repeating requests"),
    ("limits", "Limits"),
    ("money", "Money"),
    ("sandbox", "The sandbox"),
    ("events", "Events"),
    ("changelog", "Changelog"),
)
_FOLDER = Path(__file__).parent


class Page(msgspec.Struct, frozen=True):
    """One page. `path` is what follows /docs/; `html` is the whole document, `markdown` the same for machines."""

    path: str
    title: str
    summary: str
    html: str
    markdown: str


class Reference:
    """All that there are pages of. A page is made when it is first asked for, in milliseconds, and kept."""

    def __init__(self, tree: Mapping[str, Any], changelog: str) -> None:
        """`tree` is the OpenAPI document, `changelog` Markdown."""
        self.groups = read(tree)
        self.codes = codes(self.groups)
        self.events = events()
        self._changelog = changelog
        self._remedies = {code.code: code.sayings[0].action for code in self.codes}
        self._made: dict[str, Page] = {}
        self._makers: dict[str, Callable[[], Page]] = {
            **{name: partial(self._guide, name, title) for name, title in GUIDES},
            **{f"operations/{each.slug}": partial(self._operation, each) for each in self.operations()},
            **{code.slug: partial(self._code, code) for code in self.codes},
            **{event.slug: partial(self._event, event) for event in self.events},
        }

    def operations(self) -> Iterator[Operation]:
        for group in self.groups:
            yield from group.operations

    def paths(self) -> Iterable[str]:
        return self._makers.keys()

    def page(self, path: str) -> Page | None:
        if path not in self._made:
            if path not in self._makers:
                return None
            self._made[path] = self._makers[path]()
        return self._made[path]

    def guide(self, name: str) -> str:
        """The Markdown of a guide."""
        if name == "changelog":
            return self._changelog
        source = (_FOLDER / "prose" / f"{name}.md").read_text()
        values = {"base": BASE, "codes": self.codes, "events": self.events}
        return _environment().from_string(source).render(**values).rstrip() + "\n"

    def search_page(self, *, q: str, found: Sequence[object]) -> str:
        """The results, for readers without scripts."""
        return self._document("search.html", "search", "Search", "Search the reference.", q=q, found=found)

    def _document(self, template: str, path: str, title: str, summary: str, **values: object) -> str:
        return (
            _environment()
            .get_template(template)
            .render(groups=self.groups, guides=GUIDES, path=path, title=title, summary=summary, **values)
        )

    def _prose(self, path: str, title: str, summary: str, source: str) -> Page:
        html = self._document("guide.html", path, title, summary, body=markdown.render(source))
        return Page(path, title, summary, html, source)

    def _guide(self, name: str, title: str) -> Page:
        source = self.guide(name)
        return self._prose(name, title, first_sentence(source), source)

    def _code(self, code: Code) -> Page:
        source = _environment().get_template("code.md").render(code=code)
        return self._prose(code.slug, code.code, code.sayings[0].message, source)

    def _event(self, event: Event) -> Page:
        source = _environment().get_template("event.md").render(event=event)
        return self._prose(event.slug, event.type, event.meaning, source)

    def _operation(self, operation: Operation) -> Page:
        written = written_samples(operation)
        path = f"operations/{operation.slug}"
        summary = first_sentence(operation.description) or operation.summary
        html = self._document(
            "operation.html",
            path,
            operation.summary,
            summary,
            operation=operation,
            samples=written,
            remedies=self._remedies,
            try_body=None if operation.body_example is None else pretty(operation.body_example),
        )
        source = _environment().get_template("operation.md").render(operation=operation, shell=written[0][1])
        return Page(path, operation.summary, summary, html, source)


def changelog() -> str:
    """The project's, which an installed package carries beside these pages."""
    return (_FOLDER / "prose" / "changelog.md").read_text()


def written_samples(operation: Operation) -> list[tuple[samples.Language, str]]:
    call = sample_call(operation)
    return [(language, samples.write(call, language)) for language in LANGUAGES]


def sample_call(operation: Operation) -> Call:
    """The call with its example values, as a reader would send it."""
    body = None if operation.body_example is None else pretty(operation.body_example)
    media_type = (operation.body_type or samples.JSON) if body is not None else None
    headers = samples.headers_of(operation.credential, media_type=media_type)
    return Call(operation.method, BASE, target_of(operation), headers, body, media_type or samples.JSON)


def target_of(operation: Operation) -> str:
    """Path and query with example values: things by their ids, queries where they are needed."""
    target = operation.path
    for field in operation.path_fields:
        target = target.replace(f"{{{field.path}}}", field.example or _PLACEHOLDERS.get(field.path, f":{field.path}"))
    query = [f"{field.path}={field.example or _PLACEHOLDERS.get(field.path, '')}" for field in _asked(operation)]
    return f"{target}?{'&'.join(query)}" if query else target


def _asked(operation: Operation) -> list[Any]:
    return [field for field in operation.query_fields if field.required or field.path in _TELLING.get(operation.id, ())]


_TELLING: Mapping[str, Sequence[str]] = {
    "list_mailboxes": ("domain", "limit"),
    "list_available_names": ("q", "tlds"),
    "list_transactions": ("kind",),
}
"""Queries that are optional and yet worth showing."""

_PLACEHOLDERS: Mapping[str, str] = {
    "domain": "hopper.test",
    "workspace_id": "ws_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "key_id": "key_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "record_id": "rec_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "mailbox_id": "mbx_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "app_password_id": "apw_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "alias_id": "als_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "connection_id": "con_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "export_id": "exp_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "account_id": "pfa_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "platform_account_id": "pfa_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "subscription_id": "sub_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "order_id": "ord_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "payment_id": "pay_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "invoice_id": "inv_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "platform_type": "instantly",
    "gateway": "sandbox",
    "domains": "hopper.test",
    "address": "grace@hopper.test",
    "limit": "20",
    "q": "hopper",
    "tlds": "test",
    "kind": "capture",
}


def first_sentence(source: str) -> str:
    for paragraph in source.split("\n\n"):
        if not paragraph.startswith(("#", "|", "```", "-")):
            return " ".join(paragraph.split()).partition(". ")[0].rstrip(".") + "."
    return ""


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape  # noqa: PLC0415 - costs 30 ms, pages only

    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=select_autoescape(("html",), default=False),  # the others are Markdown
    )
    environment.filters["markdown"] = markdown.render
    return environment
