"""Who acts, where, and what that allows. Routes declare the scope they need; only the web edge authenticates."""

from typing import Any, Literal

import msgspec

Role = Literal["owner", "admin", "editor", "billing", "viewer"]
Mode = Literal["live", "sandbox"]


class Actor(msgspec.Struct, frozen=True):
    """A signed-in user, perhaps through an API key, at work in one workspace."""

    user_id: str
    workspace_id: str
    paying_workspace_id: str
    mode: Mode
    role: Role
    scopes: frozenset[str]
    key_id: str | None = None
    key_workspace_ids: tuple[str, ...] | None = None
    """The workspaces an API key may act in; None when the user acts without a key."""
    address: str | None = None
    request_id: str | None = None

    @property
    def caller(self) -> str:
        """What limits and idempotency count by: the key, or the user when there is none."""
        return self.key_id or self.user_id

    def may(self, scope: str) -> bool:
        return scope in self.scopes


PUBLIC = "public"
SIGNED_IN = "signed_in"
USER_ONLY = "user_only"


def requires(scope: str, *more: str) -> dict[str, Any]:
    """What a route writes into its `opt`: the scopes it needs.

    `PUBLIC` needs nobody, `SIGNED_IN` anybody, `USER_ONLY` a person with a JWT rather than an API key.
    """
    return {"scopes": (scope, *more)}
