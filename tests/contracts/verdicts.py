"""Compares what a twin's model takes with what its vendor's schema takes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from hypothesis import strategies as st

from litemail.servers.sandbox.behaviour import Refusal
from tests.contracts.contract import Contract

ANY_VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2000),
    st.integers(65530, 65540),
    st.sampled_from(["", " ", "1", "993", "a@b.test", "a@b", "TLS", "SMTP", "#4CAF50", "imap.b.test", "-", "a b"]),
    st.lists(st.sampled_from(["a@b.test", 1, 2]), max_size=30),
    st.dictionaries(st.sampled_from(["limit", "other"]), st.sampled_from([1, "0", True])),
)


@dataclass(frozen=True)
class Verdict:
    """A body that an operation takes, and the model that reads it."""

    method: str
    path: str
    model: type[msgspec.Struct]
    good: Mapping[str, Any]


def compare(contract: Contract, parse: Callable[[bytes, Any], object], one: Verdict, data: st.DataObject) -> None:
    """Draws changes to the good body, and asserts that schema and model agree."""
    operation = contract.operation(one.method, one.path)
    assert operation
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    if reference := schema.get("$ref"):
        schema = contract.document["components"]["schemas"][reference.rpartition("/")[2]]
    body = dict(one.good)
    for name in data.draw(st.lists(st.sampled_from([*schema["properties"], "unknown"]), max_size=2, unique=True)):
        if data.draw(st.booleans()):
            body.pop(name, None)
        else:
            body[name] = data.draw(ANY_VALUE)
    assert _takes(parse, one.model, body) == (not contract.faults(schema, body)), body


def needs(contract: Contract, shape: type[msgspec.Struct], name: str) -> set[str]:
    """What an adapter must find in answers of that name, and the vendor need not send."""
    found = {field.encode_name for field in msgspec.structs.fields(shape) if field.required}
    return found - set(contract.document["components"]["schemas"][name]["required"])


def _takes(parse: Callable[[bytes, Any], object], model: type[msgspec.Struct], body: Mapping[str, Any]) -> bool:
    try:
        parse(json.dumps(body).encode(), model)
    except Refusal:
        return False
    return True
