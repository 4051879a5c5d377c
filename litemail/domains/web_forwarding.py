"""Use cases of web forwarding: a domain, and www below it, lead to a URL."""

from collections.abc import Collection, Sequence
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from litemail import zones
from litemail.domains import forwarding_queries as queries
from litemail.domains.choosing import choose, workspace
from litemail.domains.forwarding_queries import WebForwarding
from litemail.kit import bulk
from litemail.kit.bulk import BulkResult
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.outbound import HTTP_OR_HTTPS, OutboundError, check_url
from litemail.protocols import names

_FORWARDED = ("@", "www")
_URL_CHARACTERS = "/%?:@!$&'()*+,;=-._~"  # RFC 3986 section 2; what is escaped already stays as it is


class UnusableUrl(Error):
    kind = Kind.INVALID
    code = "domain.unusable_url"
    message = "The web cannot be forwarded there: {reason}"
    action = "Give the full address of a public web page, such as https://example.com/welcome."


class ForwardingLoop(Error):
    kind = Kind.CONFLICT
    code = "domain.forwarding_loop"
    message = "{name} would be forwarded to itself: {path}."
    action = "Choose a URL that is not forwarded back to this domain."


class Wanted(msgspec.Struct, frozen=True):
    """Where to, and how: 301 or 302, with the path of the request or without."""

    url: str
    permanent: bool
    keep_path: bool


async def forward(
    tx: Tx,
    given: Sequence[str],
    wanted: Wanted,
    *,
    all_or_nothing: bool,
    ours: Sequence[str],
    addresses: Sequence[str],
) -> BulkResult:
    """Forwards these domains (ids or names); hosted zones lead to `addresses`, those of the redirect servers. In a zone
    that is published elsewhere their owner enters them: ours beside theirs would lead every other visitor astray.

    `ours` are the names of our own servers. Raises UnusableUrl, AllRejected, NotAllAccepted.
    """
    host = _host_of(wanted.url, ours)
    wanted = msgspec.structs.replace(wanted, url=_in_ascii(wanted.url, host))
    chosen, rejected = await choose(tx, given)
    workspace_id = workspace(tx)
    await queries.lock_web(tx, workspace_id)
    paths = paths_back(host, await queries.list_web(tx, workspace_id=workspace_id), {d.name for d in chosen.values()})
    for index, domain in list(chosen.items()):
        try:
            if domain.name in paths:
                raise ForwardingLoop(name=domain.name, path=" to ".join((domain.name, *paths[domain.name])))
            if domain.dns == "hosted":
                await zones.point(tx, domain.id, _FORWARDED, addresses=addresses)
        except Error as problem:
            rejected[index] = problem
            del chosen[index]
    await queries.put_web(
        tx,
        [domain.id for domain in chosen.values()],
        workspace_id=workspace_id,
        url=wanted.url,
        permanent=wanted.permanent,
        keep_path=wanted.keep_path,
    )
    await tx.emit_many(
        "domain.forwarding_set",
        workspace_id=workspace_id,
        data_by_subject={
            domain.id: {"name": domain.name, "kind": "web", **msgspec.structs.asdict(wanted)}
            for domain in chosen.values()
        },
    )
    accepted = {index: domain.id for index, domain in chosen.items()}
    return bulk.settle(accepted, rejected, key="domains", all_or_nothing=all_or_nothing)


async def stop(tx: Tx, given: Sequence[str], *, all_or_nothing: bool) -> BulkResult:
    """Forwards these no longer; those that were not forwarded stay as they are. Raises AllRejected, NotAllAccepted."""
    chosen, rejected = await choose(tx, given)
    workspace_id = workspace(tx)
    await queries.lock_web(tx, workspace_id)
    forwarded = {row.domain_id for row in await queries.web_of(tx, {domain.id for domain in chosen.values()})}
    for domain in chosen.values():
        if domain.id in forwarded and domain.dns == "hosted":
            await zones.point(tx, domain.id, _FORWARDED, addresses=())
    await queries.delete_web(tx, forwarded)
    await tx.emit_many(
        "domain.forwarding_removed",
        workspace_id=workspace_id,
        data_by_subject={
            domain.id: {"name": domain.name, "kind": "web"} for domain in chosen.values() if domain.id in forwarded
        },
    )
    accepted = {index: domain.id for index, domain in chosen.items()}
    return bulk.settle(accepted, rejected, key="domains", all_or_nothing=all_or_nothing)


async def served_forwardings(tx: Tx, chosen: Collection[str] | None = None) -> list[WebForwarding]:
    """Every forwarding that a redirect server obeys, or those of the given names; as the system."""
    return await queries.served_web(tx, chosen)


async def is_forwarded(tx: Tx, host: str) -> bool:
    """Whether a redirect server answers for this host: a forwarded domain, or www below one; as the system."""
    return bool(await queries.served_web(tx, [host, host.removeprefix("www.")]))


def paths_back(host: str, forwarded: Sequence[WebForwarding], wanted: Collection[str]) -> dict[str, list[str]]:
    """Which of the `wanted` domains a visitor of `host` comes through, each with the hosts on the way to it.

    To forward one of those to `host` would send the visitor round and round. The others may be.
    """
    to = {row.name: host_of(row.url) for row in forwarded}
    found: dict[str, list[str]] = {}
    way = [host]
    while (name := _forwarded_name(way[-1], {*to, *wanted})) is not None and name not in found:
        found[name] = list(way)
        if name not in to:
            break
        way.append(to[name])
    return {name: path for name, path in found.items() if name in wanted}


def host_of(url: str) -> str:
    """The host of a URL that was checked, in its one spelling."""
    return check_url(url, schemes=HTTP_OR_HTTPS).host


def _forwarded_name(host: str, forwarded: Collection[str]) -> str | None:
    return next((name for name in (host, host.removeprefix("www.")) if name in forwarded), None)


def _in_ascii(url: str, host: str) -> str:
    """The URL as it can stand in a header field (RFC 3986); what is ASCII stays as it was typed."""
    if url.isascii():
        return url
    parts = urlsplit(url)
    netloc = host if parts.port is None else f"{host}:{parts.port}"
    path, query, fragment = (quote(part, safe=_URL_CHARACTERS) for part in (parts.path, parts.query, parts.fragment))
    return urlunsplit((parts.scheme, netloc, path, query, fragment))


def _host_of(url: str, ours: Sequence[str]) -> str:
    """The host, if a visitor may be sent there. Raises UnusableUrl."""
    try:
        host = host_of(url)
    except OutboundError as error:
        raise UnusableUrl(reason=str(error), field="url") from None
    home = names.registrable(host)
    if home is None and not host.replace(".", "").isdigit() and ":" not in host:
        raise UnusableUrl(reason=f"{host} is not a name on the public internet.", field="url")
    if home is not None and home in {names.registrable(own) for own in ours}:
        raise UnusableUrl(reason=f"{host} belongs to this server itself.", field="url")
    return host
