"""What a real server answered: the examples of the contract, as `docs/examples.py` has written them down."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

_ANYWHERE = {
    "400": "request.malformed_json",
    "401": "auth.required",
    "403": "auth.scope_missing",
    "404": "workspace.not_found",
    "413": "request.too_large",
    "415": "request.unsupported_media_type",
    "422": "request.invalid",
}
"""The code that any call can answer with this status."""


class Call(msgspec.Struct, frozen=True):
    target: str
    request: Any
    status: int
    answer: Any


class Failure(msgspec.Struct, frozen=True):
    call: str
    status: int
    body: dict[str, Any]


class Played(msgspec.Struct, frozen=True):
    calls: dict[str, Call]
    errors: dict[str, Failure]


def answer_of(call: str, otherwise: object) -> object:
    """What the call answered; `otherwise` where nobody but others can make it, a payment gateway say."""
    played = _played().calls.get(call)
    return otherwise if played is None or played.answer is None else played.answer


def of_errors() -> dict[str, dict[str, object]]:
    """For the contract's components: the body of each error code that was met."""
    return {code: {"value": failure.body} for code, failure in _played().errors.items()}


def references(status: str, codes: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """To the bodies of these codes, and to that of the code that any call can have with the status."""
    known = [code for code in (*codes, _ANYWHERE.get(status, "")) if code in _played().errors]
    return {code: {"$ref": f"#/components/examples/{code}"} for code in known}


@cache
def _played() -> Played:
    return msgspec.json.decode((Path(__file__).parent / "examples.json").read_bytes(), type=Played)
