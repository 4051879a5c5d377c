"""Errors are types: each has a kind, a stable code, a message that says what is wrong and an action that helps.

They carry no HTTP status and no SMTP code: each edge has one table from kind to its own answer.
An error class is written next to the code that raises it:

    class NameTaken(Error):
        kind = Kind.CONFLICT
        code = "workspace.name_taken"
        message = "You already have a workspace named {name}."
        action = "Choose another name."

    raise NameTaken(name="Acme", field="name")
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Self

import msgspec


class Kind(StrEnum):
    """What sort of failure it is; decides how an edge answers."""

    MALFORMED = "malformed"
    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    PAYMENT_REQUIRED = "payment_required"
    GONE = "gone"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    BUG = "bug"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The one shape of a problem wherever it is shown: error bodies, bulk results, items, domain failures."""

    code: str
    message: str
    action: str | None = None
    field: str | None = None
    stage: str | None = None
    retryable: bool = msgspec.field(default_factory=bool)  # a factory, so that omit_defaults always shows it


class Detail(msgspec.Struct, frozen=True):
    """One wrong field of a request, by its path: `inboxes[0].email`."""

    field: str
    message: str


class Error(Exception):
    """Base of all expected errors. `message` and `action` are templates over the data given at the raise.

    `details` names wrong fields, `retry_after` is in seconds, `extra` is shown beside the error's own fields.
    """

    kind: ClassVar[Kind] = Kind.BUG
    code: ClassVar[str] = "bug"
    message: ClassVar[str] = "Something went wrong on our side."
    action: ClassVar[str | None] = None
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        *,
        field: str | None = None,
        stage: str | None = None,
        details: tuple[Detail, ...] = (),
        retry_after: float | None = None,
        extra: Mapping[str, object] | None = None,
        **data: object,
    ) -> None:
        self.field = field
        self.stage = stage
        self.details = details or ((Detail(field, self.message.format(**data)),) if field else ())
        self.retry_after = retry_after
        self.extra = extra or {}
        self.data = data
        super().__init__(self.message.format(**data))

    def at(self, field: str) -> Self:
        """The same error, said of a field: for parsers that do not know where their text came from."""
        self.field = field
        self.details = (Detail(field, str(self)),)
        return self

    def problem(self) -> Problem:
        return Problem(
            code=self.code,
            message=str(self),
            action=self.action.format(**self.data) if self.action else None,
            field=self.field,
            stage=self.stage,
            retryable=self.retryable,
        )


class Invalid(Error):
    """A request with wrong values; `details` lists every one of them."""

    kind = Kind.INVALID
    code = "request.invalid"
    message = "The request has invalid fields."
    action = "Correct the fields listed in details and send the request again."
