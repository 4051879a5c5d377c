"""The reference for programs: /llms.txt and a Postman collection."""

import msgspec

from litemail.web.reference.contract import Operation
from litemail.web.reference.pages import BASE, GUIDES, Reference, first_sentence, sample_call

_GIVEN_BY_POSTMAN = {"x-api-key", "authorization"}
_POSTMAN = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"


def llms(reference: Reference) -> str:
    """A list of all pages, as https://llmstxt.org describes."""
    lines = [
        "# Litemail API",
        "",
        "> Mailbox infrastructure: domains, DNS, mailboxes, and their connection to sending platforms. One HTTP API,",
        f"> JSON in and out, at {BASE}/v1. Every page below is Markdown; the whole contract is {BASE}/openapi.json.",
        "",
        "## Guides",
        "",
        *(f"- [{title}]({BASE}/docs/{name}.md): {first_sentence(reference.guide(name))}" for name, title in GUIDES),
    ]
    for group in reference.groups:
        lines += ["", f"## {group.name}", ""]
        lines += [
            f"- [{each.method} {each.path}]({BASE}/docs/operations/{each.slug}.md): {each.summary}"
            for each in group.operations
        ]
    return "\n".join(lines) + "\n"


def postman(reference: Reference) -> bytes:
    """A collection of format 2.1 with a folder for each group; `api_key` and `access_token` are to be filled in."""
    return msgspec.json.format(
        msgspec.json.encode(
            {
                "info": {"name": "Litemail API", "schema": _POSTMAN},
                "auth": {
                    "type": "apikey",
                    "apikey": [
                        {"key": "key", "value": "x-api-key", "type": "string"},
                        {"key": "value", "value": "{{api_key}}", "type": "string"},
                        {"key": "in", "value": "header", "type": "string"},
                    ],
                },
                "variable": [
                    {"key": "base", "value": BASE},
                    {"key": "api_key", "value": ""},
                    {"key": "access_token", "value": ""},
                ],
                "item": [
                    {"name": group.name, "item": [_item(operation) for operation in group.operations]}
                    for group in reference.groups
                ],
            }
        ),
        indent=1,
    )


def _item(operation: Operation) -> dict[str, object]:
    call = sample_call(operation)
    path, _, query = call.target.partition("?")
    request: dict[str, object] = {
        "method": call.method,
        "description": operation.description,
        "header": [{"key": name, "value": value} for name, value in call.headers if name not in _GIVEN_BY_POSTMAN],
        "url": {
            "raw": "{{base}}" + call.target,
            "host": ["{{base}}"],
            "path": path.strip("/").split("/"),
            "query": [
                {"key": name, "value": value}
                for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)
            ],
        },
    }
    if operation.credential == "none":
        request["auth"] = {"type": "noauth"}
    elif operation.credential == "token":
        token = {"key": "token", "value": "{{access_token}}", "type": "string"}
        request["auth"] = {"type": "bearer", "bearer": [token]}
    if call.body is not None:
        request["body"] = {
            "mode": "raw",
            "raw": call.body,
            "options": {"raw": {"language": "json" if call.is_json else "text"}},
        }
    return {"name": operation.summary, "request": request}
