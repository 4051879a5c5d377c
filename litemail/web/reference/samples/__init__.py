"""Request samples: one call, written in every language that customers use."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from litemail.web.reference.contract import Credential

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent
JSON = "application/json"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


_CREDENTIALS: Mapping[Credential, Sequence[tuple[str, str]]] = {
    "none": (),
    "key": (("x-api-key", "YOUR_API_KEY"),),
    "token": (("authorization", "Bearer YOUR_ACCESS_TOKEN"),),
}


class Language(msgspec.Struct, frozen=True):
    """`id` names the template and is remembered by browsers; `grammar` is what highlighters call it."""

    id: str
    label: str
    grammar: str


LANGUAGES = (
    Language("shell", "Shell", "bash"),
    Language("javascript", "JavaScript", "javascript"),
    Language("java", "Java", "java"),
    Language("swift", "Swift", "swift"),
    Language("go", "Go", "go"),
    Language("php", "PHP", "php"),
    Language("python", "Python", "python"),
    Language("http", "HTTP", "http"),
    Language("c", "C", "c"),
    Language("csharp", "C#", "csharp"),
    Language("objective-c", "Objective-C", "objectivec"),
    Language("ruby", "Ruby", "ruby"),
    Language("ocaml", "OCaml", "ocaml"),
    Language("dart", "Dart", "dart"),
    Language("r", "R", "r"),
)


class Call(msgspec.Struct, frozen=True):
    """A request as it is sent. `base` is scheme and host, `target` path and query."""

    method: str
    base: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: str | None = None
    media_type: str = JSON

    @property
    def is_json(self) -> bool:
        return self.media_type == JSON

    @property
    def url(self) -> str:
        return self.base + self.target

    @property
    def host(self) -> str:
        return self.base.partition("://")[2]


def write(call: Call, language: Language) -> str:
    """The sample's text, without a line end at the end."""
    return _environment().get_template(f"{language.id}.j2").render(call=call).strip("\n")


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - costs 30 ms, pages only

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - the samples are text; the page that shows them escapes
    )
    environment.filters |= {
        "text": text,
        "dollar_text": lambda value: text(value).replace("$", r"\$"),
        "single": single,
        "shell": shell,
        "without": without,
        "python": python_value,
        "indent_all": lambda value, width: "\n".join(" " * width + line for line in value.splitlines()),
    }
    return environment


def text(value: str) -> str:
    """A literal in double quotes, as C and all that took after it have it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{_CONTROL.sub("", escaped)}"'


def single(value: str) -> str:
    """A literal in single quotes, where only those and backslashes are escaped (PHP, Ruby)."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def shell(value: str) -> str:
    """One word of a POSIX shell."""
    return "'" + value.replace("'", "'\\''") + "'"


def without(body: str, characters: str) -> str:
    r"""The same JSON without these characters, for languages whose quotes they would end.

    In JSON they can only stand in texts, where `\uXXXX` means the same (RFC 8259 section 7).
    """
    for character in characters:
        body = body.replace(character, f"\\u{ord(character):04x}")
    return body


def python_value(body: str, indent: int) -> str:
    """JSON as a Python value over several lines, the first of which stands behind `indent` other characters."""
    return _python(msgspec.json.decode(body), " " * indent)


def _python(value: object, margin: str) -> str:
    inner = margin + "    "
    if isinstance(value, dict) and value:
        lines = [f"{inner}{text(name)}: {_python(each, inner)}," for name, each in value.items()]
        return "\n".join(["{", *lines, margin + "}"])
    if isinstance(value, list) and value:
        return "\n".join(["[", *(f"{inner}{_python(each, inner)}," for each in value), margin + "]"])
    return text(value) if isinstance(value, str) else repr(value)


def headers_of(credential: Credential, *, media_type: str | None) -> list[tuple[str, str]]:
    """The headers of a sample. Key and token stand for the reader's own."""
    return [
        *_CREDENTIALS[credential],
        *([("content-type", media_type)] if media_type else []),
    ]
