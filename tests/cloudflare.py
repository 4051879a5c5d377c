"""Cloudflare's DNS API as its public documentation has it, strict about what it is sent.

Shapes: developers.cloudflare.com/api/resources/zones and /api/resources/dns/subresources/records. Codes: 9109 and 6003
for tokens, 10000 for what a token may not do, 81058 for a record that is there, 81053/81054 for a CNAME beside others.
"""

import json
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from litemail.kit import http_server

TOKEN = "YQSn-xWAQiiEh9qM58wZNnyQS7FUdoqGIUAbrh7T"
READ_ONLY = "r-only-xWAQiiEh9qM58wZNnyQS7FUdoqGIUAbrh"
_QUOTED = re.compile(r'"(?:[^"\\]|\\.){0,255}"(?: "(?:[^"\\]|\\.){0,255}")*')
_RECORD = re.compile(r"/client/v4/zones/([0-9a-f]{32})/dns_records(?:/([0-9a-f]{32}))?")
_FIELDS = {"type", "name", "content", "data", "ttl", "proxied", "priority", "comment", "tags"}


@dataclass
class Cloudflare:
    """What the API holds. `calls` are the writes, as method and path; `down` makes it answer with 503."""

    url: str = ""
    zones: dict[str, str] = field(default_factory=dict)
    records: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    down: bool = False

    def add_zone(self, name: str) -> None:
        zone_id = secrets.token_hex(16)
        self.zones[name] = zone_id
        self.records[zone_id] = {}

    def add(self, zone: str, kind: str, name: str, content: str, **more: object) -> None:
        """What the zone's owner has there already."""
        record = _shown({"type": kind, "name": name, "content": content, "ttl": 1, **more})
        self.records[self.zones[zone]][record["id"]] = record

    def of(self, zone: str) -> dict[str, dict[str, Any]]:
        return self.records[self.zones[zone]]


class _Refused(Exception):
    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.answer = {"result": None, "success": False, "errors": [{"code": code, "message": message}], "messages": []}


@asynccontextmanager
async def cloudflare() -> AsyncIterator[Cloudflare]:
    state = Cloudflare()

    async def app(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        try:
            status, answer = _answer(state, scope["method"], scope["path"], scope["query_string"], headers, body)
        except _Refused as refused:
            status, answer = refused.status, refused.answer
        content = json.dumps(answer).encode()
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        )
        await send({"type": "http.response.body", "body": content})

    server = await http_server.serve(app, host="127.0.0.1", port=0, setting="port")
    state.url = f"http://127.0.0.1:{server.port}/client/v4"
    try:
        yield state
    finally:
        await server.close()


def _answer(
    state: Cloudflare, method: str, path: str, query: bytes, headers: Mapping[str, str], body: bytes
) -> tuple[int, object]:
    if state.down:
        raise _Refused(503, 7003, "Service unavailable")
    token = headers.get("authorization", "").removeprefix("Bearer ")
    if not re.fullmatch(r"[A-Za-z0-9_-]{40}", token):
        raise _Refused(400, 6003, "Invalid request headers")
    if token not in {TOKEN, READ_ONLY}:
        raise _Refused(403, 9109, "Invalid access token")
    if method != "GET":
        state.calls.append(f"{method} {path}")
        if token == READ_ONLY:
            raise _Refused(403, 10000, "Authentication error")
    asked = dict(parse_qsl(query.decode(), strict_parsing=bool(query)))
    if (method, path) == ("GET", "/client/v4/zones"):
        zones = [{"id": zone_id, "name": name, "status": "active"} for name, zone_id in state.zones.items()]
        return 200, _page(zones, asked, most=50)
    return 200, _of_records(state, method, path, asked, body)


def _of_records(state: Cloudflare, method: str, path: str, asked: Mapping[str, str], body: bytes) -> object:
    matched = _RECORD.fullmatch(path)
    if matched is None or matched[1] not in state.records:
        raise _Refused(404, 7003, f"Could not route to {path}, perhaps your object identifier is invalid?")
    records = state.records[matched[1]]
    match method, matched[2]:
        case "GET", None:
            return _page(list(records.values()), asked, most=5_000_000)
        case "POST", None:
            (zone,) = [name for name, zone_id in state.zones.items() if zone_id == matched[1]]
            record = _read(json.loads(body), zone, records)
            records[record["id"]] = record
            return {"result": record, "success": True, "errors": [], "messages": []}
        case "DELETE", record_id if record_id in records:
            del records[record_id]
            return {"result": {"id": record_id}, "success": True, "errors": [], "messages": []}
    raise _Refused(404, 81044, "Record does not exist.")


def _page(items: list[Any], asked: Mapping[str, str], *, most: int) -> object:
    if asked.keys() - {"page", "per_page"} or not 5 <= int(asked["per_page"]) <= most:
        raise _Refused(400, 6003, "Invalid request")
    page, size = int(asked["page"]), int(asked["per_page"])
    shown = items[(page - 1) * size : page * size]
    info = {"page": page, "per_page": size, "count": len(shown), "total_count": len(items)}
    return {"result": shown, "success": True, "errors": [], "messages": [], "result_info": info}


def _read(given: dict[str, Any], zone: str, records: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if given.keys() - _FIELDS or not {"type", "name", "content", "ttl"} <= given.keys():
        raise _Refused(400, 9005, "Content for the record is invalid.")
    name = given["name"].removesuffix(".")
    kind, content, ttl = given["type"], given["content"].removesuffix("."), given["ttl"]
    if name != zone and not name.endswith(f".{zone}"):
        raise _Refused(400, 9000, "DNS name is invalid.")
    if ttl != 1 and not 60 <= ttl <= 86400:
        raise _Refused(400, 9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.")
    if kind == "MX" and "priority" not in given:
        raise _Refused(400, 9100, "priority is a required field.")
    if kind == "TXT" and not _QUOTED.fullmatch(content):
        raise _Refused(400, 9207, "TXT content must consist of quoted strings.")
    same = [one for one in records.values() if one["name"] == name]
    if any(one["type"] == kind and one["content"] == content for one in same):
        raise _Refused(400, 81058, "An identical record already exists.")
    if any("CNAME" in {one["type"], kind} for one in same):
        raise _Refused(400, 81053, "An A, AAAA, or CNAME record with that host already exists.")
    return _shown({**given, "name": name, "content": content})


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    known = {"id": secrets.token_hex(16), "proxiable": False, "proxied": False, "settings": {}, "meta": {}}
    times = {"created_on": "2026-01-01T05:20:00.12345Z", "modified_on": "2026-01-01T05:20:00.12345Z"}
    return {**known, "comment": None, "tags": [], **times, **record}
