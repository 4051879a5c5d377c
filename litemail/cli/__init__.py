"""The command line: one thin module per command; each parses, makes one call and prints."""

import sys
from collections.abc import Sequence

from cyclopts import App
from pydantic import ValidationError

import litemail.cli.quick_start  # noqa: F401 - for what it does
from litemail.cli import dataplane, doctor, migrate, plans, processes, wallet, workspace
from litemail.kit.errors import Error

_REFUSED = 1
_INTERRUPTED = 130

app = App(name="litemail", help="Mailbox infrastructure: API, DNS, mail servers and worker.")
processes.register(app)
migrate.register(app)
doctor.register(app)
app.command(workspace.app)
app.command(dataplane.app)
app.command(plans.app)
app.command(wallet.app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command; what the user can mend is said in a line or two, without a traceback."""
    try:
        app(arguments)
    except Error as error:
        problem = error.problem()
        _complain(problem.message, problem.action)
        sys.exit(_REFUSED)
    except ValidationError as error:
        for fault in error.errors():
            name = "_".join(map(str, fault["loc"])).upper()
            _complain(f"LITEMAIL_{name} is wrong: {fault['msg']} (it is {fault['input']!r})", None)
        sys.exit(_REFUSED)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _complain(message: str, action: str | None) -> None:
    print(f"litemail: {message}", file=sys.stderr)
    if action:
        print(f"  {action}", file=sys.stderr)
