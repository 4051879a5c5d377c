"""What the DNS server answers with, out of the database: hosted zones, and the sandbox's registry."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass

from litemail import zones
from litemail.kit.db import Database, Tx
from litemail.kit.notify import RECONNECTED, Listener
from litemail.protocols import names
from litemail.protocols.record_types import Record, RecordType
from litemail.providers.dns import CHALLENGE_LABEL
from litemail.servers.dns.data import Delegation, ZoneData
from litemail.servers.sandbox import registry

ZONES = "litemail_zones"
REGISTRY = "litemail_registry"

_REGISTRY_SERVER = f"ns.nic.{names.SANDBOX_SUFFIX}"
_REGISTRY_TTL = 60  # seconds: who tries things out does not want to wait for caches
_CHALLENGE = CHALLENGE_LABEL + "."


@dataclass(frozen=True)
class DatabaseBackend:
    """Implements `feed.Backend`.

    `contact` is the e-mail address that the zones' SOA records name, `own` are zones of ours that never change.
    """

    database: Database
    listener: Listener
    contact: str
    own: Sequence[ZoneData] = ()

    async def load(self, names: Collection[str] | None = None) -> list[ZoneData]:
        async with self.database.begin_system("load zones") as tx:
            hosted = await zones.served(tx, names)
            sandbox = await self._registry(tx, names)
        return [*(self.own if names is None else ()), *(self._hosted(zone) for zone in hosted), *sandbox]

    async def changes(self) -> AsyncIterator[str | None]:
        heard: asyncio.Queue[str | None] = asyncio.Queue()
        async with self.listener.subscribe(ZONES) as zone_names, self.listener.subscribe(REGISTRY) as delegated:
            pumps = [
                asyncio.create_task(_pump(zone_names, heard, also=None)),
                asyncio.create_task(_pump(delegated, heard, also=names.SANDBOX_SUFFIX)),
            ]
            try:
                yield None
                while True:
                    yield await heard.get()
            finally:
                for pump in pumps:
                    pump.cancel()

    def _hosted(self, zone: zones.ServedZone) -> ZoneData:
        return ZoneData(
            name=zone.name,
            serial=zone.serial,
            primary_ns=zone.name_servers[0],
            contact=self.contact,
            name_servers=zone.name_servers,
            records=zone.records,
            alias_targets=zone.alias_targets,
        )

    async def _registry(self, tx: Tx, chosen: Collection[str] | None) -> list[ZoneData]:
        made: list[ZoneData] = []
        if chosen is None or names.SANDBOX_SUFFIX in chosen:
            made.append(self._suffix(await registry.delegations(tx)))
        wanted = None if chosen is None else [n.removeprefix(_CHALLENGE) for n in chosen if n.startswith(_CHALLENGE)]
        if wanted is None or wanted:
            made += [self._challenge(row) for row in await registry.challenges(tx, wanted)]
        return made

    def _suffix(self, rows: list[registry.Delegation]) -> ZoneData:
        suffix = names.SANDBOX_SUFFIX
        return ZoneData(
            name=suffix,
            serial=max((int(row.updated_at.timestamp()) for row in rows), default=1),
            primary_ns=_REGISTRY_SERVER,
            contact=self.contact,
            name_servers=(_REGISTRY_SERVER,),
            delegations=tuple(
                Delegation(names.relative(row.name, suffix), tuple(row.name_servers), tuple(row.ds))
                for row in rows
                if row.name_servers  # without them a name is not in its registry's zone
            ),
            ns_ttl=_REGISTRY_TTL,
            soa_ttl=_REGISTRY_TTL,
            negative_ttl=_REGISTRY_TTL,
        )

    def _challenge(self, row: registry.Challenged) -> ZoneData:
        """A zone of one record, in place of the servers of the name's owner, which exist nowhere."""
        return ZoneData(
            name=_CHALLENGE + row.name,
            serial=1,
            primary_ns=_REGISTRY_SERVER,
            contact=self.contact,
            name_servers=(_REGISTRY_SERVER,),
            records=(Record(RecordType.TXT, "@", row.challenge, ttl=_REGISTRY_TTL),),
        )


async def _pump(source: asyncio.Queue[str], heard: asyncio.Queue[str | None], *, also: str | None) -> None:
    """Passes on the name of what changed, and those of the zones that follow from it."""
    while True:
        name = await source.get()
        if name == RECONNECTED:
            heard.put_nowait(None)
            continue
        heard.put_nowait(name)
        if also is not None:
            heard.put_nowait(also)
        if names.is_under(name, names.SANDBOX_SUFFIX):
            heard.put_nowait(_CHALLENGE + name)
