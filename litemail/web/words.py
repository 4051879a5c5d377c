"""Gives fields and parameters of the contract their meaning where the code that has them says none."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any


def explain(tree: dict[str, Any]) -> None:
    """Adds a description to every property and parameter of an OpenAPI document that has none and is known."""
    for schema in tree["components"]["schemas"].values():
        _explain_inside(schema)
    for item in tree["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                if not parameter.get("description") and (meaning := _meanings().get(parameter["name"])):
                    parameter["description"] = meaning
            for content in operation.get("requestBody", {}).get("content", {}).values():
                _explain_inside(content.get("schema", {}))
            for answer in operation["responses"].values():
                for content in answer.get("content", {}).values():
                    _explain_inside(content.get("schema", {}))


def _explain_inside(node: Any) -> None:
    if isinstance(node, list):
        for each in node:
            _explain_inside(each)
    elif isinstance(node, dict):
        for name, schema in node.get("properties", {}).items():
            if isinstance(schema, dict) and not schema.get("description") and (meaning := _meanings().get(name)):
                schema["description"] = meaning
        for inner in node.values():
            _explain_inside(inner)


@cache
def _meanings() -> Mapping[str, str]:
    words: Mapping[str, str] = tomllib.loads((Path(__file__).parent / "words.toml").read_text())["fields"]
    return words
