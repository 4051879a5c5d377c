"""Rules of the house that no linter knows. Which package may import which stands in pyproject.toml (import-linter)."""

import ast
import inspect
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.response import ServerSentEvent

import litemail
from litemail import events, worker
from litemail.app import parts
from litemail.kit.actor import PUBLIC, SIGNED_IN, USER_ONLY
from litemail.servers.sandbox import api as sandbox_api
from litemail.servers.sandbox import clock_api as sandbox_clock_api
from litemail.servers.sandbox import gateway_jobs
from litemail.servers.sandbox import platforms_api as sandbox_platforms_api
from litemail.servers.sandbox import wallet_api as sandbox_wallet_api
from litemail.web import api as web_api
from litemail.workspaces import SCOPES

ROOT = Path(litemail.__file__).parent
LONGEST = 400

ROUTES: list[HTTPRouteHandler] = [
    *web_api.ROUTES,
    *sandbox_api.ROUTES,
    *sandbox_platforms_api.ROUTES,
    *sandbox_clock_api.ROUTES,
    *sandbox_wallet_api.ROUTES,
]
SLICES = (
    "users",
    "workspaces",
    "billing",
    "wallet",
    "orders",
    "subscriptions",
    "zones",
    "domains",
    "mailboxes",
    "platforms",
    "exports",
    "connections",
)


