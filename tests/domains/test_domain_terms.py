"""Terms of bought domains: renewing by hand and by itself, warnings, and the end."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.domains import jobs as domain_jobs
from litemail.domains import terms
from litemail.domains.terms import due, next_moment
from litemail.workflows import renew_domains
from tests.buyers import usd
from tests.conftest import sandbox_market
from tests.domains.shopping import Shopper

END = datetime(2027, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def test_the_moments_of_a_term() -> None:
    moments = []
    moment = next_moment(END, after=END - 400 * DAY)
    while moment is not None:
        moments.append((END - moment).days)
        moment = next_moment(END, after=moment)
    assert moments == [30, *range(14, -1, -1)]


@given(st.floats(0, 40), st.floats(0, 40))
def test_whatever_is_skipped_is_due_together(first: float, second: float) -> None:
    since, now = END - max(first, second) * DAY, END - min(first, second) * DAY
    found = due(END, since=since, now=now)
    passed = [days for days in range(31) if since <= END - days * DAY <= now]
    assert found.warn == bool({30, 7, 1} & set(passed))
    assert found.renew == any(1 <= days <= 14 for days in passed)
    assert found.expire == (0 in passed)
    assert found.days >= 0


async def domain_of(shopper: Shopper, **more: object) -> tuple[str, Any]:
    name = shopper.name()
    await shopper.fulfil((await shopper.purchase(name, **more))["id"])
    return name, await shopper.activate(name)


def end_of(domain: Any) -> datetime:
    return datetime.fromisoformat(domain["expires_at"])


async def test_a_domain_is_renewed_by_hand(shopper: Shopper) -> None:
    name, before = await domain_of(shopper)
    others = [{"name": shopper.name()}, {"name": name, "years": 3}]
    body = {"domains": [{"name": name, "years": 2}, *others]}
    quote = await shopper.buyer.call("POST", "/v1/domains/renew?dry_run=true", body, expect=200)
    assert quote["quote"]["total"] == usd(2400)
    assert [each["error"]["code"] for each in quote["unavailable"]] == ["domain.not_found", "domain.named_twice"]
    order = await shopper.buyer.call("POST", "/v1/domains/renew", body, expect=202)
    assert (order["kind"], order["total"]) == ("domain_renewal", usd(2400))
    order = await shopper.fulfil(order["id"])
    assert (order["status"], order["captured"]) == ("partially_fulfilled", usd(2400))
    after = await shopper.domain(name)
    assert end_of(after).year == end_of(before).year + 2
    [(_, told)] = await shopper.events("domain.renewed")
    assert told["name"] == name


async def test_no_term_is_prolonged_by_two_orders(shopper: Shopper) -> None:
    name, _ = await domain_of(shopper)
    body = {"domains": [{"name": name}]}
    first = await shopper.buyer.call("POST", "/v1/domains/renew", body)
    assert await shopper.buyer.refused("POST", "/v1/domains/renew", body) == (409, "domain.already_being_renewed")
    await shopper.fulfil(first["id"])
    second = await shopper.buyer.call("POST", "/v1/domains/renew", body)
    assert (await shopper.fulfil(second["id"]))["captured"] == usd(1200)


async def test_connected_domains_are_renewed_elsewhere(shopper: Shopper) -> None:
    name = shopper.name()
    await shopper.buyer.call("POST", "/v1/domains/connect", {"domains": [name]})
    answer = await shopper.buyer.ask("POST", "/v1/domains/renew", {"domains": [{"name": name}]})
    assert (answer.status_code, answer.json()["results"][0]["error"]["code"]) == (422, "domain.not_purchased")
    answer = await shopper.buyer.ask("PATCH", f"/v1/domains/{name}", {"auto_renew": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "domain.not_purchased")


async def advance(shopper: Shopper, duration: str) -> None:
    """Moves the clock; orders that are placed meanwhile are fulfilled then."""
    await shopper.buyer.move(duration)
    for order_id in await shopper.open_orders():
        await shopper.fulfil(order_id)


async def test_a_domain_that_nobody_renews_ends_after_three_warnings(shopper: Shopper) -> None:
    name, _ = await domain_of(shopper)
    await advance(shopper, "P11M")
    await advance(shopper, "P2M")
    told = await shopper.events("domain.expiring", "domain.expired", "domain.renewal_failed")
    assert [(event, data["days"], data["auto_renew"]) for event, data in told] == [
        ("domain.expiring", 30, False),
        ("domain.expiring", 7, False),
        ("domain.expiring", 1, False),
        ("domain.expired", 0, False),
    ]
    domain = await shopper.domain(name)
    assert (domain["status"], domain["failure"]["code"]) == ("suspended", "domain.expired")
    order = await shopper.buyer.call("POST", "/v1/domains/renew", {"domains": [{"name": name}]})
    await shopper.fulfil(order["id"])
    domain = await shopper.domain(name)
    assert (domain["status"], domain["failure"]) == ("active", None)


async def test_a_domain_renews_by_itself(shopper: Shopper) -> None:
    name, before = await domain_of(shopper, auto_renew=True)
    await advance(shopper, "P354D")
    after = await shopper.domain(name)
    assert end_of(after).year == end_of(before).year + 1
    assert await shopper.buyer.orders("domain_renewal")
    [renewal] = await shopper.buyer.orders("domain_renewal")
    assert (renewal["status"], renewal["captured"]) == ("fulfilled", usd(1200))
    told = [event for event, _ in await shopper.events("domain.expiring", "domain.renewal_failed", "domain.renewed")]
    assert told == ["domain.expiring", "domain.renewed"]


async def test_a_short_wallet_is_told_each_day_and_money_in_time_renews(shopper: Shopper) -> None:
    name, before = await domain_of(shopper, auto_renew=True)
    await shopper.buyer.move("P350D")
    await shopper.buyer.set_wallet(0)
    await advance(shopper, "P3D")
    failed = await shopper.events("domain.renewal_failed")
    assert len(failed) in (2, 3)
    assert {data["code"] for _, data in failed} == {"wallet.insufficient_funds"}
    await shopper.buyer.set_wallet(5000)
    await advance(shopper, "P1D")
    assert end_of(await shopper.domain(name)).year == end_of(before).year + 1
    assert await shopper.buyer.available() == 3800


async def test_a_saved_card_pays_a_renewal(shopper: Shopper) -> None:
    name, before = await domain_of(shopper, auto_renew=True)
    await shopper.buyer.set_wallet(0)
    await shopper.buyer.save_card(amount=5000)
    await advance(shopper, "P354D")
    assert end_of(await shopper.domain(name)).year == end_of(before).year + 1


async def test_a_price_that_rose_is_not_paid_without_asking(shopper: Shopper) -> None:
    name, before = await domain_of(shopper, auto_renew=True)
    async with shopper.database.begin_system("test") as tx:
        await tx.execute("UPDATE domains SET renewal_price = 1000 WHERE name = %(name)s", name=name)
    await advance(shopper, "P354D")
    assert (await shopper.domain(name))["expires_at"] == before["expires_at"]
    failed = await shopper.events("domain.renewal_failed")
    assert {data["code"] for _, data in failed} == {"domain.price_changed"}


async def test_renewing_by_itself_is_switched_on_and_off(shopper: Shopper) -> None:
    name, before = await domain_of(shopper)
    changed = await shopper.buyer.call("PATCH", f"/v1/domains/{name}", {"auto_renew": True})
    assert changed["auto_renew"]
    await advance(shopper, "P354D")
    assert end_of(await shopper.domain(name)).year == end_of(before).year + 1
    changed = await shopper.buyer.call("PATCH", f"/v1/domains/{name}", {"auto_renew": False})
    assert changed["auto_renew"] is False


async def test_the_schedule_finds_what_is_due(shopper: Shopper) -> None:
    name, domain = await domain_of(shopper)
    async with shopper.database.begin_system("test") as tx:
        await tx.execute(
            "UPDATE domains SET expires_at = %(end)s, renewal_due_at = %(due)s WHERE name = %(name)s",
            name=name,
            end=tx.now + timedelta(days=29),
            due=tx.now - timedelta(days=1),
        )
    await renew_domains.look_at_terms(database=shopper.database)
    async with shopper.database.begin_system("test") as tx:
        jobs = await tx.value(
            int,
            "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'workflows.look_at_term' "
            "AND args ->> 'domain_id' = %(id)s",
            id=domain["id"],
        )
    assert jobs == 1
    for _ in range(2):
        await renew_domains.look_at_term(
            database=shopper.database,
            gateways=shopper.buyer.gateways,
            market=sandbox_market(shopper.database),
            domain_id=domain["id"],
        )
    assert len(await shopper.events("domain.expiring")) == 1


@pytest.mark.parametrize("name", ["domains.delegate_left", "domains.look_for_moved"])
def test_what_is_left_over_is_looked_for(name: str) -> None:
    assert name in domain_jobs.SCHEDULES
    assert terms.WARN_BEFORE == (30, 7, 1)
