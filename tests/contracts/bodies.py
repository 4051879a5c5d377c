"""For holding twins and adapters against schemas: bodies that are good or nearly so, and what answers promise."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from hypothesis import strategies as st

from litemail.servers.sandbox.behaviour import Refusal
from tests.contracts.contract import Contract

_ANY_VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2000),
    st.integers(65_530, 65_540),
    st.floats(-5, 2000).filter(lambda number: not number.is_integer()),  # 1.0 is an integer to a schema
    st.sampled_from(["", " ", "1", "993", "a@b.test", "a@b", "disabled", "no-tag", "TLS", "#4CAF50", "b.test", "-"]),
    st.lists(st.sampled_from(["a@b.test", 1, 2]), max_size=30),
    st.dictionaries(st.sampled_from(["limit", "increment", "reply_rate", "other"]), st.sampled_from([1, "0", True])),
)


def schema_of(contract: Contract, method: str, path: str) -> Mapping[str, Any]:
    operation = contract.operation(method, path)
    assert operation
    schema: Mapping[str, Any] = operation["requestBody"]["content"]["application/json"]["schema"]
    if reference := schema.get("$ref"):
        schema = contract.document["components"]["schemas"][reference.rpartition("/")[2]]
    return schema


def near(data: st.DataObject, schema: Mapping[str, Any], good: Mapping[str, Any]) -> dict[str, Any]:
    """The good body with up to two fields taken out, added, or given another value."""
    body = dict(good)
    for name in data.draw(st.lists(st.sampled_from([*schema["properties"], "unknown"]), max_size=2, unique=True)):
        if data.draw(st.booleans()):
            body.pop(name, None)
        else:
            body[name] = data.draw(_ANY_VALUE)
    return body


def is_taken(parse: Callable[[bytes], object], body: Mapping[str, Any]) -> bool:
    try:
        parse(json.dumps(body).encode())
    except Refusal:
        return False
    return True


def unpromised(contract: Contract, shape: type[msgspec.Struct], name: str) -> set[str]:
    """What an adapter must find in answers of that name, and the vendor need not send."""
    needed = {field.encode_name for field in msgspec.structs.fields(shape) if field.required}
    return needed - set(contract.document["components"]["schemas"][name]["required"])
