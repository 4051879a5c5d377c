"""The sender's name, for platforms that keep it as one."""

from litemail.providers.platform.base import Changes, InboxToAdd


def sender_name(inbox: InboxToAdd) -> str:
    return _joined(inbox.first_name, inbox.last_name)


def renames(changes: Changes) -> bool:
    return changes.first_name is not None or changes.last_name is not None


def renamed(current: str, changes: Changes) -> str:
    """The name after the changes. The first word of `current` counts as the first name."""
    first, _, last = current.partition(" ")
    return _joined(
        first if changes.first_name is None else changes.first_name,
        last if changes.last_name is None else changes.last_name,
    )


def _joined(first: str, last: str) -> str:
    return f"{first} {last}".strip()
