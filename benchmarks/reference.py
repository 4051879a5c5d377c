"""The pages of the reference: what each costs the server, the first time and later."""

import time

import httpx
import msgspec

from benchmarks import world
from benchmarks.row import Row, Scale, milliseconds, percentile
from litemail.web.reference.pages import Reference


async def measure(_scale: Scale) -> list[Row]:
    with world.fresh() as installed:
        installed.start("api")
        async with httpx.AsyncClient(base_url=installed.url, timeout=60, trust_env=False) as client:
            began = time.perf_counter()
            await client.get("/docs")
            cold = time.perf_counter() - began
            contract = (await client.get("/openapi.json")).content
            paths = list(Reference(msgspec.json.decode(contract), "").paths())
            first = [await _time(client, path) for path in paths]
            later = [await _time(client, path) for path in paths]
            sizes = [len((await client.get(f"/docs/{path}")).content) for path in paths]
    return [
        Row(
            f"a page of the reference, {len(paths)} pages one after the other",
            f"made: median {milliseconds(percentile(first, 50))}, p99 {milliseconds(percentile(first, 99))}; later: "
            f"median {milliseconds(percentile(later, 50))}, p99 {milliseconds(percentile(later, 99))}; "
            f"the largest {max(sizes) / 1000:.0f} kB",
            f"the very first, which reads the contract: {milliseconds(cold)}",
            goal="30 ms; 100 kB",
        )
    ]


async def _time(client: httpx.AsyncClient, path: str) -> float:
    began = time.perf_counter()
    (await client.get(f"/docs/{path}")).raise_for_status()
    return time.perf_counter() - began
