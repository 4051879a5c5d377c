"""Makes `instantly.json` of the vendor's OpenAPI file: only the operations in use, only facts.

    python tests/contracts/strip.py path/to/instantly-openapi.json

Kept are paths, parameters, schemas and status codes; no prose, no examples, no names of people or hosts.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | float | bool | None"
Object: TypeAlias = dict[str, Json]

IN_USE = (
    ("/api/v2/accounts", "post"),
    ("/api/v2/accounts", "get"),
    ("/api/v2/accounts/{email}", "get"),
    ("/api/v2/accounts/{email}", "patch"),
    ("/api/v2/accounts/{email}", "delete"),
    ("/api/v2/accounts/warmup/enable", "post"),
    ("/api/v2/accounts/warmup/disable", "post"),
    ("/api/v2/background-jobs/{id}", "get"),
    ("/api/v2/workspaces/current", "get"),
    ("/api/v2/api-keys", "post"),
    ("/api/v2/api-keys", "get"),
    ("/api/v2/api-keys/{id}", "delete"),
    ("/api/v2/custom-tags", "post"),
    ("/api/v2/custom-tags", "get"),
    ("/api/v2/custom-tags/toggle-resource", "post"),
)
_OF_OPERATION = ("operationId", "parameters", "requestBody", "responses")
_OF_PARAMETER = ("name", "in", "required", "schema")
_OF_SCHEMA = (
    "$ref",
    "type",
    "format",
    "enum",
    "pattern",
    "required",
    "items",
    "properties",
    "additionalProperties",
    "allOf",
    "oneOf",
    "anyOf",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
)


def stripped(vendor: Object) -> Object:
    """The contract in use."""
    paths: Object = {}
    for path, method in IN_USE:
        operations = _object(paths.setdefault(path, {}))
        operations[method] = _operation(_at(vendor, "paths", path, method))
    schemas: Object = {}
    wanted = list(_references(paths))
    while wanted:
        name = wanted.pop()
        if name not in schemas:
            schemas[name] = _schema(_at(vendor, "components", "schemas", name))
            wanted += _references(schemas[name])
    return {
        "openapi": vendor["openapi"],
        "info": {"title": "Instantly API v2, the part in use", "version": "2"},
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def _operation(operation: Object) -> Object:
    kept: Object = {name: operation[name] for name in _OF_OPERATION if name in operation}
    parameters = operation.get("parameters", [])
    assert isinstance(parameters, list)
    if parameters:
        kept["parameters"] = [_parameter(_object(parameter)) for parameter in parameters]
    if "requestBody" in operation:
        body = _object(operation["requestBody"])
        kept["requestBody"] = {"required": body.get("required", False), "content": _content(body)}
    kept["responses"] = {
        status: {"description": "", "content": _content(_object(answer))}
        for status, answer in _at(operation, "responses").items()
    }
    return kept


def _parameter(parameter: Object) -> Object:
    kept: Object = {name: parameter[name] for name in _OF_PARAMETER if name in parameter}
    kept["schema"] = _schema(_at(parameter, "schema"))
    return kept


def _content(holder: Object) -> Object:
    return {kind: {"schema": _schema(_at(_object(of), "schema"))} for kind, of in _at(holder, "content").items()}


def _schema(schema: Object) -> Object:
    kept: Object = {}
    for name in _OF_SCHEMA:
        if name not in schema:
            continue
        value = schema[name]
        if name == "properties":
            value = {key: _schema(_object(of)) for key, of in _object(value).items()}
        elif isinstance(value, dict):
            value = _schema(value)
        elif name in {"allOf", "oneOf", "anyOf"}:
            assert isinstance(value, list)
            value = [_schema(_object(of)) for of in value]
        kept[name] = value
    return kept


def _references(node: Json) -> Iterator[str]:
    if isinstance(node, list):
        for one in node:
            yield from _references(one)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref" and isinstance(value, str):
                yield value.rpartition("/")[2]
            else:
                yield from _references(value)


def _at(node: Object, *path: str) -> Object:
    for name in path:
        node = _object(node[name])
    return node


def _object(node: Json) -> Object:
    assert isinstance(node, dict)
    return node


if __name__ == "__main__":
    contract = stripped(json.loads(Path(sys.argv[1]).read_text()))
    target = Path(__file__).with_name("instantly.json")
    target.write_text(json.dumps(contract, indent=1) + "\n")
