"""What a platform need not offer: an adapter overrides what its declaration names."""

from collections.abc import Sequence
from dataclasses import dataclass

from litemail.providers.platform.base import Changes, InboxToAdd
from litemail.providers.platform.errors import NotOffered
from litemail.providers.platform.http import Caller


@dataclass(frozen=True)
class Unoffered:
    """The optional part of `Session`, each call of which raises `NotOffered`."""

    caller: Caller

    async def update(self, email: str, changes: Changes) -> None:  # noqa: ARG002 - the protocol's
        raise self._not_offered(f"change {email}")

    async def update_credentials(self, inbox: InboxToAdd) -> None:
        raise self._not_offered(f"change the password of {inbox.email}")

    async def set_warmup(self, emails: Sequence[str], *, on: bool) -> None:
        raise self._not_offered(f"switch warm-up {'on' if on else 'off'} for {len(emails)} inboxes")

    async def tag(self, emails: Sequence[str], tags: Sequence[str]) -> None:
        raise self._not_offered(f"tag {len(emails)} inboxes with {', '.join(tags)}")

    async def remove(self, email: str) -> None:
        raise self._not_offered(f"remove {email}")

    def _not_offered(self, what: str) -> NotOffered:
        return NotOffered(name=self.caller.name, what=what)
