"""Shapes on the wire: request bodies are Pydantic models that refuse what they do not know; answers are Structs."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from litemail.kit.errors import Detail, Error, Invalid

Thing = TypeVar("Thing")

Given: TypeAlias = NamedDependency[SkipValidation[Thing]]
"""A route's parameter that the program provides by name: `tx: Given[Tx]`. It is ours, so nobody converts it."""

Timestamp = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""RFC 3339 UTC with milliseconds and Z, as `clock.rfc3339` writes it."""


class RequestModel(BaseModel):
    """A request body. Strict (no `"500"`, `5.0` or `true` for a number), unknown fields refused."""

    # Validators are built at first use: building all of them would double the time that routes take to import.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, str_strip_whitespace=True, defer_build=True)


def operation(
    summary: str,
    *,
    group: str,
    scope: dict[str, Any],
    errors: tuple[str, ...] = (),
    example: object = None,
    request_example: object = None,
    request_models: tuple[type[RequestModel], ...] = (),
    description: str | None = None,
    also: str | None = None,
    takes: tuple[str, ...] = (),
) -> dict[str, Any]:
    """What every route says of itself, as keyword arguments for Litestar's decorators.

    `errors` are the codes it can answer beyond those of every call; `example` is a true answer of its success,
    `request_example` a body that leads to it; `request_models` are what a body can be where `one_or_many` reads it;
    `also` is another media type that its success can have, `takes` those of a body that is not JSON.
    """
    return {
        "summary": summary,
        "description": description,
        "tags": [group],
        "opt": {
            **scope,
            "errors": errors,
            "example": example,
            "request_example": request_example,
            "request_models": request_models,
            "also": also,
            "takes": takes,
        },
    }


def checked(parse: Callable[[str], object]) -> AfterValidator:
    """A Pydantic validator made of a parser that raises our errors, such as `address.parse`.

    The field gets the parsed value's text.
    """

    def check(text: str) -> str:
        try:
            return str(parse(text))
        except Error as error:
            raise ValueError(str(error)) from error

    return AfterValidator(check)


def _moment(value: object) -> object:
    """Strictness, which must not take 5 for a time, would not take a text for one either."""
    if not isinstance(value, str):
        return value
    if _RFC_3339.fullmatch(value):
        with suppress(ValueError, OverflowError):  # February 30; an offset that leads out of the years that there are
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
    raise ValueError("must be a time as RFC 3339 has it, such as 2026-01-29T18:41:56Z")


_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
"""A time in a request, in UTC from here on."""

VERBATIM = StringConstraints(strip_whitespace=False)
"""For passwords: a space at their end belongs to them."""

ONE_LINE = StringConstraints(pattern=r"^[^\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]+$")
"""No line ends, other control characters or changes of writing direction: texts end up in mail headers."""

Name = Annotated[str, Field(min_length=1, max_length=100), ONE_LINE]
"""A name that people give to something."""


One = TypeVar("One", bound=RequestModel)
Many = TypeVar("Many", bound=RequestModel)


def one_or_many(data: dict[str, Any], one: type[One], many: type[Many], *, key: str) -> One | Many:
    """Reads a body that is either one thing or `{key: [things]}`. Raises Invalid with the paths of all faults.

    A union of models would do it, but its errors name the branches of the union instead of the fields.
    """
    try:
        return many.model_validate(data) if key in data else one.model_validate(data)
    except ValidationError as error:
        raise Invalid(
            details=tuple(
                Detail(field_path(fault["loc"]), fault["msg"].removeprefix("Value error, ")) for fault in error.errors()
            )
        ) from None


def field_path(location: tuple[str | int, ...]) -> str:
    """`("inboxes", 0, "email")` is `inboxes[0].email`."""
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path
