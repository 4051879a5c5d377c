"""What each role may do, as scopes."""

from litemail.kit.actor import Role

SCOPES = (
    "users:read",
    "workspaces:read",
    "workspaces:write",
    "billing:read",
    "billing:write",
    "billing:spend",
    "domains:read",
    "domains:write",
    "dns:read",
    "dns:write",
    "mailboxes:read",
    "mailboxes:write",
    "mailboxes:credentials",
    "exports:read",
    "exports:write",
    "connections:read",
    "connections:write",
    "webhooks:read",
    "webhooks:write",
    "audit:read",
)

EVERYTHING = frozenset(SCOPES)
_READS = frozenset(scope for scope in SCOPES if scope.endswith(":read")) - {"audit:read"}
_EDITED = ("domains", "dns", "mailboxes", "exports", "connections", "webhooks")

ROLE_SCOPES: dict[Role, frozenset[str]] = {
    "owner": EVERYTHING,
    "admin": EVERYTHING,
    "editor": _READS | {f"{group}:write" for group in _EDITED} | {"mailboxes:credentials"},
    "billing": _READS | {scope for scope in SCOPES if scope.startswith("billing:")},
    "viewer": _READS,
}

NOT_BY_DEFAULT = frozenset({"billing:spend", "mailboxes:credentials"})
"""What a key gets only when it is asked for by name."""


def effective(role: Role, key_scopes: frozenset[str] | None) -> frozenset[str]:
    """What a key's scopes and its user's role now both allow; without a key, what the role allows."""
    allowed = ROLE_SCOPES[role]
    if key_scopes is None or "*" in key_scopes:
        return allowed
    return allowed & key_scopes
