"""Holds requests and answers against a vendor's stripped OpenAPI file."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
from jsonschema import Draft202012Validator, FormatChecker

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

FORMATS = FormatChecker(["date-time", "date", "uuid", "ipv4", "ipv6", "regex"])
_EMAIL = re.compile(r"[^\s@]+@([^\s@.]+\.)+[^\s@.]+")


def _is_email(value: object) -> bool:
    """As the checkers of vendors have it; jsonschema is content with an @."""
    return not isinstance(value, str) or _EMAIL.fullmatch(value) is not None


FORMATS.checks("email")(_is_email)

WORDS = {"type": "string", "minLength": 1}


_MESSAGE = {"type": "object", "properties": {"status": WORDS, "message": WORDS}, "required": ["message"]}


@dataclass(frozen=True)
class Manner:
    """What holds for all operations of one vendor: the beginning of the paths that have a contract, and the answers
    that any operation may give although they are documented for some only, or in general.
    """

    prefix: str
    failure: Mapping[str, Any]
    everywhere: frozenset[int]


MANNERS = {
    "instantly": Manner(
        "/api/v2/",
        {
            "type": "object",
            "properties": {"statusCode": {"type": "integer"}, "error": WORDS, "message": WORDS},
            "required": ["statusCode", "error", "message"],
            "additionalProperties": False,
        },
        frozenset({400, 415, 500}),
    ),
    # Its errors differ by what they complain about. 402, for a key without a plan, is made up by the twin.
    "smartlead": Manner(
        "/api/v1/",
        {"type": "object", "anyOf": [{"required": ["message"]}, {"required": ["error"]}]},
        frozenset({400, 401, 402, 404, 422, 429, 500}),
    ),
    # It documents no errors; these were seen in use, but for 402 and 429, which are made up by the twin.
    "emailbison": Manner(
        "/api/",
        {"type": "object", "anyOf": [{"required": ["message"]}, {"required": ["data"]}]},
        frozenset({401, 402, 403, 404, 422, 429, 500}),
    ),
    # Its errors are plain text. 402 and 415 are made up by the twin.
    "lemlist": Manner("/api/", WORDS, frozenset({400, 401, 402, 403, 404, 405, 415, 429, 500})),
    # It documents its statuses in general. 402 for a missing plan, 415 and 429 are made up by the twin.
    "salesforge": Manner(
        "/public/v2/",
        {
            "type": "object",
            "properties": {"message": WORDS, "data": {}},
            "required": ["message"],
            "additionalProperties": False,
        },
        frozenset({400, 401, 402, 403, 404, 405, 415, 422, 429, 500}),
    ),
    # None of the three documents the statuses of its refusals beyond a few, nor the bodies beyond these.
    "plusvibe": Manner("/api/v1/", _MESSAGE, frozenset({400, 401, 402, 403, 404, 409, 429, 500})),
    "saleshandy": Manner("/v1/", _MESSAGE, frozenset({400, 401, 402, 403, 404, 409, 422, 429, 500})),
    "woodpecker": Manner(
        "/rest/",
        {
            "type": "object",
            "properties": {"code": WORDS, "details": {"type": "array", "items": {"type": "string"}}},
            "required": ["code"],
            "additionalProperties": False,
        },
        frozenset({400, 401, 402, 403, 404, 429, 500}),
    ),
}


@dataclass
class Contract:
    """One vendor's contract. `violations` are what the wrappers saw go wrong."""

    platform_type: str
    document: Mapping[str, Any]
    violations: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def operation(self, method: str, path: str) -> Mapping[str, Any] | None:
        """The operation that a request path (without query) names; literal segments win over parameters."""
        for template in sorted(self.document["paths"], key=lambda one: one.count("{")):
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
                found: Mapping[str, Any] | None = self.document["paths"][template].get(method.lower())
                if found:
                    return found
        return None

    @property
    def manner(self) -> Manner:
        return MANNERS[self.platform_type]

    def vendor_path(self, path: str) -> str | None:
        """The vendor's own path of a twin's; None for a web application's own calls, which have no contract."""
        inside = re.sub(rf"^/[^/]+/{self.platform_type}", "", path).removeprefix("/backend")
        return inside if inside.startswith(self.manner.prefix) else None

    def faults(self, schema: Mapping[str, Any], value: object) -> list[str]:
        whole = {**schema, "components": self.document["components"]}
        validator = Draft202012Validator(whole, format_checker=FORMATS)
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]

    def request_faults(self, method: str, path: str, query: str, body: bytes, headers: Mapping[str, str]) -> list[str]:
        """What is wrong with a request. Names of headers are in lower case."""
        operation = self.operation(method, path)
        if operation is None:
            return [f"{method} {path} is not in the contract"]
        self.seen.add(operation["operationId"])
        return [
            *self._security_faults(operation, query, headers),
            *self._query_faults(operation, query),
            *self._body_faults(operation, body, headers),
        ]

    def answer_faults(self, method: str, path: str, status: int, body: bytes) -> list[str]:
        operation = self.operation(method, path)
        if operation is None:
            return [] if status in (404, 405) else [f"{method} {path} is not in the contract and answers {status}"]
        documented = operation["responses"].get(str(status))
        if documented is None and status not in self.manner.everywhere:
            return [f"{method} {path} answers {status}, which is not documented"]
        if documented is not None and not documented.get("content"):
            return ["a body where none is documented"] if body else []
        schema = _only_schema(documented["content"]) if documented else self.manner.failure
        try:
            return self.faults(schema, body.decode() if schema.get("type") == "string" else json.loads(body))
        except ValueError:
            return ["the answer is no JSON"]

    @property
    def _schemes(self) -> Mapping[str, Mapping[str, str]]:
        found: Mapping[str, Mapping[str, str]] = self.document["components"].get("securitySchemes", {})
        return found

    def _security_faults(self, operation: Mapping[str, Any], query: str, headers: Mapping[str, str]) -> list[str]:
        """That a key comes where the vendor wants it; whether it is right is for the platform to say."""
        faults: list[str] = []
        for name in {name for way in operation.get("security", self.document.get("security", [])) for name in way}:
            scheme = self._schemes[name]
            key = scheme.get("name", "Authorization")
            given = dict(parse_qsl(query)).get(key) if scheme.get("in") == "query" else headers.get(key.lower())
            faults += [] if given else [f"no {key} in the {scheme.get('in', 'header')}"]
        return faults

    def _query_faults(self, operation: Mapping[str, Any], query: str) -> list[str]:
        parameters = {one["name"]: one for one in operation.get("parameters", []) if one["in"] == "query"}
        # An array comes as several of one name.
        known = {name: one["schema"].get("items", one["schema"]) for name, one in parameters.items()}
        keys = {scheme["name"] for scheme in self._schemes.values() if scheme.get("in") == "query"}
        given = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in keys - set(known)]
        missing = {name for name, one in parameters.items() if one.get("required")} - {name for name, _ in given}
        faults = [f"query {name} is missing" for name in sorted(missing)]
        for name, text in given:
            if name not in known:
                faults.append(f"query {name} is not in the contract")
                continue
            value = json.loads(text) if known[name].get("type") in {"integer", "number", "boolean"} else text
            faults += self.faults(known[name], value)
        return faults

    def _body_faults(self, operation: Mapping[str, Any], body: bytes, headers: Mapping[str, str]) -> list[str]:
        wanted = operation.get("requestBody")
        if not body:
            return ["no body"] if wanted and wanted["required"] else []
        if not wanted:
            return ["a body where none is taken"]
        kind = headers.get("content-type", "").partition(";")[0]
        if kind not in wanted["content"]:
            return [f"a body of type {kind}"]
        return self.faults(_closed(wanted["content"][kind]["schema"]), json.loads(body))


