import asyncio

import pytest

from litemail import domains
from litemail.kit.db import Database
from tests.domains.conftest import Somebody, Verify


async def test_counts_stay_within_the_limit(somebody: Somebody, verify: Verify, database: Database) -> None:
    first, name_servers = await somebody.connected("counted-a.test")
    await somebody.delegate("counted-a.test", *name_servers)
    await verify(first)
    second, _ = await somebody.connected("counted-b.test")
    actor = somebody.person.actor()
    async with database.begin(actor) as tx:
        await domains.count_mailbox(tx, first, by=3)
        await domains.count_mailboxes(tx, {second: 5, first: 1})
    for wrong in ({first: 2}, {first: -5}, {first: 1, second: 1}):
        with pytest.raises(domains.MailboxLimit):
            async with database.begin(actor) as tx:
                await domains.count_mailboxes(tx, wrong)
    async with database.begin(actor) as tx:
        found = await domains.find_many(tx, ["counted-a.test", second, "unknown.test", "dom_x"])
        usable = await domains.lock_usable(tx, ["COUNTED-A.test", second])
    assert {key: row.mailbox_count for key, row in found.items()} == {"counted-a.test": 4, second: 5}
    assert list(usable) == ["COUNTED-A.test"]
    free = (await somebody.call("GET", "/v1/domains/assignable")).json()["data"]
    assert [(row["name"], row["free_mailboxes"]) for row in free] == [("counted-a.test", 1)]


async def test_many_at_once_never_pass_the_limit(somebody: Somebody, database: Database) -> None:
    first, _ = await somebody.connected("crowded-a.test")
    second, _ = await somebody.connected("crowded-b.test")
    actor = somebody.person.actor()

    async def take(order: dict[str, int]) -> bool:
        try:
            async with database.begin(actor) as tx:
                await domains.count_mailboxes(tx, order)
        except domains.MailboxLimit:
            return False
        return True

    orders = [{first: 1, second: 1}, {second: 1, first: 1}] * 4
    assert sum(await asyncio.gather(*map(take, orders))) == 5
    assert (await somebody.domain(first))["mailbox_count"] == 5
