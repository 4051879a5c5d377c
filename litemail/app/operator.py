"""What operator commands do, beside a running installation or without one."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from litemail import billing, users, wallet
from litemail.app.house import House, visited
from litemail.config import Settings
from litemail.kit import logging
from litemail.kit.errors import Error

UNPROTECTED = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'workspace_id'
WHERE c.relkind = 'r' AND NOT a.attisdropped AND c.relnamespace = 'public'::regnamespace
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `remedy` says what to do when it is not well."""

    what: str
    ok: bool
    remedy: str = ""


async def migrate_only(settings: Settings) -> None:
    logging.configure(settings.log_level)
    async with visited(settings):
        pass


async def approve_live(settings: Settings, *, email: str) -> None:
    """Raises users.UnknownUser."""
    logging.configure("warning")
    async with visited(settings) as house, house.database.begin_system("approve live workspaces") as tx:
        await users.allow_live(tx, email)


async def examine(settings: Settings) -> Sequence[Finding]:
    """Looks at one thing after the other; what cannot be reached ends the examination with that finding."""
    logging.configure("error")
    findings: list[Finding] = []
    try:
        async with visited(settings) as house:
            findings.append(Finding(f"data folder {settings.data_dir} is writable, master keys are readable", ok=True))
            findings.append(Finding("database answers and has the schema of this version", ok=True))
            for check in (_isolation, _ledger, _invoices, _stuck_jobs, _listeners):
                findings += await check(house)
    except Error as error:
        problem = error.problem()
        findings.append(Finding(problem.message, ok=False, remedy=problem.action or ""))
    return findings


async def _isolation(house: House) -> Sequence[Finding]:
    async with house.database.begin_system("doctor") as tx:
        bare = await tx.values(str, UNPROTECTED)
    what = "every tenant table is under row-level security"
    return [Finding(what, ok=not bare, remedy=f"{', '.join(bare)} must be protected; restore the schema")]


async def _ledger(house: House) -> Sequence[Finding]:
    async with house.database.begin_system("doctor") as tx:
        difference = await wallet.first_difference(tx)
        unapplied = await wallet.count_unapplied_events(tx)
    found = difference and f"{difference.what}: {difference.where} has {difference.kept}, not {difference.computed}"
    return [
        Finding(
            "the ledger, recomputed from its entries, is as it was kept",
            ok=difference is None,
            remedy=f"{found}; restore a backup from before it",
        ),
        Finding(
            "every event of a payment gateway was applied",
            ok=not unapplied,
            remedy=f"{unapplied} were not; table gateway_events says why in `problem`",
        ),
    ]


async def _invoices(house: House) -> Sequence[Finding]:
    async with house.database.begin_system("doctor") as tx:
        gap = await billing.find_gap(tx)
    remedy = f"{gap} is missing; restore a backup from before it"
    return [Finding("the numbers of invoices have no gap", ok=gap is None, remedy=remedy)]


async def _stuck_jobs(house: House) -> Sequence[Finding]:
    async with house.database.begin_system("doctor") as tx:
        failed = await tx.value(int, "SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed'") or 0
        late = await tx.value(
            int,
            """SELECT count(*) FROM procrastinate_jobs
               WHERE status = 'todo' AND coalesce(scheduled_at, now()) < now() - interval '10 minutes'""",
        )
    return [
        Finding("no job has failed for good", ok=not failed, remedy=f"{failed} have; their errors are in the log"),
        Finding("no job waits for long", ok=not late, remedy=f"{late} do; is a worker running? litemail worker"),
    ]


async def _listeners(house: House) -> Sequence[Finding]:
    findings = []
    for name, port in house.ports.all().items():
        well = await _accepts(house.settings.reachable_host, port)
        findings.append(Finding(f"server {name} answers on port {port}", ok=well, remedy="start it, or litemail serve"))
    return findings or [Finding("no server has been started in this folder yet", ok=True)]


async def _accepts(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(3):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
