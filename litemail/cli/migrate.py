"""Bring the database to what this version needs."""

import asyncio

from cyclopts import App

from litemail import app as composition
from litemail.cli.options import Given, settings_of


def register(app: App) -> None:
    app.command(migrate)


def migrate(*, options: Given = None) -> None:
    """Bring the database to what this version needs. The servers do this by themselves when they start."""
    asyncio.run(composition.migrate_only(settings_of(options)))
    print("The database is up to date.")
