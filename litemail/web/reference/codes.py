"""Error codes and event types, each with what a page says of it."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus

import msgspec

from litemail.events import TYPES
from litemail.kit.errors import Error
from litemail.providers.payments.base import DECLINES
from litemail.web.errors import STATUS
from litemail.web.reference.contract import Group, Operation


class Saying(msgspec.Struct, frozen=True):
    """One way in which a code is said. What stands in braces is filled in."""

    message: str
    action: str | None
    status: int
    phrase: str
    retryable: bool


class Code(msgspec.Struct, frozen=True):
    code: str
    sayings: tuple[Saying, ...]
    calls: tuple[Operation, ...]

    @property
    def slug(self) -> str:
        return f"errors/{self.code}"


class Event(msgspec.Struct, frozen=True):
    type: str
    meaning: str

    @property
    def slug(self) -> str:
        return f"events/{self.type}"


def codes(groups: Sequence[Group]) -> list[Code]:
    """Every code that a call, an item or a job of this program can answer with, in alphabetical order."""
    said: dict[str, dict[Saying, None]] = {}
    for error in raised():
        said.setdefault(error.code, {})[_saying(error)] = None
    for reason, (message, action) in DECLINES.items():
        said[f"payment.{reason}"] = {Saying(message, action, 402, "Payment Required", retryable=False): None}
    calls = _calls_by_code(groups)
    return [Code(code, tuple(said[code]), tuple(calls.get(code, ()))) for code in sorted(said)]


def events() -> list[Event]:
    return [Event(name, meaning) for name, meaning in TYPES.items()]


def raised() -> Iterator[type[Error]]:
    """Every error of the program that is not only the parent of others without a code of its own."""
    waiting, seen = [Error], set[type[Error]]()
    while waiting:
        each = waiting.pop()
        waiting += each.__subclasses__()
        if each in seen or not each.__module__.startswith("litemail."):
            continue
        seen.add(each)
        if each is Error or "code" in vars(each) or "message" in vars(each):
            yield each


def _saying(error: type[Error]) -> Saying:
    status = STATUS[error.kind]
    return Saying(error.message, error.action, status, HTTPStatus(status).phrase, error.retryable)


def _calls_by_code(groups: Sequence[Group]) -> dict[str, list[Operation]]:
    found: dict[str, list[Operation]] = {}
    for group in groups:
        for operation in group.operations:
            for answer in operation.answers:
                for code in answer.codes:
                    found.setdefault(code, []).append(operation)
    return found
