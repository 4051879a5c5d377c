"""What happens at the EmailBison twin before a call is served."""

from typing import TypeVar

from litestar.params import FromPath

from litemail.servers.sandbox.door import AnyRequest, Call, Door, Words, is_json
from litemail.servers.sandbox.emailbison_models import parse, refuse, refuse_field

PLATFORM = "emailbison"

Shape = TypeVar("Shape")


def key_of(request: AnyRequest) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


DOOR = Door(
    PLATFORM,
    key_of,
    refuse,
    Words(
        wrong_key=(401, "Unauthenticated."),
        needs_totp=(401, "Two-factor authentication required."),
        no_paid_plan=(402, "This instance has no active subscription."),
        too_fast=(429, "Too Many Attempts."),
        broken=(500, "Server Error"),
        nul=(422, "The request must not contain NUL."),
    ),
)


async def enter(request: AnyRequest, workspace_id: FromPath[str]) -> Call:
    return await DOOR.enter(request, workspace_id)


async def body_of(request: AnyRequest, shape: type[Shape]) -> Shape:
    """The request's body, checked as the vendor does."""
    if not is_json(request):
        raise refuse_field("body", "The body must be JSON.")
    return parse(await request.body(), shape)
