"""octoDNS at work for us: in threads of its own, through our guard, and seeing only the record sets that are ours.

An octoDNS plan deletes what it is not told to want, and rewrites a set as a whole. So a provider of octoDNS is given
only the sets that a plan of ours touches, its plan is compared with ours before it is applied, and the subclasses in
`powerdns` and `cloudflare` write single values, leaving others' as they are to the byte.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeVar

import httpx
from octodns.record import Record as OctoRecord
from octodns.zone import Zone
from requests import PreparedRequest, Response, Session
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from litemail.kit.errors import Error
from litemail.kit.outbound import Guard
from litemail.protocols.record_types import Record
from litemail.protocols.record_wire import to_rdata
from litemail.providers.dns.publishing.errors import (
    ChangedMeanwhile,
    Unavailable,
    UnexpectedAnswer,
    ZoneMissing,
)
from litemail.providers.dns.publishing.plan import Plan, Value, is_within, still_to_do

Judge = Callable[[int, bytes], None]
"""Raises our error for an answer, by its status and body, that octoDNS need not see."""
Result = TypeVar("Result")

_REQUEST_SECONDS: Final = 10.0
_THREADS: Final = ThreadPoolExecutor(max_workers=8, thread_name_prefix="octodns")
_ESCAPED = re.compile(r"\\([0-9]{3}|.)")
_HOST_TYPES = frozenset({"ALIAS", "CNAME", "NS", "PTR", "DNAME"})

for _name in ("Zone", "Plan", "Record"):
    logging.getLogger(_name).setLevel(logging.ERROR)  # what it says of customers' own records is none of our business


class OctoProvider(Protocol):
    """What our subclasses of octoDNS's providers offer. `changing` limits what is seen to the sets of a plan."""

    changing: Plan | None

    def populate(self, zone: Any, target: bool = ..., lenient: bool = ...) -> bool: ...
    def plan(self, desired: Any, processors: Any = ..., lenient: bool = ...) -> Any: ...
    def apply(self, plan: Any) -> int: ...
    def check(self) -> None: ...
    def has_zone(self, name: str, *, populated: bool) -> bool: ...


class OctoPublisher:
    """Implements `base.Publisher` with a provider of octoDNS. `name` is the provider's name as people know it."""

    def __init__(self, provider: OctoProvider, *, name: str) -> None:
        self._provider = provider
        self._name = name

    async def verify(self) -> None:
        await self._run(self._provider.check)

    async def read(self, zone: str) -> frozenset[Value]:
        def read() -> frozenset[Value]:
            self._provider.changing = None
            return frozenset(values_in(self._populated(zone)))

        return await self._run(read)

    async def apply(self, zone: str, plan: Plan) -> None:
        assert not plan.conflicts, "a plan with conflicts is not applied"
        await self._run(lambda: self._apply(zone, plan))

    def _apply(self, zone: str, plan: Plan) -> None:
        self._provider.changing = None
        there = self._populated(zone)
        plan = still_to_do(plan, list(values_in(there)))
        if plan.is_empty:
            return
        self._provider.changing = plan
        leave_only(there, plan)
        octo_plan = self._provider.plan(_desired(there, plan), lenient=True)
        if octo_plan is None:
            raise ChangedMeanwhile(name=self._name, zone=zone)
        before, after = values_in(octo_plan.existing), values_in(octo_plan.desired)
        if not is_within(plan, before=list(before), after=list(after)):
            raise ChangedMeanwhile(name=self._name, zone=zone)
        self._provider.apply(octo_plan)

    def _populated(self, zone: str) -> Any:
        there = Zone(f"{zone}.", [])
        populated = self._provider.populate(there, target=True, lenient=True)
        if not self._provider.has_zone(there.name, populated=populated):
            raise ZoneMissing(name=self._name, zone=zone)
        return there

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(_THREADS, self._with_our_errors, work)

    def _with_our_errors(self, work: Callable[[], Result]) -> Result:
        try:
            return work()
        except Error:
            raise
        except Exception as error:
            raise UnexpectedAnswer(name=self._name, reason=f"{type(error).__name__}") from error


@contextmanager
def through_guard(session: Session, client: httpx.AsyncClient, *, judge: Judge, name: str) -> Iterator[None]:
    """Makes every request of a session go through the guard's client, in the loop of the caller.

    No proxies, no netrc, no redirects: a key in a header must not follow one.
    """
    bridge = _Bridge(client, asyncio.get_running_loop(), judge=judge, name=name)
    session.trust_env = False
    session.max_redirects = 0
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):
        session.mount(scheme, bridge)
    yield
    session.close()


def http_client(guard: Guard) -> httpx.AsyncClient:
    return guard.http_client(timeout=_REQUEST_SECONDS, total=_REQUEST_SECONDS)


