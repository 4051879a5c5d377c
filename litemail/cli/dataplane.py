"""Operator commands about the production engines."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from litemail import app as composition
from litemail.cli.options import Given, settings_of

app = App(name="dataplane", help="Configuration of the production engines.")
render = App(name="render", help="Write the configuration of an engine, made from the settings.")
app.command(render)


@render.command
def powerdns(
    folder: Annotated[Path, Parameter(help="Where to write pdns.conf and role.sql.")] = Path(), *, options: Given = None
) -> None:
    """Write what PowerDNS needs to serve the hosted zones from the same PostgreSQL."""
    files = composition.render_powerdns(settings_of(options))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
        print(folder / name)
