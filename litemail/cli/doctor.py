"""Look over an installation and say what is wrong and what to do."""

import asyncio
import sys

from cyclopts import App

from litemail import app as composition
from litemail.cli.options import Given, settings_of


def register(app: App) -> None:
    app.command(doctor)


def doctor(*, options: Given = None) -> None:
    """Look over the installation: folder, keys, database, schema, isolation of tenants, servers."""
    findings = asyncio.run(composition.examine(settings_of(options)))
    for finding in findings:
        print(f"{'✓' if finding.ok else '✗'} {finding.what}{'' if finding.ok else f': {finding.remedy}'}")
    if not all(finding.ok for finding in findings):
        sys.exit(1)
