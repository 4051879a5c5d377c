"""Routes of DNS records."""

from typing import Any

from litestar import Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, RawBody

from litemail.kit.actor import requires
from litemail.kit.db import Tx
from litemail.kit.pagination import Page, PageRequest
from litemail.kit.wire import Given, one_or_many, operation
from litemail.protocols.record_types import RecordType
from litemail.zones import editing, zone_files
from litemail.zones.schemas import (
    Record,
    RecordCreate,
    Records,
    RecordsCreate,
    RecordUpdate,
    ZoneFileImport,
    show,
    show_import,
)

EXAMPLE = {
    "id": "rec_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "domain": "getbrandmerge.test",
    "type": "A",
    "name": "www",
    "content": "192.0.2.10",
    "ttl": 3600,
    "priority": None,
    "managed": False,
    "created_at": "2026-01-29T18:41:56.867Z",
}
_REFUSED = (
    "dns.unknown_type",
    "dns.bad_name",
    "dns.bad_content",
    "dns.target_is_address",
    "dns.points_to_itself",
    "dns.cname_at_apex",
    "dns.ns_at_apex",
    "dns.bad_ttl",
    "dns.priority_missing",
    "dns.priority_not_used",
    "dns.bad_priority",
    "dns.bad_spf",
    "dns.spf_lookups",
    "dns.bad_dmarc",
    "dns.null_mx_priority",
    "dns.conflict",
    "dns.duplicate_record",
    "dns.cname_conflict",
    "dns.alias_conflict",
    "dns.two_spf",
    "dns.two_dmarc",
    "dns.null_mx_conflict",
    "dns.set_too_large",
)


@get(
    "/dns",
    **operation(
        "List the DNS records of a domain",
        description="`domain` is a name or an id. The managed records come first.",
        group="DNS",
        scope=requires("dns:read"),
        errors=("dns.zone_not_found", "request.bad_cursor"),
        example={"data": [EXAMPLE], "next_cursor": None},
    ),
)
async def list_records(
    tx: Given[Tx],
    page_request: Given[PageRequest],
    domain: FromQuery[str],
    type: FromQuery[RecordType | None] = None,  # noqa: A002 - the parameter's name in the contract
    name: FromQuery[str | None] = None,
) -> Page[Record]:
    return (await editing.list_(tx, domain, page_request, record_type=type, name=name)).map(show)


@post(
    "/dns",
    **operation(
        "Create one DNS record or many",
        description="One record is answered with itself; `records`, all of which are made or none, with "
        '`{"data": [...]}`. Names are relative to the domain; `@` is the domain itself. Served within 100 ms once '
        "the domain is active.",
        group="DNS",
        scope=requires("dns:write"),
        errors=("dns.unknown_domain", "dns.not_hosted", "dns.too_many_records", *_REFUSED),
        example=EXAMPLE,
        request_example={"domain": "getbrandmerge.test", "type": "A", "name": "www", "content": "192.0.2.10"},
        request_models=(RecordCreate, RecordsCreate),
    ),
)
async def create_records(data: JSONBody[dict[str, Any]], tx: Given[Tx]) -> Response[Record | Records]:
    wanted = one_or_many(data, RecordCreate, RecordsCreate, key="records")
    if isinstance(wanted, RecordCreate):
        return Response(show(await editing.create(tx, wanted.domain, wanted.wanted())), status_code=201)
    rows = await editing.create_many(tx, wanted.domain, [each.wanted() for each in wanted.records])
    return Response(Records(list(map(show, rows))), status_code=201)


@put(
    "/dns/{record_id:str}",
    **operation(
        "Change a DNS record",
        description="Fields left out stay as they are. With `?force=true` also a managed record, which is then yours: "
        "we no longer rewrite it.",
        group="DNS",
        scope=requires("dns:write"),
        errors=("dns.record_not_found", "dns.managed_record", "dns.not_hosted", *_REFUSED),
        example=EXAMPLE,
        request_example={"content": "192.0.2.11"},
    ),
)
async def update_record(
    record_id: FromPath[str], data: JSONBody[RecordUpdate], tx: Given[Tx], force: FromQuery[bool] = False
) -> Record:
    return show(await editing.update(tx, record_id, data.changes(), force=force))


@delete(
    "/dns/{record_id:str}",
    **operation(
        "Delete a DNS record",
        description="A managed record only with `?force=true`: mail of the domain depends on it.",
        group="DNS",
        scope=requires("dns:write"),
        errors=("dns.record_not_found", "dns.managed_record"),
    ),
)
async def delete_record(record_id: FromPath[str], tx: Given[Tx], force: FromQuery[bool] = False) -> None:
    await editing.delete(tx, record_id, force=force)


ZONE_FILE_TYPE = "text/dns"  # RFC 4027


@get(
    "/dns/zone-file",
    media_type=ZONE_FILE_TYPE,
    **operation(
        "Export a zone file",
        description="The zone as BIND and others load it, the managed records too. An ALIAS is written as "
        "`TYPE65401`, with its target in a comment.",
        group="DNS",
        scope=requires("dns:read"),
        errors=("dns.zone_not_found",),
        example="$ORIGIN getbrandmerge.test.\n$TTL 3600\n"
        "@ 3600 IN SOA ns04.litemail.test. hostmaster.litemail.test. 1769712116 3600 600 1209600 300\n"
        "@ 3600 IN NS ns04.litemail.test.\n@ 3600 IN MX 10 mail.litemail.test.\nwww 3600 IN A 192.0.2.10\n",
    ),
)
async def export_zone_file(tx: Given[Tx], domain: FromQuery[str]) -> str:
    return await zone_files.export(tx, domain)


@post(
    "/dns/zone-file",
    status_code=200,
    **operation(
        "Import a zone file",
        description="The body is the file itself, as `text/dns`. Its records are added to those that are there, all or "
        "none; every line that cannot be taken over is named. `?replace=true` also deletes records of yours that the "
        "file does not have; managed ones stay. `?dry_run=true` shows what would change. Directives other than "
        "$ORIGIN and $TTL are refused.",
        group="DNS",
        scope=requires("dns:write"),
        errors=(
            "dns.zone_not_found",
            "dns.not_hosted",
            "dns.bad_zone_file",
            "dns.zone_file_not_text",
            "dns.too_many_records",
        ),
        takes=(ZONE_FILE_TYPE, "text/plain"),
        example={
            "domain": "getbrandmerge.test",
            "dry_run": True,
            "create": [{"type": "A", "name": "www", "content": "192.0.2.10", "ttl": 3600, "priority": None}],
            "change": [],
            "delete": [],
            "unchanged": 3,
            "skipped": [{"line": 3, "type": "SOA", "name": "@", "reason": "set by our servers"}],
        },
        request_example="$TTL 3600\n@ IN SOA ns1.example.net. admin.example.net. 1 3600 600 1209600 300\n"
        "www IN A 192.0.2.10\n",
    ),
)
async def import_zone_file(
    body: RawBody,
    tx: Given[Tx],
    domain: FromQuery[str],
    dry_run: FromQuery[bool] = False,
    replace: FromQuery[bool] = False,
) -> ZoneFileImport:
    planned = await zone_files.plan(tx, domain, body, replace=replace)
    if not dry_run:
        await zone_files.apply(tx, planned)
    return show_import(planned, dry_run=dry_run)


ROUTES: list[HTTPRouteHandler] = [
    list_records,
    create_records,
    export_zone_file,
    import_zone_file,
    update_record,
    delete_record,
]
