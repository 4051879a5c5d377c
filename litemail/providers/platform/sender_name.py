"""The sender's name, for platforms that keep it as one."""

from litemail.providers.platform.base import Changes, InboxToAdd


def sender_name(inbox: InboxToAdd) -> str:
    return _joined(inbox.first_name, inbox.last_name)


def renamed(current: str, changes: Changes) -> str | None:
    """The name after the changes; None when they leave it. The first word of `current` counts as the first name."""
    if changes.first_name is None and changes.last_name is None:
        return None
    first, _, last = current.partition(" ")
    return _joined(
        first if changes.first_name is None else changes.first_name,
        last if changes.last_name is None else changes.last_name,
    )


def _joined(first: str, last: str) -> str:
    return f"{first} {last}".strip()
