"""One message's file, read as far as it is needed."""

from functools import cached_property
from typing import BinaryIO

from litemail.servers.imap import mime
from litemail.servers.imap.index import Entry, Index
from litemail.servers.imap.mime import Part

_CHUNK = 16 * 1024


class Content:
    """The bytes of one message, exactly as delivered. Blocking."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def span(self, start: int, length: int) -> bytes:
        """A part of the message, without reading what comes before it."""
        self._file.seek(start)
        return self._file.read(length)

    @cached_property
    def whole(self) -> bytes:
        self._file.seek(0)
        return self._file.read()

    @cached_property
    def header(self) -> bytes:
        """The header and its empty line; the whole message when there is none."""
        if "whole" in self.__dict__:
            return self.whole[: mime.header_end(self.whole)]
        self._file.seek(0)
        read = bytearray()
        while chunk := self._file.read(_CHUNK + len(read)):  # doubling keeps the searches linear
            read += chunk
            end = mime.header_end(bytes(read))
            if end is not None:
                return bytes(read[:end])
        return bytes(read)

    @cached_property
    def header_part(self) -> Part:
        return mime.parse_header(self.header)

    @cached_property
    def structure(self) -> Part:
        return mime.parse(self.whole)


def open_message(index: Index, entry: Entry) -> BinaryIO:
    """Open a message's file. Raises FileNotFoundError when it was renamed or expunged meanwhile."""
    return index.path_of(entry).open("rb", buffering=0)
