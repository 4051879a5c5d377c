"""/openapi.json says what the API does: valid, complete, with examples that are true to their schemas."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import jsonschema
import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from litemail.web.errors import _kinds
from litemail.workspaces import SCOPES
from tests.conftest import Person

Tree = dict[str, Any]
METHODS = {"get", "post", "put", "patch", "delete"}


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    about: Tree

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


@pytest.fixture(scope="module")
async def document(client: httpx.AsyncClient) -> Tree:
    answer = await client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    tree: Tree = msgspec.json.decode(answer.content)
    return tree


@pytest.fixture(scope="module")
def operations(document: Tree) -> list[Operation]:
    found = [
        Operation(method, path, about)
        for path, item in document["paths"].items()
        for method, about in item.items()
        if method in METHODS
    ]
    assert len(found) > 30
    return found


@pytest.fixture(scope="module")
def v1(operations: list[Operation]) -> list[Operation]:
    return [operation for operation in operations if operation.path.startswith("/v1/")]


def test_it_is_valid_openapi_3_1(document: Tree):
    assert document["openapi"].startswith("3.1.")
    faults = [
        f"{'/'.join(map(str, fault.path))}: {fault.message}"
        for fault in OpenAPIV31SpecValidator(document).iter_errors()
    ]
    assert faults == []


def test_every_operation_says_what_it_is(v1: list[Operation]):
    for operation in v1:
        assert operation.about["summary"], operation
        assert len(operation.about["tags"]) == 1, operation
        assert operation.about["operationId"], operation
        allowed = {*SCOPES, "none", "signed-in"}
        assert set(operation.about["x-scope"].split()) <= allowed, operation
    ids = [operation.about["operationId"] for operation in v1]
    assert len(ids) == len(set(ids))


def test_groups_are_listed_and_security_follows_the_scope(document: Tree, v1: list[Operation]):
    groups = {tag["name"] for tag in document["tags"]}
    for operation in v1:
        assert set(operation.about["tags"]) <= groups
        assert (operation.about["x-scope"] == "none") == (operation.about["security"] == []), operation


def test_every_operation_lists_its_errors(v1: list[Operation]):
    for operation in v1:
        responses = set(operation.about["responses"])
        wanted = {"429", "500", "503"}
        if operation.about["x-scope"] != "none":
            wanted |= {"401", "403", "404"}
        if "requestBody" in operation.about:
            wanted |= {"400", "413", "415", "422"}
        assert wanted <= responses, operation
        for status, response in operation.about["responses"].items():
            assert response["description"], operation
            if int(status) >= 400:
                reference = response["content"]["application/json"]["schema"]
                assert reference == {"$ref": "#/components/schemas/Error"}, operation


def test_every_error_code_that_is_named_exists(v1: list[Operation]):
    named = {
        code
        for operation in v1
        for response in operation.about["responses"].values()
        for code in response.get("x-codes", ())
    }
    assert len(named) > 10
    assert named <= set(_kinds())


def schemas_and_examples(operation: Operation) -> Iterator[tuple[str, Tree, Any]]:
    bodies = [("request", operation.about.get("requestBody", {}).get("content", {}))]
    bodies += [(status, response.get("content", {})) for status, response in operation.about["responses"].items()]
    for where, content in bodies:
        for body in content.values():
            for example in body.get("examples", {}).values():
                if "value" in example:  # the others are references to the bodies of errors
                    yield where, body["schema"], example["value"]


def test_every_example_is_what_its_schema_says(document: Tree, v1: list[Operation]):
    checked = 0
    faults = []
    for operation in v1:
        for where, schema, example in schemas_and_examples(operation):
            whole = {**schema, "components": document["components"]}
            validator = jsonschema.Draft202012Validator(
                whole, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
            )
            faults += [
                f"{operation} {where} {fault.json_path}: {fault.message}" for fault in validator.iter_errors(example)
            ]
            checked += 1
    assert faults == []
    assert checked > 30


def test_every_body_and_every_answer_with_content_has_an_example(v1: list[Operation]):
    without = []
    for operation in v1:
        shown = {where for where, _, _ in schemas_and_examples(operation)}
        if "requestBody" in operation.about and "request" not in shown:
            without.append(f"{operation} request")
        for status, response in operation.about["responses"].items():
            if int(status) < 300 and "application/json" in response.get("content", {}) and status not in shown:
                without.append(f"{operation} {status}")
    assert without == []


def test_request_bodies_refuse_what_they_do_not_know(document: Tree, v1: list[Operation]):
    loose = []
    for operation in v1:
        for media_type, body in operation.about.get("requestBody", {}).get("content", {}).items():
            schemas = body["schema"].get("oneOf", [body["schema"]]) if media_type == "application/json" else []
            for schema in schemas:
                name = schema.get("$ref", "").rpartition("/")[2]
                whole = document["components"]["schemas"].get(name, schema)
                if whole.get("additionalProperties") is not False:
                    loose.append(str(operation))
    assert loose == []


def test_parameters_are_described_by_type(operations: list[Operation]):
    for operation in operations:
        in_path = {part[1:-1] for part in operation.path.split("/") if part.startswith("{")}
        parameters = operation.about.get("parameters", [])
        assert {each["name"] for each in parameters if each["in"] == "path"} == in_path, operation
        assert all(each["schema"] for each in parameters)


def test_writes_take_an_idempotency_key_and_sign_in_does_not(v1: list[Operation]):
    for operation in v1:
        names = {each["name"] for each in operation.about.get("parameters", [])}
        takes = operation.method != "get" and operation.about["x-scope"] != "none"
        assert ("Idempotency-Key" in names) == takes, operation


async def test_real_answers_are_what_the_schemas_say(client: httpx.AsyncClient, person: Person, document: Tree):
    for path in ("/v1/users", "/v1/workspaces", "/v1/api-keys", "/v1/domains", "/v1/mailboxes", "/v1/connect-inbox"):
        answer = await client.get(path, headers=person.headers)
        assert answer.status_code == 200, path
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(answer.json(), {**schema, "components": document["components"]})
    error = await client.get("/v1/users")
    schema = document["components"]["schemas"]["Error"]
    jsonschema.validate(error.json(), {**schema, "components": document["components"]})
