"""Gives fields and parameters of the contract their meaning where the code that has them says none."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec


class Words(msgspec.Struct, frozen=True):
    """`fields` by name; `schemas` for names that mean something else in one schema."""

    fields: dict[str, str]
    schemas: dict[str, dict[str, str]]


def explain(tree: dict[str, Any]) -> None:
    """Adds a description to every property and parameter of an OpenAPI document that has none and is known."""
    words = known()
    for name, schema in tree["components"]["schemas"].items():
        _explain_inside(schema, {**words.fields, **words.schemas.get(name, {})})
    for item in tree["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                _describe(parameter, words.fields.get(parameter["name"]))
            for body in (operation.get("requestBody", {}), *operation["responses"].values()):
                for content in body.get("content", {}).values():
                    _explain_inside(content.get("schema", {}), words.fields)


def _explain_inside(node: Any, meanings: Mapping[str, str]) -> None:
    if isinstance(node, list):
        for each in node:
            _explain_inside(each, meanings)
    elif isinstance(node, dict):
        for name, schema in node.get("properties", {}).items():
            if isinstance(schema, dict):
                _describe(schema, meanings.get(name))
        for inner in node.values():
            _explain_inside(inner, meanings)


def _describe(node: dict[str, Any], meaning: str | None) -> None:
    if meaning is not None and not node.get("description"):
        node["description"] = meaning


@cache
def known() -> Words:
    return msgspec.convert(tomllib.loads((Path(__file__).parent / "words.toml").read_text()), Words)
