"""Makes `NAME.json` of a vendor's OpenAPI file: only the operations in use, only facts.

    python tests/contracts/strip.py NAME path/to/openapi.yaml [GET:/path POST:/path ...]

Kept are paths, parameters, schemas, status codes and where a key goes; no prose, no examples, no names of people or
hosts. The path of the server's URL becomes part of each path. Without operations, those of the present file are taken.
What else is known of a vendor is in `additions/NAME.yaml`, with its sources, and is merged in first.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import yaml

Json: TypeAlias = "dict[str, Json] | list[Json] | str | float | bool | None"
Object: TypeAlias = dict[str, Json]
Operation: TypeAlias = tuple[str, str]
"""A method in lower case and a path."""

_OF_OPERATION = ("operationId", "parameters", "requestBody", "responses", "security")
_OF_SCHEME = ("type", "in", "name", "scheme")
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


def stripped(vendor: Object, *, name: str, operations: Sequence[Operation]) -> Object:
    """The contract in use, of operations under their whole paths. Raises KeyError for one that the file has not."""
    base = _server_path(vendor)
    paths: Object = {}
    for method, path in operations:
        of_path = _object(paths.setdefault(path, {}))
        of_path[method] = _operation(_at(vendor, "paths", path.removeprefix(base), method))
    schemas: Object = {}
    wanted = list(_references(paths))
    while wanted:
        reference = wanted.pop()
        if reference not in schemas:
            schemas[reference] = _schema(_at(vendor, "components", "schemas", reference))
            wanted += _references(schemas[reference])
    components: Object = {"schemas": dict(sorted(schemas.items()))}
    contract: Object = {
        "openapi": vendor["openapi"],
        "info": {"title": f"{name}: the part in use", "version": "1"},
        "paths": paths,
        "components": components,
    }
    if "security" in vendor:
        contract["security"] = vendor["security"]
        components["securitySchemes"] = {
            one: {key: value for key, value in _object(scheme).items() if key in _OF_SCHEME}
            for one, scheme in _at(vendor, "components", "securitySchemes").items()
        }
    return contract


def merged(vendor: Json, additions: Json) -> Json:
    """The file with the additions, which win where both say something; objects are merged, all else is replaced."""
    if not (isinstance(vendor, dict) and isinstance(additions, dict)):
        return additions
    return vendor | {name: merged(vendor.get(name), value) for name, value in additions.items()}


def operations_of(contract: Object) -> list[Operation]:
    return [(method, path) for path, of_path in _at(contract, "paths").items() for method in _object(of_path)]


def _server_path(vendor: Object) -> str:
    """The path of the first server's URL, without a slash at the end."""
    servers = vendor.get("servers")
    if not isinstance(servers, list) or not servers:
        return ""
    return urlsplit(str(_object(servers[0])["url"])).path.rstrip("/")


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
    return {
        kind: {"schema": _schema(_object(_object(of).get("schema", {})))}
        for kind, of in _object(holder.get("content", {})).items()
    }


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
    name, source, *given = sys.argv[1:]
    target = Path(__file__).with_name(f"{name}.json")
    more = Path(__file__).with_name("additions") / f"{name}.yaml"
    vendor = yaml.safe_load(Path(source).read_text())
    if more.exists():
        vendor = merged(vendor, yaml.safe_load(more.read_text()))
    chosen = [(method.lower(), path) for method, _, path in (one.partition(":") for one in given)]
    contract = stripped(
        vendor,
        name=name,
        operations=chosen or operations_of(json.loads(target.read_text())),
    )
    target.write_text(json.dumps(contract, indent=1) + "\n")
