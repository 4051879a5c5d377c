"""The contract as OpenAPI 3.1, generated from the routes: what Litestar knows plus what each route says of itself."""

from functools import lru_cache
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.utils.predicates import is_class_and_subclass

from litemail.kit.actor import PUBLIC, SIGNED_IN, USER_ONLY
from litemail.kit.wire import RequestModel
from litemail.web import examples, words
from litemail.web.errors import ErrorBody, status_of


class _Contract(OpenAPIRenderPlugin):
    """Litestar insists on a page of its own for the schema: it shows the same document."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        return document(request.app)


CONFIG = OpenAPIConfig(
    title="Litemail API",
    version="1",
    description="Mailbox infrastructure: domains, DNS, mailboxes and their connection to sending platforms.",
    path="/openapi",
    render_plugins=[_Contract(path="/openapi.json", media_type=MediaType.JSON)],
)

_BODY_METHODS = {"post", "put", "patch"}
_FAILED = 400
_ERROR_REF = {"$ref": "#/components/schemas/Error"}
_SECURITY: list[dict[str, list[str]]] = [{"api_key": []}, {"bearer": []}]
_ALWAYS = {
    "400": "The body is not JSON.",
    "401": "No credential, or none that is good.",
    "403": "The credential may not do this.",
    "404": "There is no such thing.",
    "409": "Something stands in the way.",
    "413": "The body is too large.",
    "415": "The body is not application/json.",
    "422": "Fields are missing or wrong; `details` lists all of them.",
    "429": "Too many requests; `retry-after` says when to go on.",
    "500": "A fault of ours; nothing was changed.",
    "503": "A part of the service does not answer; `retry-after` says when to try again.",
}


@lru_cache(maxsize=4)
def document(app: Litestar) -> bytes:
    """The document as JSON, made once for each application."""
    return msgspec.json.encode(build(app))


_WORKSPACE_HEADER = {
    "name": "x-workspace-id",
    "in": "header",
    "required": False,
    "description": "The workspace to act in; the default workspace of the key or user without it.",
    "schema": {"type": "string"},
}
_IDEMPOTENCY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A fresh random value; the same request with the same key is done once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def build(app: Litestar) -> dict[str, Any]:
    tree: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(app.openapi_schema.to_schema()))
    tree["openapi"] = "3.1.0"
    tree["servers"] = [{"url": "/"}]
    components = tree.setdefault("components", {})
    components["securitySchemes"] = {
        "api_key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    }
    components.setdefault("schemas", {}).update(_error_schemas())
    components["examples"] = examples.of_errors()
    groups: dict[str, None] = {}
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if isinstance(handler, HTTPRouteHandler) and handler.resolve_include_in_schema():
                for method in handler.http_methods:
                    operation = tree["paths"].get(route.path_format, {}).get(method.lower())
                    if operation is not None:
                        _complete(operation, handler, method.lower())
                        _describe_body(operation, handler, components["schemas"])
                        groups.update(dict.fromkeys(operation.get("tags", ())))
    tree["tags"] = [{"name": group} for group in groups]
    words.explain(tree)
    return tree


def _complete(operation: dict[str, Any], handler: HTTPRouteHandler, method: str) -> None:
    scopes: tuple[str, ...] = handler.opt.get("scopes", (PUBLIC,))
    public = PUBLIC in scopes
    named = [scope for scope in scopes if scope not in (PUBLIC, SIGNED_IN, USER_ONLY)]
    operation["x-scope"] = " ".join(named) or ("none" if public else "signed-in")
    operation["security"] = [] if public else [{"bearer": []}] if USER_ONLY in scopes else _SECURITY
    operation["operationId"] = handler.handler_name
    # Litestar's failures have another body than ours.
    responses = {status: answer for status, answer in operation["responses"].items() if int(status) < _FAILED}
    operation["responses"] = responses
    responses |= _failures(handler, method, public=public)
    _complete_success(responses[str(handler.status_code)], handler)
    if models := handler.opt.get("request_models"):
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"oneOf": [_schema_of(model) for model in models]}}},
        }
    if (given := operation.get("requestBody")) is not None:
        optional = [_drop_null(content) for content in given["content"].values()]
        given["required"] = not any(optional)
    if takes := handler.opt.get("takes"):
        operation["requestBody"] = {
            "required": True,
            "content": {media_type: {"schema": {"type": "string"}} for media_type in takes},
        }
    if (request := handler.opt.get("request_example")) is not None and "requestBody" in operation:
        next(iter(operation["requestBody"]["content"].values()))["examples"] = {"request": {"value": request}}
    if not public:
        operation.setdefault("parameters", []).append(_WORKSPACE_HEADER)
    if method in {*_BODY_METHODS, "delete"} and not public:
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_HEADER)


def _failures(handler: HTTPRouteHandler, method: str, *, public: bool) -> dict[str, Any]:
    codes: dict[str, list[str]] = {}
    for code in handler.opt.get("errors", ()):
        codes.setdefault(str(status_of(code)), []).append(code)
    failures: dict[str, Any] = {}
    for status in {*_statuses(handler, method, public=public), *codes}:
        content: dict[str, Any] = {"schema": _ERROR_REF}
        if shown := examples.references(status, codes.get(status, ())):
            content["examples"] = shown
        failures[status] = {"description": _ALWAYS.get(status, "Refused."), "content": {"application/json": content}}
        if status in codes:
            failures[status]["x-codes"] = codes[status]
    return failures


def _complete_success(answer: dict[str, Any], handler: HTTPRouteHandler) -> None:
    example = examples.answer_of(handler.handler_name, handler.opt.get("example"))
    if example is not None:
        next(iter(answer["content"].values()))["examples"] = {"success": {"value": example}}
    if also := handler.opt.get("also"):
        answer["content"][also] = {"schema": {"type": "string"}}


def _drop_null(content: dict[str, Any]) -> bool:
    """Whether the body may be left out. Litestar says so by null as an alternative, OpenAPI by `required: false`."""
    schemas = content.get("schema", {}).get("oneOf", ())
    if {"type": "null"} not in schemas:
        return False
    (content["schema"],) = [schema for schema in schemas if schema != {"type": "null"}]
    return True


def _describe_body(operation: dict[str, Any], handler: HTTPRouteHandler, schemas: dict[str, Any]) -> None:
    """Pydantic's own schema of a body says that it refuses unknown fields; Litestar's does not."""
    field = handler.parsed_data_field
    if field is None:
        return
    models = [kind for kind in (field.annotation, *field.args) if is_class_and_subclass(kind, RequestModel)]
    if len(models) != 1:
        return
    for body in operation["requestBody"]["content"].values():
        name = str(body["schema"].get("$ref", "")).rpartition("/")[2]
        if name:
            schemas[name] = _schema_of(models[0])


def _statuses(handler: HTTPRouteHandler, method: str, *, public: bool) -> list[str]:
    """The failures that any call of this kind can have."""
    statuses = ["429", "500", "503"]
    if not public:
        statuses += ["401", "403", "404"]
    if method in _BODY_METHODS or handler.parsed_data_field is not None:
        statuses += ["400", "413", "415", "422"]
    elif handler.opt.get("scopes"):
        statuses.append("422")
    if method != "get" and not public:
        statuses.append("409")
    return statuses


def _schema_of(model: type[RequestModel]) -> dict[str, Any]:
    """A request model as a schema without references, so that it can stand anywhere."""
    schema = model.model_json_schema()
    return dict(_inlined(schema, schema.pop("$defs", {})))


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, dict):
        if "$ref" in node:
            return _inlined(definitions[node["$ref"].rpartition("/")[2]], definitions)
        return {name: _inlined(item, definitions) for name, item in node.items()}
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    return node


def _error_schemas() -> dict[str, Any]:
    (reference,), components = msgspec.json.schema_components([ErrorBody], ref_template="#/components/schemas/{name}")
    body = components.pop(str(reference["$ref"]).rpartition("/")[2])
    return {"Error": body, **components}
