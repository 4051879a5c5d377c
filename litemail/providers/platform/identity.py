"""Who calls, as far as it is the same at every platform: keys that a header can carry, and the workspace meant."""

from collections.abc import Sequence

from litemail.providers.platform.base import PlatformWorkspace
from litemail.providers.platform.errors import BadCredentials, WorkspaceNotFound, WorkspaceRequired


def require_header_safe(name: str, *given: str | None) -> None:
    """Raises `BadCredentials` for what no header can carry, which is then no key of the platform; None is left out."""
    for text in given:
        if text is not None and not (text.isascii() and text.isprintable() and text and " " not in text):
            raise BadCredentials(name=name, words=f"this is not a key or workspace id of {name}")


def choose_workspace(name: str, workspaces: Sequence[PlatformWorkspace], wanted: str | None) -> PlatformWorkspace:
    """The workspace of that id or name (in any case); None means the only one.

    Raises `WorkspaceRequired` when several could be meant, `WorkspaceNotFound`.
    """
    known = ", ".join(workspace.name for workspace in workspaces) or "none"
    if wanted is None:
        if len(workspaces) != 1:
            raise WorkspaceRequired(name=name, known=known)
        return workspaces[0]
    for workspace in workspaces:
        if wanted == workspace.id or wanted.casefold() == workspace.name.casefold():
            return workspace
    raise WorkspaceNotFound(name=name, wanted=wanted, known=known)
