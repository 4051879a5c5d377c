"""Search over calls, fields, codes, events and headings: each word asked for must begin a word of what is found."""

import re
from collections.abc import Iterator, Sequence

import msgspec

from litemail.web.reference import markdown
from litemail.web.reference.contract import Operation
from litemail.web.reference.fields import Field
from litemail.web.reference.pages import GUIDES, Reference, first_sentence

MOST = 30
_WORD = re.compile(r"[a-z0-9]+")
_IN_TITLE, _IN_NAME, _WHOLE_WORD = 6, 4, 2
_BY_KIND = {"call": 3, "guide": 2, "error": 1, "event": 1, "field": 0}


class Entry(msgspec.Struct, frozen=True):
    """Something that can be found, and where it is."""

    title: str
    kind: str
    url: str
    about: str
    names: str = ""


class Index:
    """All entries with their words."""

    def __init__(self, reference: Reference) -> None:
        self._entries = [
            (entry, _words(entry.title), _words(entry.names), _words(entry.about)) for entry in _entries(reference)
        ]

    def find(self, asked: str, *, most: int = MOST) -> list[Entry]:
        """The best entries first; nothing for nothing."""
        wanted = _words(asked)
        if not wanted:
            return []
        scored = [
            (score, -len(entry.title), entry)
            for entry, title, names, about in self._entries
            if (score := _score(wanted, title, names, about, entry.kind))
        ]
        scored.sort(key=lambda each: each[:2], reverse=True)
        return [entry for _, _, entry in scored[:most]]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _score(wanted: Sequence[str], title: Sequence[str], names: Sequence[str], about: Sequence[str], kind: str) -> int:
    score = 0
    for word in wanted:
        best = 0
        for weight, words in ((_IN_TITLE, title), (_IN_NAME, names), (1, about)):
            if any(each.startswith(word) for each in words):
                best = max(best, weight + (_WHOLE_WORD if word in words else 0))
        if not best:
            return 0
        score += best
    return score * 4 + _BY_KIND[kind]


def _entries(reference: Reference) -> Iterator[Entry]:
    for operation in reference.operations():
        url = f"/docs/operations/{operation.slug}"
        line = f"{operation.method} {operation.path}"
        yield Entry(operation.summary, "call", url, line, f"{operation.id} {operation.group}")
        for field in _fields(operation):
            about = f"{line}: {field.description}" if field.description else line
            yield Entry(field.path, "field", f"{url}#{field.anchor}", about)
    for code in reference.codes:
        yield Entry(code.code, "error", f"/docs/{code.slug}", code.sayings[0].message)
    for event in reference.events:
        yield Entry(event.type, "event", f"/docs/{event.slug}", event.meaning)
    for name, title in GUIDES:
        source = reference.guide(name)
        yield Entry(title, "guide", f"/docs/{name}", first_sentence(source))
        for heading in markdown.headings(source):
            if heading.level > 1:
                yield Entry(heading.text, "guide", f"/docs/{name}#{heading.anchor}", title)


def _fields(operation: Operation) -> Iterator[Field]:
    yield from operation.path_fields
    yield from operation.query_fields
    yield from operation.body_fields
    yield from operation.success.fields
