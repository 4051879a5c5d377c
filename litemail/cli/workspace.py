"""Operator commands about workspaces."""

import asyncio
from typing import Annotated

from cyclopts import App, Parameter

from litemail import app as composition
from litemail.cli.options import Given, settings_of

app = App(name="workspace", help="Operator commands about workspaces.")


@app.command
def approve(
    email: Annotated[str, Parameter(help="The address that the user registered with.")], *, options: Given = None
) -> None:
    """Let a user have live workspaces."""
    asyncio.run(composition.approve_live(settings_of(options), email=email.strip().lower()))
    print(f"{email} may now create live workspaces.")
