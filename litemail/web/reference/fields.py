"""JSON Schema as the rows of a table: each field with its type, limits and meaning in words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

Schema = Mapping[str, Any]

_KINDS = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false", "null": "null"}
_FORMATS = {"date-time": "time, RFC 3339", "date": "date", "email": "e-mail address", "uri": "URL", "binary": "file"}
_DEEPEST = 6


class Field(msgspec.Struct, frozen=True):
    """One field. `path` is as errors name it, `inboxes[].email`; `anchor` is what a link to it ends with."""

    path: str
    anchor: str
    depth: int
    kind: str
    required: bool
    default: str | None
    limits: str
    values: tuple[str, ...]
    description: str
    example: str | None = None


class Definitions:
    """Resolves references into the components of one contract."""

    def __init__(self, components: Mapping[str, Mapping[str, Any]]) -> None:
        self._schemas: Mapping[str, Schema] = components["schemas"]
        self._examples = components.get("examples", {})

    def example(self, content: Mapping[str, Any]) -> object:
        """The first example of a body; None without one."""
        for each in content.get("examples", {}).values():
            if "$ref" in each:
                return self._examples[str(each["$ref"]).rpartition("/")[2]]["value"]
            return each["value"]
        return None

    def resolve(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            rest = {name: value for name, value in schema.items() if name != "$ref"}
            schema = {**self._schemas[str(schema["$ref"]).rpartition("/")[2]], **rest}
        return schema

    def alternatives(self, schema: Schema) -> list[Schema]:
        """The shapes that the schema allows, without null, whole ones first."""
        schema = self.resolve(schema)
        several = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
        if not several:
            kinds = schema.get("type")
            if isinstance(kinds, list):
                return [{**schema, "type": kind} for kind in kinds if kind != "null"]
            return [] if kinds == "null" else [schema]
        return [each for one in several for each in self.alternatives(one)]

    def nullable(self, schema: Schema) -> bool:
        schema = self.resolve(schema)
        kinds = schema.get("type")
        several = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
        return kinds == "null" or (isinstance(kinds, list) and "null" in kinds) or any(map(self.nullable, several))


def fields_of(schema: Schema, definitions: Definitions, *, place: str, example: object = None) -> list[Field]:
    """The fields of an object, those of objects inside of it after each; `place` begins their anchors."""
    return list(_walk(schema, definitions, place=place, path="", depth=0, example=example))


def parameter(about: Mapping[str, Any], definitions: Definitions, *, place: str) -> Field:
    """A parameter of path, query or header."""
    schema = about.get("schema", {})
    return _field(
        str(about["name"]),
        {**schema, "description": about.get("description") or schema.get("description", "")},
        definitions,
        anchor=f"{place}-{_word(str(about['name']))}",
        depth=0,
        required=bool(about.get("required")),
        example=None,
    )


def _walk(
    schema: Schema, definitions: Definitions, *, place: str, path: str, depth: int, example: object
) -> Iterator[Field]:
    if depth > _DEEPEST:
        return
    seen: set[str] = set()
    for shape in definitions.alternatives(schema):
        if shape.get("type") == "array" or "items" in shape:
            first = example[0] if isinstance(example, list) and example else None
            yield from _walk(
                shape.get("items", {}), definitions, place=place, path=f"{path}[]", depth=depth, example=first
            )
        needed = shape.get("required", ())
        for name, inner in shape.get("properties", {}).items():
            if name in seen:
                continue
            seen.add(name)
            inside = f"{path}.{name}".lstrip(".")
            shown = example.get(name) if isinstance(example, Mapping) else None
            yield _field(
                inside,
                inner,
                definitions,
                anchor=f"{place}-{_word(inside)}",
                depth=depth,
                required=name in needed,
                example=shown,
            )
            yield from _walk(inner, definitions, place=place, path=inside, depth=depth + 1, example=shown)


def _field(
    path: str, schema: Schema, definitions: Definitions, *, anchor: str, depth: int, required: bool, example: object
) -> Field:
    whole = definitions.resolve(schema)
    shapes = definitions.alternatives(schema)
    values = tuple(dict.fromkeys(_text(value) for shape in shapes for value in _values(shape, definitions)))
    default = whole.get("default")
    plain = example is not None and not isinstance(example, Mapping | list)
    return Field(
        path=path,
        anchor=anchor,
        depth=depth,
        kind=_kind(schema, definitions),
        required=required,
        default=None if default is None or default == [] else _text(default),
        limits="; ".join(dict.fromkeys(filter(None, (_limits(shape) for shape in shapes)))),
        values=values,
        description=_described(whole, shapes),
        example=_text(example) if plain else None,
    )


def _described(whole: Schema, shapes: Sequence[Schema]) -> str:
    """Only scalars: the description of an object is of the object, and often of its class."""
    if whole.get("description"):
        return str(whole["description"])
    scalars = [shape for shape in shapes if "properties" not in shape]
    return " ".join(dict.fromkeys(str(shape["description"]) for shape in scalars if shape.get("description")))


def _kind(schema: Schema, definitions: Definitions) -> str:
    names = list(dict.fromkeys(_name(shape, definitions) for shape in definitions.alternatives(schema)))
    if definitions.nullable(schema):
        names.append("null")
    return " or ".join(names) or "anything"


def _name(shape: Schema, definitions: Definitions) -> str:
    if shape.get("type") == "array" or "items" in shape:
        inner = _kind(shape.get("items", {}), definitions)
        return f"list of {_PLURALS.get(inner, inner)}"
    if "properties" in shape or shape.get("type") == "object":
        return "object"
    if "format" in shape:
        return _FORMATS.get(str(shape["format"]), str(shape["format"]))
    if "type" not in shape and _values(shape, definitions):
        return "text" if all(isinstance(value, str) for value in _values(shape, definitions)) else "value"
    return _KINDS.get(str(shape.get("type")), "anything")


_PLURALS = {"text": "texts", "object": "objects", "integer": "integers", "number": "numbers", "anything": "anything"}


def _values(shape: Schema, definitions: Definitions) -> list[object]:
    """What a text may be; for a list, what each of its things may be."""
    if "const" in shape:
        return [shape["const"]]
    if "enum" in shape:
        return list(shape["enum"])
    if "items" in shape:
        return [value for inner in definitions.alternatives(shape["items"]) for value in _values(inner, definitions)]
    return []


def _limits(shape: Schema) -> str:
    said = [
        _between(shape, "minimum", "maximum", ""),
        _between(shape, "minLength", "maxLength", " characters"),
        _between(shape, "minItems", "maxItems", " of them"),
    ]
    if "exclusiveMinimum" in shape:
        said.append(f"more than {_number(shape['exclusiveMinimum'])}")
    if shape.get("uniqueItems"):
        said.append("none twice")
    return ", ".join(filter(None, said))


def _between(shape: Schema, least: str, most: str, unit: str) -> str:
    low, high = shape.get(least), shape.get(most)
    if low is not None and high is not None:
        return f"{_number(low)} to {_number(high)}{unit}"
    if high is not None:
        return f"at most {_number(high)}{unit}"
    return f"at least {_number(low)}{unit}" if low is not None else ""


def _number(value: float) -> str:
    return f"{value:,}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _word(path: str) -> str:
    """A path as part of an anchor: `inboxes[].email` is `inboxes-email`."""
    return path.replace("[]", "").replace(".", "-").lower()
