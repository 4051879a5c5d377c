"""octoDNS's provider for Cloudflare, made to write nothing but our values."""

from typing import Any

from octodns_cloudflare import CloudflareProvider
from requests import Session

from litemail.protocols.record_types import Record
from litemail.providers.dns.publishing.errors import ZoneMissing
from litemail.providers.dns.publishing.octo import (
    created_in,
    in_presentation,
    leave_only,
    octo_record,
    values_of_set,
)
from litemail.providers.dns.publishing.plan import Plan

_NAME = "Cloudflare"


class CarefulCloudflare(CloudflareProvider):  # type: ignore[misc]  # octoDNS has no types
    """Cloudflare has each value as a record of its own, so only ours are made and deleted.

    octoDNS rewrites all records of a set, with the comment, the tags and the proxy switch of the first.
    """

    def __init__(self, *, token: str, api_url: str) -> None:
        super().__init__(
            "customer",
            token=token,
            api_url=api_url,
            pagerules=False,
            retry_count=0,  # octoDNS would sleep for minutes in its thread; our job tries again
            retry_period=0,
            root_ns_warnings=False,
        )
        self.changing: Plan | None = None

    @property
    def session(self) -> Session:
        session: Session = self._sess
        return session

    def check(self) -> None:
        """Reads the list of zones, which is what the token is for."""
        self._zones = None
        _ = self.zones

    def has_zone(self, name: str, *, populated: bool) -> bool:  # noqa: ARG002 - an empty zone is one, too
        return name in self.zones

    def populate(self, zone: Any, target: bool = False, lenient: bool = False) -> bool:
        self._zone_records.pop(zone.name, None)
        exists: bool = super().populate(zone, target=target, lenient=lenient)
        leave_only(zone, self.changing)
        return exists

    def _ensure_zone(self, plan: Any) -> None:
        """Zones that are missing octoDNS would make; whether to host one is not for us to say."""
        if plan.desired.name not in self.zones:
            raise ZoneMissing(name=_NAME, zone=plan.desired.name.removesuffix("."))

    def _apply_change(self, change: Any) -> None:
        plan, record = self.changing, change.record
        assert plan is not None
        zone = record.zone
        path = f"/zones/{self.zones[zone.name]['id']}/dns_records"
        for raw in self.zone_records(zone):
            if self._place(zone, raw) == (record.name, record._type) and self._value_of(zone, raw) in plan.removes:  # noqa: SLF001
                self._try_request("DELETE", f"{path}/{raw['id']}")
        for new in created_in(plan, record):
            self._try_request("POST", path, data=self._data_of(zone, new))

    _apply_Create = _apply_Update = _apply_Delete = _apply_change  # noqa: N815 - octoDNS's names

    def _place(self, zone: Any, raw: dict[str, Any]) -> tuple[str, str]:
        name: str = zone.hostname_from_fqdn(raw["name"])
        return name, "ALIAS" if raw["type"] == "CNAME" and name == "" else raw["type"]

    def _value_of(self, zone: Any, raw: dict[str, Any]) -> object:
        alone = self._record_for(zone, zone.hostname_from_fqdn(raw["name"]), raw["type"], [raw], True)
        return next(iter(values_of_set(alone)))

    def _data_of(self, zone: Any, record: Record) -> dict[str, Any]:
        (data,) = self._gen_data(octo_record(zone, [record]))
        return {**data, "content": in_presentation(record)} if record.type.value == "TXT" else data
