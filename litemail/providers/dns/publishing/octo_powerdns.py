"""octoDNS's provider for PowerDNS, made to write nothing but our values."""

from typing import Any

from octodns.record import Record as OctoRecord
from octodns_powerdns import PowerDnsProvider
from requests import HTTPError, Session

from litemail.providers.dns.publishing.base import Endpoint
from litemail.providers.dns.publishing.errors import BadAddress, UnexpectedAnswer, ZoneMissing
from litemail.providers.dns.publishing.octo import created_in, in_presentation, leave_only, values_of_set
from litemail.providers.dns.publishing.plan import Plan

_NAME = "PowerDNS"


class CarefulPowerDns(PowerDnsProvider):  # type: ignore[misc]  # octoDNS has no types
    """PowerDNS takes a set as a whole, so the others' values of a set are sent back as they were read."""

    def __init__(self, where: Endpoint, *, api_key: str, server_id: str) -> None:
        super().__init__(
            "customer",
            host=f"[{where.host}]" if ":" in where.host else where.host,
            api_key=api_key,
            port=where.port,
            scheme=where.scheme,
            server_id=server_id,
            root_ns_warnings=False,
        )
        self.changing: Plan | None = None
        self._server = server_id
        self._read_sets: dict[tuple[str, str], dict[str, Any]] = {}

    @property
    def session(self) -> Session:
        session: Session = self._sess
        return session

    def check(self) -> None:
        """Raises BadAddress where the API has no server of that name."""
        try:
            found = self._get("").json()
        except HTTPError:
            raise BadAddress(name=_NAME, reason=f"it knows no server {self._server!r}") from None
        if not isinstance(found, dict) or found.get("type") != "Server":
            raise UnexpectedAnswer(name=_NAME, reason="it does not say that it is a server")

    def has_zone(self, name: str, *, populated: bool) -> bool:  # noqa: ARG002 - named by the protocol
        return populated

    def populate(self, zone: Any, target: bool = False, lenient: bool = False) -> bool:
        exists: bool = super().populate(zone, target=target, lenient=lenient)
        leave_only(zone, self.changing)
        return exists

    def _get(self, path: str, data: object = None) -> Any:
        answer = super()._get(path, data=data)
        if path.startswith("zones/"):
            self._read_sets = {(one["name"], one["type"]): one for one in answer.json()["rrsets"]}
        return answer

    def _post(self, path: str, data: dict[str, Any] | None = None) -> Any:  # noqa: ARG002
        """Zones that are missing octoDNS would make; whether to host one is not for us to say."""
        raise ZoneMissing(name=_NAME, zone=str((data or {}).get("name", "")).removesuffix("."))

    def _mod_change(self, change: Any) -> dict[str, Any]:
        record, plan = change.record, self.changing
        assert plan is not None
        before = self._read_sets.get((record.fqdn, record._type), {"records": [], "ttl": record.ttl})  # noqa: SLF001
        kept = [raw for raw in before["records"] if self._value_of(record, before, raw) not in plan.removes]
        new = [{"content": in_presentation(one), "disabled": False} for one in created_in(plan, record)]
        place = {"name": record.fqdn, "type": record._type}  # noqa: SLF001
        if not (kept or new):
            return {**place, "changetype": "DELETE"}
        return {**place, "changetype": "REPLACE", "ttl": before["ttl"], "records": [*kept, *new]}

    _mod_Create = _mod_Update = _mod_Delete = _mod_change  # noqa: N815 - octoDNS's names

    def _value_of(self, record: Any, rrset: dict[str, Any], raw: dict[str, Any]) -> object:
        data_for = getattr(self, f"_data_for_{record._type}")  # noqa: SLF001
        alone = OctoRecord.new(record.zone, record.name, data_for({**rrset, "records": [raw]}), lenient=True)
        return next(iter(values_of_set(alone)))
