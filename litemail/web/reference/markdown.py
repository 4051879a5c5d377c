"""Markdown to HTML: CommonMark with tables, headings that can be linked to, nothing raw."""

import re
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_NO_WORD = re.compile(r"[^a-z0-9]+")


class Heading(msgspec.Struct, frozen=True):
    level: int
    text: str
    anchor: str


def render(source: str) -> str:
    parser = _parser()
    tokens = parser.parse(source)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", anchor_of(inline.content))
        if opening.type == "fence":
            opening.attrSet("tabindex", "0")
    return str(parser.renderer.render(tokens, parser.options, {})).replace("<table>", '<table class="prose">')


def headings(source: str) -> list[Heading]:
    tokens = _parser().parse(source)
    return [
        Heading(int(opening.tag[1:]), _plain(inline.content), anchor_of(inline.content))
        for opening, inline in pairwise(tokens)
        if opening.type == "heading_open"
    ]


def anchor_of(heading: str) -> str:
    return _NO_WORD.sub("-", heading.lower()).strip("-")


def _plain(text: str) -> str:
    return text.replace("`", "").replace("*", "")


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # noqa: PLC0415 - pages only

    return MarkdownIt("commonmark", {"html": False}).enable("table")
