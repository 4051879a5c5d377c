"""Writes those pages of docs/ that the program itself knows best; `--check` only says which are stale."""

import argparse
import ast
import dataclasses
import importlib
import inspect
import math
import pkgutil
import re
import sys
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # this checkout's program, whichever one is installed

from cyclopts import App  # noqa: E402 - after the path
from litestar.handlers import HTTPRouteHandler  # noqa: E402
from litestar.params import QueryParameter  # noqa: E402
from pydantic.fields import FieldInfo  # noqa: E402

import litemail  # noqa: E402
from litemail.app import vendors  # noqa: E402
from litemail.cli import app as command_line  # noqa: E402
from litemail.cli.options import Options  # noqa: E402
from litemail.config import DEFAULT_DATA_DIR, Settings  # noqa: E402
from litemail.events import TYPES  # noqa: E402
from litemail.kit.actor import PUBLIC, SIGNED_IN, USER_ONLY  # noqa: E402
from litemail.kit.errors import Error  # noqa: E402
from litemail.providers.payments.base import DECLINES  # noqa: E402
from litemail.providers.platform import PLATFORMS, Declaration, registry  # noqa: E402
from litemail.web import system  # noqa: E402
from litemail.web.errors import STATUS  # noqa: E402
from litemail.web.reference.codes import raised  # noqa: E402

FOLDER = ROOT / "docs"
NOTE = "<!-- Written by `make docs`; changes here are lost. -->"
EVENT_TYPE = re.compile(r"[a-z_]+\.[a-z_]+")
EMITTERS = {"emit", "emit_many", "tell", "_tell", "_audit"}
SHARED_OPTIONS = {f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(Options)}


def pages() -> Mapping[str, str]:
    """The text of each page by its path from docs/. The changelog goes into the package, whose server shows it."""
    modules = list(_modules())
    made = {
        "reference/settings.md": settings_page(),
        "reference/commands.md": commands_page(),
        "reference/endpoints.md": endpoints_page(modules),
        "reference/errors.md": errors_page(),
        "reference/events.md": events_page(),
        "platforms/README.md": platforms_page(),
        "../litemail/web/reference/prose/changelog.md": _read(ROOT / "CHANGELOG.md"),
    }
    return {name: text.replace("{NOTE}", NOTE).rstrip("\n") + "\n" for name, text in made.items()}


