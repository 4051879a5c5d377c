"""Flags: IMAP's names, the letters in maildir file names, and a folder's keywords (`dovecot-keywords`)."""

import sys
from collections.abc import Iterable
from enum import Enum
from pathlib import Path

from litemail.kit.errors import Error, Kind
from litemail.servers.imap.uidlist import replace_file

SYSTEM_FLAGS = {"D": "\\Draft", "F": "\\Flagged", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted"}
_LETTER_OF = {flag: letter for letter, flag in SYSTEM_FLAGS.items()}
MOST_KEYWORDS = 26
_KEYWORD_LETTERS = [chr(ord("a") + number) for number in range(MOST_KEYWORDS)]
_OURS = frozenset(SYSTEM_FLAGS).union(_KEYWORD_LETTERS)
_FILE = "dovecot-keywords"


class KeywordsFull(Error):
    kind = Kind.INVALID
    code = "imap.keywords_full"
    message = "This folder has 26 keywords already; a maildir cannot keep more."


class Change(Enum):
    """What STORE does with the flags that it is given (RFC 3501 6.4.6)."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


class Keywords:
    """The keywords of one folder; the first has the letter `a` in file names."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._sets: dict[str, frozenset[str]] = {}

    def read(self, folder: Path) -> None:
        """Take over the file, which other processes may have added to."""
        names = [""] * MOST_KEYWORDS
        try:
            text = (folder / _FILE).read_text("ascii", "replace")
        except FileNotFoundError:
            text = ""
        for line in text.splitlines():
            number, _, keyword = line.partition(" ")
            if number.isdigit() and int(number) < MOST_KEYWORDS:
                names[int(number)] = keyword
        while names and not names[-1]:
            names.pop()
        if names != self.names:
            self.names = names
            self._sets.clear()

    def flags(self, letters: str) -> frozenset[str]:
        """Flags and keywords for the letters of a file name."""
        known = self._sets.get(letters)
        if known is None:
            known = self._sets[letters] = frozenset(filter(None, map(self._flag, letters)))
        return known

    def _flag(self, letter: str) -> str:
        if letter in _KEYWORD_LETTERS:
            number = _KEYWORD_LETTERS.index(letter)
            return self.names[number] if number < len(self.names) else ""
        return SYSTEM_FLAGS.get(letter, "")

    def letters(self, folder: Path, flags: Iterable[str], *, new: bool = True) -> set[str]:
        """Letters for these flags; with `new`, an unknown keyword gets a letter. Raises KeywordsFull."""
        letters: set[str] = set()
        for flag in flags:
            letters.update(_LETTER_OF.get(flag, "") if flag.startswith("\\") else self._letter(folder, flag, new=new))
        return letters

    def _letter(self, folder: Path, keyword: str, *, new: bool) -> str:
        known = [name.lower() for name in self.names]
        if keyword.lower() in known:
            return _KEYWORD_LETTERS[known.index(keyword.lower())]
        if not new:
            return ""
        if len(self.names) >= MOST_KEYWORDS:
            raise KeywordsFull
        self.names.append(keyword)
        lines = [f"{number} {name}\n" for number, name in enumerate(self.names) if name]
        replace_file(folder / _FILE, "".join(lines).encode("ascii"))
        return _KEYWORD_LETTERS[len(self.names) - 1]


def clean_letters(info: str) -> str:
    """The letters of a file name's `:2,` part, sorted, each once."""
    return sys.intern("".join(sorted({letter for letter in info if letter.isascii() and letter.isalpha()})))


def changed_letters(letters: str, change: Change, operand: set[str]) -> str:
    """Letters after a change. Those that are no IMAP flags (`P`, passed) stay as they are."""
    before = set(letters)
    if change is Change.ADD:
        after = before | operand
    elif change is Change.REMOVE:
        after = before - operand
    else:
        after = (before - _OURS) | operand
    return sys.intern("".join(sorted(after)))