@dataclass(frozen=True)
class Module:
    name: str
    tree: ast.Module
    lines: int

    def __str__(self) -> str:
        return self.name

    def is_in(self, *packages: str) -> bool:
        return any(self.name == package or self.name.startswith(f"{package}.") for package in packages)

    def calls(self, name: str) -> Iterator[ast.Call]:
        """Calls of a function or method of this name."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                called = node.func
                if (isinstance(called, ast.Attribute) and called.attr == name) or (
                    isinstance(called, ast.Name) and called.id == name
                ):
                    yield node


def read(path: Path) -> Module:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    text = path.read_text()
    return Module(name, ast.parse(text), text.count("\n"))


JOBS = {**worker.JOBS, **gateway_jobs.JOBS}
MODULES = [read(path) for path in sorted(ROOT.rglob("*.py"))]


def name_of(handler: HTTPRouteHandler) -> str:
    return f"{'/'.join(sorted(handler.http_methods))} {min(handler.paths)}"


def parameters_of(handler: HTTPRouteHandler) -> set[str]:
    return set(inspect.signature(handler.fn).parameters)


@pytest.mark.parametrize("handler", ROUTES, ids=name_of)
def test_every_route_says_who_may_call_it_and_what_it_does(handler: HTTPRouteHandler):
    scopes = handler.opt["scopes"]
    assert scopes
    assert set(scopes) <= {*SCOPES, PUBLIC, SIGNED_IN, USER_ONLY}
    assert PUBLIC not in scopes or len(scopes) == 1
    assert handler.summary
    assert len(list(handler.tags or ())) == 1
    assert not min(handler.paths).startswith("/v1")
    assert (handler.opt["example"] is not None) or handler.status_code == 204
    if "data" in parameters_of(handler):
        assert handler.opt["request_example"] is not None


def test_scopes_fit_methods():
    """What only reads needs no right to write."""
    for handler in ROUTES:
        writing = [scope for scope in handler.opt["scopes"] if scope.endswith(":write")]
        assert not (handler.http_methods == {"GET"} and writing), name_of(handler)


def test_every_write_can_be_repeated_under_a_key():
    """The transaction of the request keeps the answer, or the last of two steps does; signing in has none."""
    without = {
        name_of(handler)
        for handler in ROUTES
        if handler.http_methods & {"POST", "PUT", "DELETE"}
        and not parameters_of(handler) & {"tx", "call"}
        and PUBLIC not in handler.opt["scopes"]
    }
    assert not without


def test_no_stream_holds_the_transaction_of_its_request():
    for handler in ROUTES:
        if "event-stream" in str(handler.media_type) or handler.fn.__annotations__["return"] is ServerSentEvent:
            assert "tx" not in parameters_of(handler), name_of(handler)


def resources() -> set[str]:
    """The names of what the program hands to routes and jobs."""
    tree = ast.parse(inspect.getsource(parts._resources))
    (given,) = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return)]
    assert isinstance(given, ast.Dict)
    return {str(key.value) for key in given.keys if isinstance(key, ast.Constant)} | {"database"}


def test_routes_ask_for_what_the_program_provides():
    provided = resources() | {"actor", "tx", "call", "page_request", "closing"}
    for handler in ROUTES:
        for name, parameter in inspect.signature(handler.fn).parameters.items():
            if "NamedDependency" in repr(parameter.annotation):
                assert name in provided, f"{name_of(handler)} asks for {name}"


def test_jobs_ask_for_what_the_program_provides_or_what_can_be_stored():
    provided = resources()
    for name, job in JOBS.items():
        for parameter in inspect.signature(job).parameters.values():
            if parameter.name not in provided and parameter.default is parameter.empty:
                kinds = {parameter.annotation, *get_args(parameter.annotation)}
                assert kinds & {str, int, bool}, f"{name} asks for {parameter.name}"


def texts_given_to(function: str) -> tuple[dict[str, str], set[str]]:
    """What is written out as first argument, with where; and the modules that give it something else."""
    written: dict[str, str] = {}
    computed: set[str] = set()
    for module in MODULES:
        for call in module.calls(function):
            first = call.args[0] if call.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                written[first.value] = module.name
            elif isinstance(call.func, ast.Attribute) and not module.is_in("kit"):
                computed.add(module.name)
    return written, computed


def test_every_job_that_is_enqueued_exists():
    enqueued, computed = texts_given_to("enqueue")
    assert len(enqueued) > 2
    assert {name: where for name, where in enqueued.items() if name not in JOBS} == {}
    assert computed <= {"worker"}  # those of HANDLERS


def test_schedules_and_handlers_name_jobs_and_events_that_exist():
    assert set(worker.SCHEDULES) <= set(worker.JOBS)
    assert {job for jobs in worker.HANDLERS.values() for job in jobs} <= set(worker.JOBS)
    assert set(worker.HANDLERS) <= set(events.TYPES)


def test_every_event_that_is_emitted_is_listed_and_the_other_way_round():
    emitted = {*texts_given_to("emit")[0], *texts_given_to("emit_many")[0]}
    assert sorted(emitted - set(events.TYPES)) == []
    written = {text for module in MODULES if not module.is_in("events") for text in event_types_in(module)}
    assert [name for name in events.TYPES if not written & {name, f"{name.partition('.')[0]}."}] == []
    assert all(re.fullmatch(r"[a-z_]+\.[a-z_]+", name) for name in events.TYPES)


def event_types_in(module: Module) -> Iterator[str]:
    """Texts that could be event types: `a.b`, and the `a.` of an f-string."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def imports_of(module: Module) -> Iterator[tuple[str, int]]:
    """Modules of ours that a module imports, as far as the import tells."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                is_module = (ROOT.parent / Path(*full.split("."))).with_suffix(".py").exists()
                yield (full if is_module else node.module), node.lineno


MAY_LOOK_INSIDE: dict[str, set[str]] = {
    "web.api": {"api"},
    "worker": {"jobs"},
    "workflows": {"api", "schemas"},
    "overview": {"api", "schemas"},
}
"""Who imports more of a slice than its face: the two that register its routes and jobs, and the views over slices
that answer in their shapes.
"""


def test_from_outside_a_slice_is_its_face():
    peeking = []
    for module in MODULES:
        allowed = next((inside for name, inside in MAY_LOOK_INSIDE.items() if module.is_in(name)), set())
        for imported, line in imports_of(module):
            ours, package, inside, *_ = [*imported.split("."), "", ""]
            if ours == "litemail" and package in SLICES and not module.is_in(package) and inside not in {"", *allowed}:
                peeking.append(f"{module}:{line} imports {imported}")
    assert peeking == []


def test_inside_of_a_slice_imports_lead_down():
    below = {"queries": {"service", "schemas", "api", "jobs"}, "service": {"api", "jobs"}, "schemas": {"api", "jobs"}}
    wrong = []
    for module in MODULES:
        package, _, own = module.name.partition(".")
        if package in SLICES and own in below:
            for imported, line in imports_of(module):
                inside = imported.removeprefix(f"litemail.{package}.")
                if inside in below[own]:
                    wrong.append(f"{module}:{line} imports {imported}")
    assert wrong == []


def attributes_read(module: Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node), node.lineno


def test_only_the_settings_read_the_environment():
    """Except where a process starts others, which inherit it."""
    readers = {
        module.name
        for module in MODULES
        for text, _ in attributes_read(module)
        if text in {"os.environ", "os.getenv", "os.environb"}
    }
    assert readers <= ENVIRONMENT_IS_PASSED_ON


ENVIRONMENT_IS_PASSED_ON = {"app.process", "kit.embedded_pg", "kit.postgres_process", "kit.postgres_user"}


def test_only_the_clock_tells_the_time():
    """Durations are measured with time.monotonic and time.perf_counter, which tell no time."""
    telling = re.compile(
        r"(datetime\.|datetime\.datetime\.)(now|utcnow|today)|(datetime\.)?date\.today|time\.(time|localtime|gmtime)(_ns)?"
    )
    found = [
        f"{module}:{line} {text}"
        for module in MODULES
        for text, line in attributes_read(module)
        if telling.fullmatch(text) and not module.is_in("kit.clock", *OTHERS_CLOCKS)
    ]
    assert found == []


OTHERS_CLOCKS = ("kit.local_ca", "kit.postgres_folder", "servers.imap", "servers.smtp", "protocols.dkim")
"""Certificates, lock files and mail carry the time at which they are made."""


def test_only_edges_ask_the_clock():
    edges = ("kit.db", "web", "servers", "app", "cli", "worker", *THEIR_OWN_TIME)
    asking = [
        f"{module}:{line}"
        for module in MODULES
        for text, line in attributes_read(module)
        if text == "clock.now" and not module.is_in(*edges)
    ]
    assert asking == []


THEIR_OWN_TIME = ("kit.local_ca", "providers.platform.http")
"""Certificates are made while servers start; an answer of a vendor says until when to wait."""


def test_routes_work_as_their_actor():
    """But those of signing in, which have none yet, and the list of workspaces, which crosses them by nature."""
    systemic = {module.name for module in MODULES if module.name.endswith("api") and any(module.calls("begin_system"))}
    assert systemic <= {"users.api", "overview.api"}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_files_are_short(module: Module):
    assert module.lines <= LONGEST


def test_only_commands_print():
    printing = [
        f"{module}:{call.lineno}" for module in MODULES if not module.is_in("cli") for call in module.calls("print")
    ]
    assert printing == []


def test_nothing_is_left_for_later():
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    left = []
    for folder in (ROOT, Path(__file__).parent):
        for path in sorted(folder.rglob("*.py")):
            with path.open("rb") as file:
                left += [
                    f"{path}:{token.start[0]}"
                    for token in tokenize.tokenize(file.readline)
                    if token.type == tokenize.COMMENT and marks.search(token.string)
                ]
    assert left == []


def test_every_module_says_what_it_is_for():
    assert [module.name for module in MODULES if not ast.get_docstring(module.tree) and module.tree.body] == []
