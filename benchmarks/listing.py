"""GET /v1/mailboxes, 100 of a large workspace, by one API process; beside it pgbench with the same statement."""

from itertools import repeat

from benchmarks import load, pgbench, world
from benchmarks.load import Load
from benchmarks.pgbench import Overheard, PgBench, Result
from benchmarks.row import Row, Scale, milliseconds
from litemail.app.house import House
from litemail.kit.db import Database
from litemail.kit.pagination import encode_cursor
from litemail.mailboxes import queries
from litemail.mailboxes.queries import Filter
from tests.journeys.installation import Installation

FEW = 10_000
LIMIT = 100
CLIENTS = (1, 4, 16)
COMPARED = (1, 16)
WARM_UP = 0.5


async def measure(scale: Scale) -> list[Row]:
    with world.fresh() as installed:
        installed.start("api")
        async with world.registered(installed) as me, world.inside(installed) as house:
            caller = world.caller(installed, me)
            workspace_id = (await me.call("GET", "/v1/users"))["default_workspace_id"]

            async def listed(clients: int, *, after: int | None = None, seconds: float = scale.seconds) -> Load:
                cursor = "" if after is None else f"&cursor={encode_cursor(f'mbx_0{after:025}')}"
                request = caller.request("GET", f"/v1/mailboxes?limit={LIMIT}{cursor}")
                return await load.run(caller.port, lambda _: repeat(request), clients=clients, seconds=seconds)

            await _fill(installed, house, workspace_id, first=0, count=FEW)
            await listed(4, seconds=WARM_UP)
            few = await listed(1)
            await _fill(installed, house, workspace_id, first=FEW, count=scale.rows - FEW)
            await listed(4, seconds=WARM_UP)
            middle = await listed(1, after=scale.rows // 2)
            peer = await _peer(house, workspace_id)
            loads: dict[int, Load] = {}
            limits: dict[int, Result] = {}
            for clients in CLIENTS:
                loads[clients] = await listed(clients)
                if peer is not None and clients in COMPARED:
                    statement = await _statement(house.database, workspace_id)
                    limits[clients] = await peer.run(statement, clients=clients, seconds=scale.seconds)
    return [
        *(_row(clients, load_, limits.get(clients), peer, scale) for clients, load_ in loads.items()),
        Row(
            f"the same, median by rows of the workspace, 1 client: {scale.rows:,}",
            f"{milliseconds(loads[1].p50)}; page in the middle {milliseconds(middle.p50)}",
            f"{FEW:,} rows: {milliseconds(few.p50)}",
            f"{loads[1].p50 / few.p50:.2f} times",
            "same",
        ),
    ]


def _row(clients: int, measured: Load, limit: Result | None, peer: PgBench | None, scale: Scale) -> Row:
    beside, ratio = "", ""
    if limit is not None:
        beside = f"pgbench, same statement: {limit.rate:,.0f}/s"
        ratio = f"1/{limit.rate / measured.rate:.1f}"
    elif peer is None:
        beside = "pgbench is not installed here"
    return Row(
        f"`GET /v1/mailboxes`, {LIMIT} of {scale.rows:,}, one API process, {clients} clients".replace(
            " 1 clients", " 1 client"
        ),
        f"{measured.rate:,.0f} req/s, p50 {milliseconds(measured.p50)}, p99 {milliseconds(measured.p99)}",
        beside,
        ratio,
        "2,000/s; 1/5" if clients == max(CLIENTS) else "",
    )


async def _fill(installed: Installation, house: House, workspace_id: str, *, first: int, count: int) -> None:
    await world.add_mailboxes(house.database, workspace_id=workspace_id, first=first, count=count)
    await world.tidy(installed, "mailboxes")


async def _peer(house: House, workspace_id: str) -> PgBench | None:
    program = pgbench.find_program()
    return None if program is None else PgBench(program, house.database.app_url, workspace_id)


async def _statement(database: Database, workspace_id: str) -> str:
    """What the route runs, in its own words."""
    async with database.begin_system("benchmark") as tx:
        overheard = Overheard(tx.connection)
        await queries.list_mailboxes(overheard, workspace_id=workspace_id, chosen=Filter(), limit=LIMIT + 1, after=None)
        return overheard.written_out()
