"""Commands that run until they are stopped: everything in one process, or one part."""

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated

import uvloop
from cyclopts import App, Parameter

from litemail import app as composition
from litemail.app import Part, Running
from litemail.cli.options import Given, settings_of

Ready = Callable[[Running], Awaitable[None]]


def register(app: App) -> None:
    app.command(serve)
    for part in ("worker", "dns", "mail", "redirect", "sandbox"):
        app.command(_command_of(part), name=part)
    app.command(api)


def serve(
    *,
    sample: Annotated[
        bool, Parameter(negative=(), help="On the first start, perform the main job in a sample workspace.")
    ] = False,
    options: Given = None,
) -> None:
    """Run everything in one process."""
    settings = settings_of(options)

    async def ready(running: Running) -> None:
        if sample:
            from litemail.cli.sample import perform  # noqa: PLC0415 - clients that only the sample needs

            await perform(running)
        else:
            _say(f"Litemail is ready: {running.url}")

    _run(composition.run(settings, list(Part), ready=ready))


def api(
    *, workers: Annotated[int, Parameter(help="How many processes share the port.")] = 1, options: Given = None
) -> None:
    """Run the API alone, in one process or several."""
    settings = settings_of(options)
    if workers > 1:
        _run(composition.run_api_workers(settings, workers=workers, ready=_announce("api")))
    else:
        _run(composition.run(settings, [Part.API], ready=_announce("api")))


def _command_of(part: str) -> Callable[..., None]:
    def command(*, options: Given = None) -> None:
        _run(composition.run(settings_of(options), [Part(part)], ready=_announce(part)))

    command.__doc__ = f"Run the {part} part alone."
    return command


def _announce(part: str) -> Ready:
    async def ready(running: Running) -> None:
        ports = ", ".join(f"{name} {port}" for name, port in running.ports.items())
        _say(f"Litemail {part} is ready: {running.url if part == 'api' else ports}")

    return ready


def _run(main: Awaitable[None]) -> None:
    async def stay() -> None:
        await main

    uvloop.run(stay())


def _say(line: str) -> None:
    print(line, flush=True)
    sys.stdout.flush()
