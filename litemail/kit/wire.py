"""Shapes on the wire: request bodies are Pydantic models that refuse what they do not know; answers are Structs."""

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

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
) -> dict[str, Any]:
    """What every route says of itself, as keyword arguments for Litestar's decorators.

    `errors` are the codes it can answer beyond those of every call; `example` is a true answer of its success,
    `request_example` a body that leads to it; `request_models` are what a body can be where `one_or_many` reads it;
    `also` is another media type that its success can have.
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


Name = Annotated[str, Field(min_length=1, max_length=100)]
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
