"""GET /v1/mailboxes, 100 of a large workspace, by one API process; beside it pgbench with the same statement.

What is compared is measured by turns, so that a machine that is busy with other things is so for both.
"""

import statistics
from dataclasses import dataclass
from itertools import repeat

from benchmarks import load, machine, pgbench, world
from benchmarks.load import Caller, Load
from benchmarks.pgbench import Overheard, PgBench
from benchmarks.row import Row, Scale, milliseconds
from litemail.app.house import House
from litemail.kit.db import Database
from litemail.kit.pagination import encode_cursor
from litemail.mailboxes import queries
from litemail.mailboxes.queries import Filter
from tests.journeys.installation import Customer, Installation

FEW = 10_000
LIMIT = 100
CLIENTS = (1, 4, 16)
COMPARED = (1, 16)
TURNS = 3
WARM_UP = 0.5


@dataclass(frozen=True)
class _Loads:
    """All turns with so many clients: ours, the seconds of processor time of each request, and pgbench's rate."""

    ours: Load
    spent: float
    pgbench: float | None


async def measure(scale: Scale) -> list[Row]:
    with world.fresh() as installed:
        process = installed.start("api")
        async with (
            world.registered(installed) as me,
            world.registered(installed, "small@example.com") as small,
            world.inside(installed) as house,
        ):
            await _fill(installed, house, small, first=0, count=FEW)
            workspace_id = await _fill(installed, house, me, first=FEW, count=scale.rows)
            first_page = _request(world.caller(installed, me))
            middle_page = _request(world.caller(installed, me), after=FEW + scale.rows // 2)
            few_page = _request(world.caller(installed, small))
            port, turn = installed.ports["http"], scale.seconds / TURNS

            async def listed(request: bytes, clients: int = 1, seconds: float = turn) -> Load:
                return await load.run(port, lambda _: repeat(request), clients=clients, seconds=seconds)

            await listed(first_page, max(CLIENTS), WARM_UP)
            by_page: dict[bytes, list[float]] = {few_page: [], first_page: [], middle_page: []}
            for _ in range(TURNS):
                for page, times in by_page.items():
                    times.extend((await listed(page)).times)
            peer = _peer(house, workspace_id)
            statement = await _statement(house.database, workspace_id)
            loads: dict[int, _Loads] = {}
            for clients in CLIENTS:
                ours: list[Load] = []
                theirs: list[float] = []
                spent = 0.0
                for _ in range(TURNS):
                    before = machine.processor_time(process.pid)
                    ours.append(await listed(first_page, clients))
                    spent += machine.processor_time(process.pid) - before
                    if peer is not None and clients in COMPARED:
                        theirs.append(await peer.run(statement, clients=clients, seconds=turn))
                together = load.together(ours)
                loads[clients] = _Loads(
                    together, spent / len(together.times), statistics.mean(theirs) if theirs else None
                )
    p50 = {page: statistics.median(times) for page, times in by_page.items()}
    return [
        *(_row(clients, measured, scale, peer_there=peer is not None) for clients, measured in loads.items()),
        Row(
            f"the same, 1 client, median by rows of the workspace: {scale.rows:,}",
            f"{milliseconds(p50[first_page])}; page in the middle {milliseconds(p50[middle_page])}",
            f"{FEW:,} rows: {milliseconds(p50[few_page])}",
            f"{p50[first_page] / p50[few_page]:.2f} times",
            "same",
        ),
    ]


def _row(clients: int, measured: _Loads, scale: Scale, *, peer_there: bool) -> Row:
    ours = measured.ours
    beside, ratio = "" if peer_there else "pgbench is not installed here", ""
    if measured.pgbench is not None:
        beside = f"pgbench, same statement: {measured.pgbench:,.0f}/s"
        ratio = f"1/{measured.pgbench / ours.rate:.1f}"
    return Row(
        f"`GET /v1/mailboxes`, {LIMIT} of {scale.rows:,}, one API process, clients: {clients}",
        f"{ours.rate:,.0f} req/s, p50 {milliseconds(ours.p50)}, p99 {milliseconds(ours.p99)}, "
        f"{milliseconds(measured.spent)} of processor time each",
        beside,
        ratio,
        "2,000/s; 1/5" if clients == max(CLIENTS) else "",
    )


def _request(caller: Caller, *, after: int | None = None) -> bytes:
    cursor = "" if after is None else f"&cursor={encode_cursor(f'mbx_0{after:025}')}"
    return caller.request("GET", f"/v1/mailboxes?limit={LIMIT}{cursor}")


async def _fill(installed: Installation, house: House, owner: Customer, *, first: int, count: int) -> str:
    """The workspace that the mailboxes are in."""
    workspace_id: str = (await owner.call("GET", "/v1/users"))["default_workspace_id"]
    await world.add_mailboxes(house.database, workspace_id=workspace_id, first=first, count=count)
    await world.tidy(installed, "mailboxes")
    return workspace_id


def _peer(house: House, workspace_id: str) -> PgBench | None:
    program = pgbench.find_program()
    return None if program is None else PgBench(program, house.database.app_url, workspace_id)


async def _statement(database: Database, workspace_id: str) -> str:
    """What the route runs, in its own words."""
    async with database.begin_system("benchmark") as tx:
        overheard = Overheard(tx.connection)
        await queries.list_mailboxes(overheard, workspace_id=workspace_id, chosen=Filter(), limit=LIMIT + 1, after=None)
        return overheard.written_out()
