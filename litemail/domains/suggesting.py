"""Names that might please: made of a keyword, always the same ones in the same order."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice

from litemail.kit.errors import Error
from litemail.protocols import names

MOST = 50

_BEFORE = ("get", "try", "use", "go", "join", "with", "meet", "my", "the")
_AFTER = ("hq", "app", "mail", "team", "labs", "now", "hub", "online", "co", "direct", "works", "group")
_WORD = re.compile(r"[^\W_]+")


def suggest(keyword: str, suffixes: Sequence[str]) -> list[str]:
    """Up to 50 names that can be registered, the closest to the keyword first; none where it has no letters.

    `brand merge` is `brandmerge`, `brand-merge`, `getbrandmerge`, `brandmergehq`, ... under each of the suffixes. A
    keyword that is a name itself stands first, as it is.
    """
    known = [suffix for suffix in map(_ascii, suffixes) if suffix is not None]
    return list(islice(dict.fromkeys(_candidates(keyword, known)), MOST))


def _candidates(keyword: str, suffixes: Sequence[str]) -> Iterator[str]:
    whole = _registrable(keyword)
    if whole is not None and whole.partition(".")[2] in suffixes:
        yield whole
    text = whole.partition(".")[0] if whole is not None else keyword
    for label in _labels(_words(text)):
        for suffix in suffixes:
            name = _registrable(f"{label}.{suffix}")
            if name is not None:
                yield name


def _labels(words: Sequence[str]) -> Iterator[str]:
    if not words:
        return
    joined = "".join(words)
    yield joined
    if len(words) > 1:
        yield "-".join(words)
    for before, after in zip(_BEFORE, _AFTER, strict=False):
        yield before + joined
        yield joined + after
    yield from (joined + after for after in _AFTER[len(_BEFORE) :])
    yield from (f"{before}-{joined}" for before in _BEFORE)
    yield from (f"{joined}-{after}" for after in _AFTER)
    yield from (f"{before}{joined}{after}" for before in _BEFORE for after in _AFTER)


def _words(text: str) -> list[str]:
    """Runs of letters and digits; of a text longer than a name nothing but its beginning."""
    return _WORD.findall(unicodedata.normalize("NFKC", text[: names.MAX_NAME]).casefold())


def _ascii(suffix: str) -> str | None:
    try:
        return names.to_ascii(suffix.removeprefix("."))
    except names.Unfit:
        return None


def _registrable(text: str) -> str | None:
    try:
        return names.normalise(text)
    except Error:
        return None
