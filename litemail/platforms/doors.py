"""The way to a platform for one account: where it is, through which client, at which pace."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from litemail.kit.actor import Mode
from litemail.kit.outbound import VENDOR, Guard, PublicOnly
from litemail.providers.platform import Adapter, Limits, Pacer, Reach, Site, twin_limits

Sites = Callable[[Mode, str, str], Site]
"""Where a platform is, by mode, workspace id and platform type: the vendor itself, or the workspace's sandbox twin."""
TwinRate = Callable[[str, str], Awaitable[int | None]]
"""How many requests a second a twin was told to take, by workspace id and platform type; None for any number."""

_PACES_KEPT = 10_000


@dataclass(frozen=True)
class Doors:
    """How this program reaches platforms. `guards` are those of customers' mail hosts too."""

    guards: Mapping[Mode, Guard]
    sites: Sites
    twin_rate: TwinRate
    _paces: dict[str, tuple[Limits, Pacer]] = field(default_factory=dict, init=False, repr=False)

    @asynccontextmanager
    async def open(
        self, adapter: Adapter, *, mode: Mode, workspace_id: str, account_id: str, url: str | None = None
    ) -> AsyncIterator[tuple[Reach, Limits]]:
        """Reaches nothing yet. `url` is where the account is, at platforms that have an address for each customer."""
        platform_type, limits = adapter.declaration.platform_type, adapter.declaration.limits
        if mode == "sandbox":
            limits = twin_limits(limits, await self.twin_rate(workspace_id, platform_type))
        async with _for_platforms(self.guards[mode]).http_client() as client:
            if mode == "live" and adapter.declaration.live is None:
                own = _origin(url or "")
                site = Site(api=own, login=own)
            else:
                site = self.sites(mode, workspace_id, platform_type)
            yield Reach(client, site, self._pacer(account_id, limits)), limits

    def _pacer(self, account_id: str, limits: Limits) -> Pacer:
        """The account's own, from job to job: what an hour allows is not allowed anew by the next job."""
        kept, pacer = self._paces.pop(account_id, (None, None))
        if pacer is None or kept != limits:
            pacer = Pacer(limits)
        self._paces[account_id] = (limits, pacer)
        if len(self._paces) > _PACES_KEPT:
            del self._paces[next(iter(self._paces))]  # the one that was used the longest time ago
        return pacer


def _origin(url: str) -> str:
    """Without the path, which is that of whatever page somebody copied the URL from."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _for_platforms(guard: Guard) -> Guard:
    """The ports of mail, which bind customers' mail hosts, do not bind platforms."""
    policy = guard.policy
    return replace(guard, policy=replace(VENDOR, own=policy.own)) if isinstance(policy, PublicOnly) else guard