class _Bridge(BaseAdapter):
    """Takes a request from a thread of octoDNS and makes it in the event loop."""

    def __init__(self, client: httpx.AsyncClient, loop: asyncio.AbstractEventLoop, *, judge: Judge, name: str) -> None:
        super().__init__()
        self._client = client
        self._loop = loop
        self._judge = judge
        self._name = name

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,  # noqa: ARG002 - requests passes these; the guard decides
        timeout: object = None,  # noqa: ARG002
        verify: object = True,  # noqa: ARG002
        cert: object = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> Response:
        asked = asyncio.run_coroutine_threadsafe(self._ask(request), self._loop)
        try:
            answer = asked.result(timeout=2 * _REQUEST_SECONDS)
        except TimeoutError:  # the loop has ended under us
            raise Unavailable(name=self._name, reason="it did not answer in time") from None
        except httpx.TransportError as error:
            reason = "it did not answer in time" if isinstance(error, httpx.TimeoutException) else "the line broke"
            raise Unavailable(name=self._name, reason=reason) from None
        self._judge(answer.status_code, answer.content)
        return _as_requests(answer, request)

    def close(self) -> None:
        pass

    async def _ask(self, request: PreparedRequest) -> httpx.Response:
        headers = {name: str(value) for name, value in request.headers.items() if name.lower() != "connection"}
        body = request.body
        assert request.method is not None
        assert request.url is not None
        assert body is None or isinstance(body, bytes | str), "octoDNS sends JSON"
        return await self._client.request(request.method, request.url, headers=headers, content=body)


def _as_requests(answer: httpx.Response, request: PreparedRequest) -> Response:
    response = Response()
    response.status_code = answer.status_code
    response.headers = CaseInsensitiveDict(answer.headers.items())
    response.encoding = "utf-8"
    response.url = request.url or ""
    response.request = request
    response._content = answer.content  # noqa: SLF001 - requests has no other way in
    return response


def values_in(zone: Any) -> Iterator[Value]:
    """Every value of an octoDNS zone in our form."""
    for record in zone.records:
        yield from values_of_set(record)


def values_of_set(record: Any) -> Iterator[Value]:
    """The values of one record set of octoDNS."""
    for value in record.values if hasattr(record, "values") else [record.value]:
        yield value_from_octo(record, value)


def value_from_octo(record: Any, value: Any) -> Value:
    """One value of a set. TXT without the escapes of octoDNS and of zone files, hosts without the dot at the end."""
    name, kind = record.name or "@", record._type  # noqa: SLF001 - octoDNS's own name for it
    if kind == "MX":
        return Value(kind, name, _host(value.exchange), int(value.preference))
    if kind in _HOST_TYPES:
        return Value(kind, name, _host(value))
    if kind in {"TXT", "SPF"}:
        return Value("TXT", name, _ESCAPED.sub(_unescaped, str(value)))
    return Value(kind, name, str(value))


def in_presentation(record: Record) -> str:
    """The value as zone files write it, TXT quoted, split and escaped (RFC 1035 5.1): the one place that does so."""
    return str(to_rdata(record).to_text())


def octo_record(zone: Any, records: Iterable[Record]) -> Any:
    """Records of one name and type as octoDNS has them."""
    same = list(records)
    first = same[0]
    data: dict[str, object] = {"type": first.type.value, "ttl": first.ttl}
    spelled = [_to_octo(record) for record in same]
    data |= {"value": spelled[0]} if first.type.value == "CNAME" else {"values": spelled}
    return OctoRecord.new(zone, "" if first.name == "@" else first.name, data, lenient=True)


def sets_of(plan: Plan) -> frozenset[tuple[str, str]]:
    """Name and type of every set that a plan touches."""
    return frozenset((value.name, value.type) for value in plan.removes | plan.adds)


def leave_only(zone: Any, plan: Plan | None) -> None:
    """Takes the sets out of an octoDNS zone that a plan does not touch."""
    if plan is not None:
        touched = sets_of(plan)
        for record in list(zone.records):
            if (record.name or "@", record._type) not in touched:  # noqa: SLF001
                zone.remove_record(record)


def created_in(plan: Plan, record: Any) -> list[Record]:
    """What a plan creates in the set of this octoDNS record."""
    place = (record.name or "@", record._type)  # noqa: SLF001
    return [one for one in plan.create if (one.name, one.type.value) == place]


def _desired(there: Any, plan: Plan) -> Any:
    """The zone as it is to be."""
    desired = there.copy()
    held = {(record.name or "@", record._type): record for record in there.records}  # noqa: SLF001
    for place in sets_of(plan):
        before = held.get(place)
        new = [one for one in plan.create if (one.name, one.type.value) == place]
        kept = (
            []
            if before is None
            else [v for v in _octo_values(before) if value_from_octo(before, v) not in plan.removes]
        )
        if before is not None and not (kept or new):
            desired.remove_record(before)
        elif kept or new:
            desired.add_record(_changed(desired, before, kept, new), replace=True, lenient=True)
    return desired


def _changed(zone: Any, before: Any, kept: list[Any], new: list[Record]) -> Any:
    record = octo_record(zone, new) if new else before.copy()
    if before is not None:
        record.ttl = before.ttl  # one set has one TTL, and it is its owner's
        record.octodns = before.octodns
    if hasattr(record, "values"):
        record.values = sorted([*kept, *(record.values if new else [])])
    return record


def _octo_values(record: Any) -> list[Any]:
    return list(record.values) if hasattr(record, "values") else [record.value]


def _to_octo(record: Record) -> object:
    match record.type.value:
        case "MX":
            return {"preference": record.priority or 0, "exchange": f"{record.content}."}
        case "CNAME":
            return f"{record.content}."
        case "TXT":
            return record.content.replace(";", "\\;")
        case _:
            return record.content


def _host(value: object) -> str:
    text = str(value).lower()
    return text.removesuffix(".") or "."


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code)) if len(code) == 3 else code  # noqa: PLR2004 - \DDD of RFC 1035 5.1