def _closed(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema without room for fields that it does not name: what we send, the vendor must know."""
    inner: dict[str, Any] = {}
    if "items" in schema:
        inner["items"] = _closed(schema["items"])
    if "properties" in schema:
        inner["properties"] = {name: _closed(value) for name, value in schema["properties"].items()}
        inner["additionalProperties"] = schema.get("additionalProperties", False)
    return {**schema, **inner}


def _only_schema(content: Mapping[str, Any]) -> Mapping[str, Any]:
    (of_kind,) = content.values()
    schema: Mapping[str, Any] = of_kind["schema"]
    return schema


def load(name: str) -> Contract:
    return Contract(name, json.loads(Path(__file__).with_name(f"{name}.json").read_text()))


class RequestsChecked(httpx.AsyncBaseTransport):
    """A transport that holds every request against the contract before it leaves."""

    def __init__(self, contract: Contract, inner: httpx.AsyncBaseTransport) -> None:
        self._contract = contract
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = self._contract.vendor_path(request.url.path)
        if path is not None:
            faults = self._contract.request_faults(
                request.method, path, request.url.query.decode(), await request.aread(), request.headers
            )
            self._contract.violations += [f"{request.method} {path}: {fault}" for fault in faults]
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def answers_checked(contract: Contract, app: App) -> App:
    """An ASGI application whose every answer is held against the contract, and every request that it accepts."""

    async def checked(scope: Message, receive: Receive, send: Send) -> None:
        path = contract.vendor_path(scope["path"]) if scope["type"] == "http" else None
        if path is None:
            await app(scope, receive, send)
            return
        request, answer, statuses = bytearray(), bytearray(), list[int]()

        async def hear() -> Message:
            message = await receive()
            request.extend(message.get("body", b""))
            return message

        async def tell(message: Message) -> None:
            statuses.append(message.get("status", 0))
            answer.extend(message.get("body", b""))
            await send(message)

        await app(scope, hear, tell)
        status, method = statuses[0], scope["method"]
        if status == 503:
            return
        faults = contract.answer_faults(method, path, status, bytes(answer))
        if status in range(200, 300):
            query = scope["query_string"].decode()
            headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
            faults += contract.request_faults(method, path, query, bytes(request), headers)
        contract.violations += [f"{method} {path} -> {status}: {fault}" for fault in faults]

    return checked
