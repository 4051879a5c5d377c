"""Everything that takes and gives slots, all at once: nobody waits crosswise, and all counts are right at the end."""

import asyncio
import random

from litemail import subscriptions
from litemail.kit.db import Database
from litemail.mailboxes import jobs
from tests.billing.test_billing_details import ADA
from tests.mailboxes.conftest import NewOwner, Owner


async def test_counts_are_right_after_everything_at_once(new_owner: NewOwner, database: Database) -> None:
    owner = await new_owner()
    await owner.call("POST", "/v1/billings", json=ADA)
    workspace_id = owner.person.workspace_id
    domains = [owner.domain, await another_domain(owner, database)]
    async with database.begin_system("test") as tx:
        await tx.execute(
            "UPDATE subscriptions SET status = 'cancelled', due_at = NULL WHERE workspace_id = %(id)s", id=workspace_id
        )
        subscription_ids = [(await subscriptions.grant(tx, workspace_id, plan="starter")).id for _ in range(2)]
        await tx.execute("UPDATE domains SET mailbox_limit = 20 WHERE workspace_id = %(id)s", id=workspace_id)
    made: list[str] = []
    chance = random.Random(7)

    async def somebody(number: int) -> None:
        for step in range(8):
            mailbox_id = chance.choice(made) if made else "none"
            path = f"/v1/mailboxes/{mailbox_id}"
            names = [{**owner.wanted(f"box{number}{step}{n}"), "domain": domains[(step + n) % 2]} for n in range(2)]
            match chance.randrange(7):
                case 0 | 1:
                    answer = await owner.call("POST", "/v1/mailboxes", json={"mailboxes": names, "buy_slots": True})
                    if answer.status_code == 202:
                        made.extend(item["id"] for item in answer.json()["results"] if item["status"] == "accepted")
                case 2:
                    answer = await owner.call("DELETE", path)
                case 3:
                    answer = await owner.call("DELETE", f"{path}?at=now")
                case 4:
                    answer = await owner.call("POST", f"{path}/restore")
                case 5:
                    answer = await owner.call("DELETE", f"{path}?cancel=true")
                case _:
                    subscription_id = chance.choice(subscription_ids)
                    await jobs.follow_subscription(
                        database=database, workspace_id=workspace_id, subject=subscription_id
                    )
                    continue
            assert answer.status_code < 500, answer.text

    await asyncio.gather(*map(somebody, range(8)))
    assert made
    async with database.begin_system("test") as tx:
        wrong = await tx.values(
            str,
            """SELECT format('%%s used %%s of %%s, removals %%s of %%s', s.id, s.used, m.used, s.removals, m.removals)
               FROM subscriptions s CROSS JOIN LATERAL (
                   SELECT count(*) AS used, count(removal_at) AS removals FROM mailboxes
                   WHERE subscription_id = s.id AND removed_at IS NULL) m
               WHERE s.workspace_id = %(id)s AND (s.used, s.removals) <> (m.used, m.removals)
               UNION ALL
               SELECT format('%%s counts %%s of %%s', d.name, d.mailbox_count, m.there)
               FROM domains d CROSS JOIN LATERAL (
                   SELECT count(*) AS there FROM mailboxes WHERE domain_id = d.id AND removed_at IS NULL) m
               WHERE d.workspace_id = %(id)s AND d.mailbox_count <> m.there""",
            id=workspace_id,
        )
    assert wrong == []


async def another_domain(owner: Owner, database: Database) -> str:
    name = f"other-{owner.domain}"
    await owner.call("POST", "/v1/domains/connect", json={"domains": [name]})
    async with database.begin_system("test") as tx:
        await tx.execute("UPDATE domains SET status = 'active' WHERE name = %(name)s", name=name)
    return name
