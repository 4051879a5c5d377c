"""Wire shapes of signing in."""

from typing import Annotated

import msgspec
from pydantic import Field

from litemail.kit.clock import rfc3339
from litemail.kit.wire import VERBATIM, Name, RequestModel, Timestamp, checked
from litemail.protocols import address
from litemail.users.queries import User as UserRow

Email = Annotated[str, checked(address.parse), Field(max_length=254, examples=["ada@example.com"])]
NewPassword = Annotated[str, VERBATIM, Field(min_length=10, max_length=128, examples=["correct horse battery"])]


class Register(RequestModel):
    email: Email
    password: NewPassword
    first_name: Name
    last_name: Name
    workspace_name: Name | None = None


class LogIn(RequestModel):
    email: Email
    password: Annotated[str, VERBATIM, Field(min_length=1, max_length=128)]


class RefreshToken(RequestModel):
    refresh_token: Annotated[str, Field(min_length=1, max_length=200)]


class UserUpdate(RequestModel):
    first_name: Name | None = None
    last_name: Name | None = None
    default_workspace_id: str | None = None


class User(msgspec.Struct, frozen=True):
    id: str
    email: str
    first_name: str
    last_name: str
    default_workspace_id: str | None
    created_at: Timestamp


def show(row: UserRow) -> User:
    return User(
        id=row.id,
        email=row.email,
        first_name=row.first_name,
        last_name=row.last_name,
        default_workspace_id=row.default_workspace_id,
        created_at=rfc3339(row.created_at),
    )
