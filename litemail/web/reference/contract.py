"""The contract as values that pages are made of."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Literal

import msgspec

from litemail.web.reference.fields import Definitions, Field, fields_of, parameter

GROUPS = (
    "Sign-in",
    "Users",
    "Workspaces",
    "Billings",
    "Mailboxes",
    "Payment & Wallet",
    "Exports",
    "Subscriptions",
    "Domains",
    "DNS",
    "API Keys",
    "Connect Inbox",
    "Platforms",
    "Orders",
    "Sandbox",
    "System",
)
"""The order of the sidebar. A group that is not named here comes last."""

_METHODS = ("get", "post", "put", "patch", "delete")
_SUCCESS = range(200, 300)


Credential = Literal["none", "key", "token"]
"""What a call takes: nothing, an API key or an access token, or only an access token, which people have."""


class Answer(msgspec.Struct, frozen=True):
    """What a call can answer with one status. `example` is JSON text; `codes` are those that only this call has."""

    status: int
    phrase: str
    description: str
    media_type: str | None
    example: str | None
    fields: tuple[Field, ...]
    codes: tuple[str, ...]

    @property
    def good(self) -> bool:
        return self.status in _SUCCESS


class Operation(msgspec.Struct, frozen=True):
    """One call. `body_example` is None without a body; `body_required` is False where the body may be left out."""

    id: str
    slug: str
    group: str
    method: str
    path: str
    summary: str
    description: str
    scope: str
    credential: Credential
    path_fields: tuple[Field, ...]
    query_fields: tuple[Field, ...]
    header_fields: tuple[Field, ...]
    body_type: str | None
    body_required: bool
    body_fields: tuple[Field, ...]
    body_example: object
    answers: tuple[Answer, ...]

    @property
    def success(self) -> Answer:
        return self.answers[0]

    @property
    def public(self) -> bool:
        return self.credential == "none"


class Group(msgspec.Struct, frozen=True):
    name: str
    operations: tuple[Operation, ...]


def read(tree: Mapping[str, Any]) -> list[Group]:
    """The operations of an OpenAPI document that `web.openapi` built, by group."""
    definitions = Definitions(tree["components"])
    found: dict[str, list[Operation]] = {name: [] for name in GROUPS}
    for path, item in tree["paths"].items():
        for method in _METHODS:
            if method in item:
                operation = _operation(path, method, item[method], definitions)
                found.setdefault(operation.group, []).append(operation)
    return [
        Group(name, tuple(sorted(operations, key=lambda each: (each.path, _METHODS.index(each.method.lower())))))
        for name, operations in found.items()
        if operations
    ]


def _operation(path: str, method: str, about: Mapping[str, Any], definitions: Definitions) -> Operation:
    parameters = about.get("parameters", ())
    body_type, body = _content(about.get("requestBody", {}))
    example = definitions.example(body)
    return Operation(
        id=about["operationId"],
        slug=about["operationId"].replace("_", "-"),
        group=about["tags"][0],
        method=method.upper(),
        path=path,
        summary=about.get("summary", ""),
        description=about.get("description") or "",
        scope=about.get("x-scope", "none"),
        credential=_credential(about.get("security", ())),
        path_fields=_parameters(parameters, "path", definitions),
        query_fields=_parameters(parameters, "query", definitions),
        header_fields=_parameters(parameters, "header", definitions),
        body_type=body_type,
        body_required=bool(about.get("requestBody", {}).get("required")),
        body_fields=tuple(fields_of(body["schema"], definitions, place="body", example=example)) if body else (),
        body_example=example,
        answers=tuple(
            _answer(int(status), answer, definitions) for status, answer in sorted(about["responses"].items())
        ),
    )


def _credential(security: Iterable[Mapping[str, Any]]) -> Credential:
    accepted = {name for each in security for name in each}
    if "api_key" in accepted:
        return "key"
    return "token" if accepted else "none"


def _parameters(parameters: Iterable[Mapping[str, Any]], place: str, definitions: Definitions) -> tuple[Field, ...]:
    return tuple(parameter(each, definitions, place=place) for each in parameters if each["in"] == place)


def _answer(status: int, about: Mapping[str, Any], definitions: Definitions) -> Answer:
    media_type, content = _content(about)
    example = definitions.example(content)
    phrase = HTTPStatus(status).phrase
    good = status in _SUCCESS
    schema = content.get("schema") if good else None
    return Answer(
        status=status,
        phrase=phrase,
        description="" if good else about.get("description", ""),
        media_type=media_type,
        example=None if example is None else pretty(example),
        fields=tuple(fields_of(schema, definitions, place=f"answer-{status}", example=example)) if schema else (),
        codes=tuple(about.get("x-codes", ())),
    )


def _content(about: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]]:
    """The first media type, with what is said of it."""
    for media_type, content in about.get("content", {}).items():
        return media_type, content
    return None, {}


def pretty(value: object) -> str:
    """JSON to read; a text as it is."""
    return value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