def _modules() -> Iterator[types.ModuleType]:
    """Every module of the program: errors and routes are found where they are defined."""
    for found in pkgutil.walk_packages(litemail.__path__, "litemail."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(map(_cell, row)) + " |\n" for row in lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def settings_page() -> str:
    rows = []
    for name, field in Settings.model_fields.items():
        option = f"`--{name.replace('_', '-')}`"
        rows.append(
            (
                f"`LITEMAIL_{name.upper()}`",
                option if option.strip("`") in SHARED_OPTIONS else "",
                _values(field),
                _default(field),
                field.description or "",
            )
        )
    return _SETTINGS + table(("variable", "option", "values", "default", "meaning"), rows)


def _values(field: FieldInfo) -> str:
    """What the setting takes, in words."""
    kinds = [kind for kind in _parts(field.annotation) if kind is not type(None)]
    literals = [f"`{value}`" for kind in kinds for value in typing.get_args(kind) if isinstance(value, str)]
    if literals:
        return ", ".join(literals)
    bounds = {
        side: value
        for each in field.metadata
        for side in ("ge", "le")
        if (value := getattr(each, side, None)) is not None
    }
    if bounds:
        return f"{bounds['ge']} to {bounds['le']}"
    return "`true`, `false`" if bool in kinds else "path" if Path in kinds else "text"


def _parts(annotation: object) -> Sequence[object]:
    is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if is_union else [annotation]


def _default(field: FieldInfo) -> str:
    if field.default == DEFAULT_DATA_DIR:
        return "the user's data folder; on Linux `~/.local/share/litemail`"
    if field.default is None:
        return "unset"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def commands_page() -> str:
    shared = [
        (
            f"`--{field.name.replace('_', '-')}`",
            f"`LITEMAIL_{field.name.upper()}`",
            Settings.model_fields[field.name].description or "",
        )
        for field in dataclasses.fields(Options)
    ]
    commands = "".join(_commands(command_line, ("litemail",)))
    return _COMMANDS + commands + _SHARED + table(("option", "variable", "meaning"), shared)


def _commands(app: App, path: tuple[str, ...]) -> Iterator[str]:
    for name in app:
        if name.startswith("-"):
            continue
        command, here = app[name], (*path, name)
        if command.default_command is not None:
            yield _command(command, here)
        yield from _commands(command, here)


def _command(command: App, path: tuple[str, ...]) -> str:
    own = [
        argument
        for argument in command.assemble_argument_collection()
        if argument.show and not SHARED_OPTIONS & set(argument.names)
    ]
    words, rows = [], []
    for argument in own:
        name, meaning = argument.names[0], str(argument.parameter.help)
        if argument.field_info.required:
            name = name.strip("-").upper()
            words.append(name)
        else:
            meaning += f" Default: `{str(argument.field_info.default).lower()}`."
        rows.append((f"`{name}`", meaning))
    text = f"## `{' '.join([*path, *words])}`\n\n{command.help}\n\n"
    return text + (table(("argument", "meaning"), rows) + "\n" if rows else "")


def endpoints_page(modules: Sequence[types.ModuleType]) -> str:
    handlers = {id(handler): handler for module in modules for handler in getattr(module, "ROUTES", ())}
    groups: dict[str, list[tuple[str, str, HTTPRouteHandler]]] = {}
    for handler in handlers.values():
        for method, path in _calls(handler):
            groups.setdefault((handler.tags or ["Other"])[0], []).append((method, f"/v1{path}", handler))
    machines = [(method, path, handler) for handler in _machines() for method, path in _calls(handler)]
    sections = [_group(group, groups[group]) for group in sorted(groups)]
    return _ENDPOINTS + "".join(sections) + _group("For machines", machines)


def _machines() -> list[HTTPRouteHandler]:
    async def ready() -> Mapping[str, str]:
        return {}

    return [*system.probes(ready), system.contract]


def _calls(handler: HTTPRouteHandler) -> Iterator[tuple[str, str]]:
    for path in sorted(handler.paths):
        for method in sorted(handler.http_methods):
            yield method, re.sub(r"\{(\w+):\w+\}", r"{\1}", path)


def _group(name: str, calls: Sequence[tuple[str, str, HTTPRouteHandler]]) -> str:
    by_path = sorted(calls, key=lambda call: (call[1], call[0]))
    return f"## {name}\n\n" + "".join(_endpoint(*call) for call in by_path)


def _endpoint(method: str, path: str, handler: HTTPRouteHandler) -> str:
    scopes: tuple[str, ...] = handler.opt.get("scopes", (PUBLIC,))
    facts = [f"answers {handler.status_code}", f"needs {_needs(scopes)}"]
    if queries := _query_parameters(handler):
        facts.append("query: " + ", ".join(f"`{name}`" for name in queries))
    if codes := handler.opt.get("errors", ()):
        facts.append("errors: " + ", ".join(f"`{code}`" for code in codes))
    said = (f"{handler.summary}." if handler.summary else "", handler.description or "")
    parts = (f"### `{method} {path}`", " ".join(filter(None, said)), "\n".join(f"- {fact}" for fact in facts))
    return "".join(f"{part}\n\n" for part in parts if part)


def _needs(scopes: Sequence[str]) -> str:
    words = {PUBLIC: "nothing", SIGNED_IN: "a key or an access token", USER_ONLY: "an access token (no key)"}
    return ", ".join(words.get(scope, f"`{scope}`") for scope in scopes)


def _query_parameters(handler: HTTPRouteHandler) -> list[str]:
    found = []
    for name, parameter in inspect.signature(handler.fn).parameters.items():
        if any(isinstance(each, QueryParameter) for each in getattr(parameter.annotation, "__metadata__", ())):
            found.append(name)
        elif name == "page_request":
            found += ["limit", "cursor", "count"]
    return found


def errors_page() -> str:
    by_family: dict[str, list[type[Error]]] = {}
    for each in sorted(raised(), key=lambda error: (error.code, error.__module__, error.__name__)):
        by_family.setdefault(each.code.partition(".")[0], []).append(each)
    parts = [_ERRORS]
    for family, errors in by_family.items():
        parts.append(f"## {family}\n\n")
        parts.append(
            table(("code", "kind", "message", "action", "again"), [_error_row(each) for each in errors]) + "\n"
        )
    declines = [(f"`payment.{reason}`", *words) for reason, words in DECLINES.items()]
    parts.append("## Declined cards\n\n" + table(("code", "message", "action"), declines))
    return "".join(parts)


def _error_row(each: type[Error]) -> Sequence[str]:
    status = STATUS[each.kind]
    message = each.message
    if each.__subclasses__() and each is not Error and "message" not in vars(each):
        message = f"Stands for {len(each.__subclasses__())} kinds of error, each with its own words."
    return (
        f"`{each.code}`",
        f"{each.kind} ({status} {HTTPStatus(status).phrase})",
        message,
        each.action or "",
        "yes" if each.retryable else "",
    )


def events_page() -> str:
    audiences = emitted()
    rows = [(f"`{event}`", "audit" if audiences[event] == "audit" else "", meaning) for event, meaning in TYPES.items()]
    return _EVENTS + table(("type", "audience", "meaning"), rows)


def platforms_page() -> str:
    adapters = registry(vendors.adapters()).adapters
    by_api = [
        _platform_row(adapters[known.platform_type].declaration) for known in PLATFORMS if known.connects == "api"
    ]
    by_file = [(known.name, f"`{known.platform_type}`") for known in PLATFORMS if known.connects == "file"]
    head = ("platform", "credentials, and where to find them", "Litemail allows itself", "sandbox twin", "tried live")
    return _PLATFORMS + table(head, by_api) + _PLATFORMS_BY_FILE + table(("platform", "`platform_type`"), by_file)


def _platform_row(declaration: Declaration) -> Sequence[str]:
    limits = declaration.limits
    rates = [
        f"{limits.per_second:g} a second",
        f"{limits.per_minute:,g} a minute",
        *([f"{limits.per_hour:,g} an hour"] if limits.per_hour < math.inf else []),
        f"{limits.concurrency} at once",
        *([f"{limits.batch} inboxes a call"] if limits.batch > 1 else []),
    ]
    return (
        f"[{declaration.name}]({declaration.platform_type}.md)<br>`{declaration.platform_type}`",
        "<br>".join(f"`{each.field}` {each.label}: {each.where}" for each in declaration.credentials),
        ", ".join(rates),
        "yes" if declaration.sandbox_twin else "no",
        "yes" if declaration.verified_live else "no",
    )


def emitted() -> Mapping[str, str]:
    """The event types in the source, each with its audience. Raises ValueError where `litemail/events.py` differs."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / "litemail").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and _name_of(node.func) in EMITTERS:
                for argument in node.args:
                    for event in _event_types(argument):
                        found[event] = _audience(node)
    for stem in [event for event in found if event.endswith(".")]:
        audience = found.pop(stem)
        found |= {event: audience for event in TYPES if event.startswith(stem) and event not in found}
    if found.keys() != TYPES.keys():
        raise ValueError(f"litemail/events.py and the source differ in {sorted(found.keys() ^ TYPES.keys())}")
    return found


def _name_of(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _event_types(argument: ast.expr) -> Iterator[str]:
    """A literal type; of one that is put together only its beginning, `platform_account.`"""
    if isinstance(argument, ast.IfExp):
        yield from _event_types(argument.body)
        yield from _event_types(argument.orelse)
    elif isinstance(argument, ast.JoinedStr) and isinstance(argument.values[0], ast.Constant):
        yield str(argument.values[0].value)
    elif isinstance(argument, ast.Constant) and EVENT_TYPE.fullmatch(str(argument.value)):
        yield str(argument.value)


def _audience(call: ast.Call) -> str:
    for word in call.keywords:
        if word.arg == "audience" and isinstance(word.value, ast.Constant):
            return str(word.value.value)
    return "audit" if _name_of(call.func) == "_audit" else "public"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; name stale pages and fail")
    check = parser.parse_args().check
    stale = [name for name, text in pages().items() if _read(FOLDER / name) != text]
    if not check:
        for name, text in pages().items():
            (FOLDER / name).write_text(text)
    for name in stale:
        print(f"docs/{name} {'is stale: run make docs' if check else 'written'}")
    sys.exit(bool(stale) and check)


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


# What stands above each table.

_SETTINGS = """\
# Settings

{NOTE}

Each setting is a variable, and a key of `litemail.toml` in the data folder: its name in lower case, without
`LITEMAIL_`. Some are options of the commands too. The first source that has it wins: option, variable, file, default.
The data folder itself can be named by `--data-dir` and `LITEMAIL_DATA_DIR` only. An unknown key in the file is refused;
an unknown variable is not seen.

"""

_COMMANDS = """\
# Commands

{NOTE}

`litemail COMMAND --help` says the same on the terminal, `litemail --version` the version. A command that succeeded ends
with status 0; one that could not do its work says why in a line or two and ends with 1.

"""

_SHARED = """\
## Options of every command

Each stands for a [setting](settings.md); left out, the variable counts, then the file, then the default.

"""

_ENDPOINTS = """\
# Endpoints

{NOTE}

Shapes of requests and answers, with examples, are in `/openapi.json` of a running server. Here is what there is, which
[scope](limits.md#scopes-and-roles) a call needs, and which errors it has beyond those of every call: `auth.required`,
`auth.scope_missing`, `workspace.not_found`, `request.invalid`, `request.malformed_json`, `request.too_large`,
`request.unsupported_media_type`, `request.rate_limited`, `internal`, `database.unavailable`. Every code is explained in
[errors](errors.md).

Lists take `limit` (1 to 200, 50 unless given), `cursor` (the `next_cursor` of the page before) and `count=true` (adds
`total`). Every POST, PUT, PATCH and DELETE outside of `/v1/auth` takes an `Idempotency-Key`; setting a twin keeps no
answer, since repeating that does no harm.

"""

_ERRORS = """\
# Errors

{NOTE}

Every problem has a code that does not change, a message that says what is wrong, and mostly an action that says what to
do. `{...}` stands for what the case at hand fills in. *Kind* decides the HTTP status where the problem is the answer to
a request; inside a bulk result, an inbox or a domain it stands without a status. *Again*: whether the same can succeed
later without a change on your side (`retryable`). Some codes are met at the start of a process, by mail programs or in
logs only.

"""

_EVENTS = """\
# Events

{NOTE}

Every change writes an event in its transaction: who did it (user, key, address, request id), the id of the thing as
`subject`, and what it is now as `data`. No event holds a secret. Events marked *audit* are for the audit log alone, all
others for customers too. There is no endpoint yet that shows events: they are in the table `events`, and the worker
starts jobs from them.

"""

_PLATFORMS = """\
# Sending platforms

{NOTE}

What Litemail can hand inboxes to: `GET /v1/platforms` says the same as this page. Where the last column says no, **the
adapter was never tried against the platform itself**: it follows what the vendor documents, and its page says on what
it rests. A sandbox workspace connects to the platforms that have a twin; the others answer `sandbox.no_twin` there.

## By API

`POST /v1/connect-inbox` adds inboxes, `POST /v1/exports` mailboxes of yours. In `connect-inbox` the fields are called
`platform_api_key`, `platform_url`, `platform_workspace`.

Where there is an e-mail and a password, they can stand in for the API key. At Instantly and Smartlead they are
exchanged for one by **calls that the vendors do not document**: they may change any day and may be against their terms.
`LITEMAIL_PLATFORM_PASSWORD_EXCHANGE=false` switches them off; an API key is the better way. PlusVibe documents its own
calls with e-mail and password. Everywhere else a password is refused (`platform.login_not_offered`), which says where
the key is found.

"""

_PLATFORMS_BY_FILE = """
## By file

These have no way to add inboxes by API, or none that is documented well enough. `POST /v1/exports` makes a file to
upload there; connecting answers `platform.file_only`.

"""


if __name__ == "__main__":
    main()
