import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from litemail import subscriptions, wallet, workspaces
from litemail.kit.calendar import parse_duration
from litemail.kit.db import Database
from litemail.kit.secrets import Secrets
from litemail.mailboxes import jobs
from litemail.servers.sign_in import SignIns
from litemail.worker import HANDLERS, JOBS
from tests.billing.test_billing_details import ADA
from tests.mailboxes.conftest import NewOwner, Owner

ADDON = 370


@dataclass(frozen=True)
class Customer:
    """An owner with one starter subscription, a number of free slots in it, billing details, and money."""

    owner: Owner
    database: Database
    subscription_id: str

    @property
    def workspace_id(self) -> str:
        return self.owner.person.workspace_id

    async def leave_free(self, slots: int) -> None:
        async with self.database.begin(self.owner.person.actor()) as tx:
            await subscriptions.take_slots(tx, await subscriptions.free_slots(tx) - slots)

    async def own(self, amount: int) -> None:
        await set_balance(self.database, self.workspace_id, amount)

    async def money(self) -> int:
        async with self.database.begin_system("test") as tx:
            return (await wallet.balance(tx, self.workspace_id)).available

    async def subscription(self) -> subscriptions.Subscription:
        async with self.database.begin(self.owner.person.actor()) as tx:
            return await subscriptions.get(tx, self.subscription_id)

    async def used(self) -> tuple[int, int]:
        found = await self.subscription()
        return found.used, found.removals

    async def advance(self, duration: str) -> None:
        """Moves the clock, and nothing else: what falls due is the test's business."""
        async with self.database.begin_system("test") as tx:
            goal = await workspaces.set_clock_goal(tx, self.workspace_id, parse_duration(duration))
            await workspaces.move_clock(tx, self.workspace_id, to=goal)

    async def follow(self) -> None:
        await jobs.follow_subscription(
            database=self.database, workspace_id=self.workspace_id, subject=self.subscription_id
        )

    async def quoted(self, username: str, *, status: str) -> dict[str, Any]:
        """The 402 of a mailbox too many."""
        await self.become(status)
        answer = await self.owner.call("POST", "/v1/mailboxes", json=self.owner.wanted(username))
        assert answer.status_code == 402, answer.text
        problem: dict[str, Any] = answer.json()
        return problem

    async def become(self, status: str) -> None:
        """What renewals and dunning do, in one step."""
        async with self.database.begin_system("test") as tx:
            await tx.execute(
                """UPDATE subscriptions SET status = %(status)s::text,
                          used = CASE %(status)s::text WHEN 'cancelled' THEN 0 ELSE used END,
                          removals = CASE %(status)s::text WHEN 'cancelled' THEN 0 ELSE removals END,
                          due_at = CASE %(status)s::text WHEN 'cancelled' THEN NULL ELSE current_period_end END
                   WHERE id = %(id)s""",
                status=status,
                id=self.subscription_id,
            )
        await self.follow()


async def set_balance(database: Database, workspace_id: str, amount: int) -> None:
    async with database.begin_system("test") as tx:
        await wallet.open_(tx, workspace_id)
        difference = amount - (await wallet.balance(tx, workspace_id)).available
        if difference:
            await wallet.adjust(tx, workspace_id=workspace_id, amount=difference, reason="test")


async def one_subscription(database: Database, workspace_id: str) -> str:
    """The starter plan and no other."""
    async with database.begin_system("test") as tx:
        await tx.execute(
            "UPDATE subscriptions SET status = 'cancelled', due_at = NULL WHERE workspace_id = %(id)s", id=workspace_id
        )
        return (await subscriptions.grant(tx, workspace_id, plan="starter")).id


NewCustomer = Callable[[], Awaitable[Customer]]


@pytest.fixture
def new_customer(new_owner: NewOwner, database: Database) -> NewCustomer:
    async def make() -> Customer:
        owner = await new_owner()
        workspace_id = owner.person.workspace_id
        await owner.call("POST", "/v1/billings", json=ADA)
        await set_balance(database, workspace_id, 10_000)
        return Customer(owner, database, await one_subscription(database, workspace_id))

    return make


@pytest.fixture
async def customer(new_customer: NewCustomer) -> Customer:
    return await new_customer()


@pytest.fixture
def owner(customer: Customer) -> Owner:
    return customer.owner


async def names(owner: Owner) -> list[str]:
    return [each["username"] for each in (await owner.call("GET", "/v1/mailboxes")).json()["data"]]


async def test_a_mailbox_takes_a_slot_and_says_of_which_subscription(customer: Customer, owner: Owner) -> None:
    made = await owner.create("ada")
    assert made["subscription_id"] == customer.subscription_id
    many = {"mailboxes": [owner.wanted("bob"), owner.wanted("eve")]}
    assert (await owner.call("POST", "/v1/mailboxes", json=many)).status_code == 202
    assert await customer.used() == (3, 0)
    assert {each["subscription_id"] for each in (await owner.call("GET", "/v1/mailboxes")).json()["data"]} == {
        customer.subscription_id
    }


async def test_beyond_the_slots_nothing_is_created_and_the_answer_has_a_quote(customer: Customer, owner: Owner) -> None:
    await customer.leave_free(1)
    many = {"mailboxes": [owner.wanted("ada"), owner.wanted("bob"), owner.wanted("bad name")]}
    answer = await owner.call("POST", "/v1/mailboxes", json=many)
    assert (answer.status_code, answer.json()["code"]) == (402, "subscription.slots_exhausted"), answer.text
    quote = answer.json()["quote"]
    assert 0 < quote["total"]["amount"] <= ADDON
    assert (quote["covered"], quote["wallet_balance"]["amount"]) == (True, 10_000)
    assert {name: answer.json()[name] for name in ("shortfall", "payment_link", "recharge")} == {
        "shortfall": {"amount": 0, "currency": "USD"},
        "payment_link": None,
        "recharge": "off",
    }
    assert await names(owner) == []
    assert await customer.used() == (9, 0)
    await owner.create("ada")
    answer = await owner.call("POST", "/v1/mailboxes", json=owner.wanted("bob"))
    assert (answer.status_code, answer.json()["code"]) == (402, "subscription.slots_exhausted")
    assert await customer.money() == 10_000


async def test_a_quote_that_the_wallet_does_not_cover_comes_with_a_link(customer: Customer, owner: Owner) -> None:
    await customer.leave_free(0)
    await customer.own(100)
    more, plan = await customer.quoted("ada", status="active"), await customer.quoted("ada", status="cancelled")
    assert (more["code"], plan["code"]) == ("subscription.slots_exhausted", "subscription.none_active")
    for problem in (more, plan):
        lacking = problem["quote"]["total"]["amount"] - 100
        assert problem["shortfall"] == {"amount": lacking, "currency": "USD"}
        assert problem["recharge"] == "off"
        async with customer.database.begin(owner.person.actor()) as tx:
            offered = await tx.value(
                int, "SELECT amount FROM payments WHERE payment_link = %(link)s", link=problem["payment_link"]
            )
        assert offered == max(lacking, 500)
    assert await customer.money() == 100


async def test_what_is_missing_is_bought_when_the_call_says_so(customer: Customer, owner: Owner) -> None:
    await customer.leave_free(1)
    many = {"mailboxes": [owner.wanted(name) for name in ("ada", "bob", "eve", "bad name")]}
    quote = (await owner.call("POST", "/v1/mailboxes?dry_run=true", json=many)).json()["quote"]
    price = quote["total"]["amount"]
    assert 0 < price <= 2 * ADDON
    assert (sum(line["quantity"] for line in quote["lines"]), quote["covered"]) == (2, True)
    less = {**many, "buy_slots": True, "max_charge": price - 2}
    refused = await owner.call("POST", "/v1/mailboxes", json=less)
    assert (refused.status_code, refused.json()["code"]) == (409, "order.max_charge_exceeded")
    assert (await names(owner), await customer.money()) == ([], 10_000)
    bought = await owner.call("POST", "/v1/mailboxes", json={**many, "buy_slots": True, "max_charge": price})
    assert (bought.status_code, bought.json()["accepted"]) == (202, 3), bought.text
    spent = 10_000 - await customer.money()
    assert price - 2 <= spent <= price  # the seconds between quote and purchase
    after = await customer.subscription()
    assert (after.used, after.addon_mailboxes) == (12, 2)
    (invoice,) = (await owner.call("GET", "/v1/billings/invoices")).json()["data"]
    assert invoice["total"]["amount"] == spent


async def test_free_slots_cost_nothing(customer: Customer, owner: Owner) -> None:
    quote = await owner.call("POST", "/v1/mailboxes?dry_run=true", json=owner.wanted("ada"))
    assert quote.status_code == 200
    assert (quote.json()["quote"]["total"]["amount"], quote.json()["quote"]["lines"]) == (0, [])
    assert await names(owner) == []
    made = await owner.create("ada", buy_slots=True, max_charge=0)
    assert made["status"] == "active"
    assert (await customer.money(), (await customer.subscription()).addon_mailboxes) == (10_000, 0)


async def test_a_dry_run_refuses_what_the_call_would_refuse(customer: Customer, owner: Owner) -> None:
    await owner.create("ada")
    one = await owner.call("POST", "/v1/mailboxes?dry_run=true", json=owner.wanted("ada"))
    assert (one.status_code, one.json()["code"]) == (409, "mailbox.address_taken")
    many = {"mailboxes": [owner.wanted("ada"), owner.wanted("bob")], "all_or_nothing": True}
    refused = await owner.call("POST", "/v1/mailboxes?dry_run=true", json=many)
    assert (refused.status_code, refused.json()["code"]) == (422, "bulk.not_all_accepted")


async def test_buying_needs_details_money_and_the_scope_to_spend(
    new_owner: NewOwner, database: Database, customer: Customer
) -> None:
    poor = await new_owner()
    subscription_id = await one_subscription(database, poor.person.workspace_id)
    await set_balance(database, poor.person.workspace_id, 100)
    await Customer(poor, database, subscription_id).leave_free(0)
    wanted = poor.wanted("ada", buy_slots=True)
    refused = await poor.call("POST", "/v1/mailboxes", json=wanted)
    assert (refused.status_code, refused.json()["code"]) == (409, "billing.details_required")
    await poor.call("POST", "/v1/billings", json=ADA)
    refused = await poor.call("POST", "/v1/mailboxes", json=wanted)
    assert (refused.status_code, refused.json()["code"]) == (402, "wallet.insufficient_funds"), refused.text
    assert refused.json()["shortfall"]["amount"] > 0
    assert await names(poor) == []
    key = (await poor.call("POST", "/v1/api-keys", json={"name": "plain"})).json()["key"]
    refused = await poor.client.post("/v1/mailboxes", json=wanted, headers={"x-api-key": key})
    assert (refused.status_code, refused.json()["code"]) == (403, "auth.scope_missing")
    assert "billing:spend" in refused.json()["message"]


async def test_refused_items_take_no_slot(customer: Customer, owner: Owner) -> None:
    wanted = [owner.wanted("ada"), owner.wanted("ADA"), owner.wanted("bad name")]
    answer = await owner.call("POST", "/v1/mailboxes", json={"mailboxes": wanted})
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (1, 2)
    assert await customer.used() == (1, 0)
    none = {"mailboxes": [owner.wanted("bob"), owner.wanted("ada")], "all_or_nothing": True, "buy_slots": True}
    assert (await owner.call("POST", "/v1/mailboxes", json=none)).status_code == 422
    assert await customer.used() == (1, 0)


async def test_whatever_runs_at_once_never_takes_more_than_there_is(customer: Customer, owner: Owner) -> None:
    await customer.leave_free(3)
    answers = await asyncio.gather(
        *(owner.call("POST", "/v1/mailboxes", json=owner.wanted(f"box{n}")) for n in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [402] * 2
    assert await customer.used() == (10, 0)


@pytest.mark.parametrize("body", [{"max_charge": -1}, {"max_charge": "5"}, {"max_charge": 5.0}, {"buy_slots": 1}])
async def test_a_wrong_way_of_paying_is_named(owner: Owner, body: dict[str, object]) -> None:
    for wanted in (owner.wanted("ada"), {"mailboxes": [owner.wanted("ada")]}):
        answer = await owner.call("POST", "/v1/mailboxes", json={**wanted, **body})
        assert answer.status_code == 422
        assert [detail["field"] for detail in answer.json()["details"]] == list(body)
    item = {"mailboxes": [owner.wanted("ada", buy_slots=True)]}
    answer = await owner.call("POST", "/v1/mailboxes", json=item)
    assert answer.json()["details"][0]["field"] == "mailboxes[0].buy_slots"


async def test_removal_waits_for_the_renewal_and_can_be_taken_back(
    customer: Customer, owner: Owner, database: Database, secrets: Secrets
) -> None:
    made = await owner.create("ada", password="a chosen password")
    path = f"/v1/mailboxes/{made['id']}"
    refused = await owner.call("DELETE", f"{path}?cancel=true")
    assert (refused.status_code, refused.json()["code"]) == (409, "mailbox.removal_not_scheduled")
    for _ in range(2):
        planned = await owner.call("DELETE", path)
        assert (planned.status_code, planned.json()["status"]) == (200, "scheduled_for_removal")
    end = (await customer.subscription()).current_period_end
    assert planned.json()["removal_at"] == end.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert await customer.used() == (1, 1)
    assert await SignIns(database, secrets).check(made["email"], "a chosen password") is not None
    back = await owner.call("DELETE", f"{path}?cancel=true")
    assert (back.status_code, back.json()) == (200, made)
    assert await customer.used() == (1, 0)
    both = await owner.call("DELETE", f"{path}?cancel=true&at=now")
    assert (both.status_code, both.json()["details"][0]["field"]) == (422, "cancel")


@pytest.mark.parametrize("planned", [False, True])
async def test_removal_at_once_frees_the_slot(customer: Customer, owner: Owner, *, planned: bool) -> None:
    made = await owner.create("ada")
    if planned:
        await owner.call("DELETE", f"/v1/mailboxes/{made['id']}")
    gone = await owner.call("DELETE", f"/v1/mailboxes/{made['id']}?at=now")
    assert (gone.status_code, gone.json()["status"]) == (200, "removed")
    assert await customer.used() == (0, 0)
    for path in ("", "?at=now", "?cancel=true"):
        assert (await owner.call("DELETE", f"/v1/mailboxes/{made['id']}{path}")).status_code == 404
    assert (await owner.call("GET", f"/v1/domains/{owner.domain}")).json()["mailbox_count"] == 0
    listed = (await owner.call("GET", "/v1/mailboxes?status=removed&count=true")).json()
    assert ([each["id"] for each in listed["data"]], listed["total"]) == ([made["id"]], 1)


async def test_ten_removals_at_once_free_one_slot(customer: Customer, owner: Owner) -> None:
    made, _ = await owner.create("ada"), await owner.create("bob")
    answers = await asyncio.gather(
        *(owner.call("DELETE", f"/v1/mailboxes/{made['id']}{'?at=now' if n % 2 else ''}") for n in range(10))
    )
    assert sum(answer.json().get("status") == "removed" for answer in answers) == 1
    assert {answer.status_code for answer in answers} <= {200, 404}
    assert await customer.used() == (1, 0)


async def test_a_removed_mailbox_comes_back_as_it_was(
    customer: Customer, owner: Owner, database: Database, secrets: Secrets
) -> None:
    made = await owner.create("ada", password="a chosen password", tags=["spring"])
    refused = await owner.call("POST", f"/v1/mailboxes/{made['id']}/restore")
    assert (refused.status_code, refused.json()["code"]) == (409, "mailbox.not_removed")
    await owner.call("DELETE", f"/v1/mailboxes/{made['id']}?at=now")
    back = await owner.call("POST", f"/v1/mailboxes/{made['id']}/restore")
    assert (back.status_code, back.json()) == (200, made)
    assert await customer.used() == (1, 0)
    assert (await owner.call("GET", f"/v1/domains/{owner.domain}")).json()["mailbox_count"] == 1
    assert await SignIns(database, secrets).check(made["email"], "a chosen password") is not None


async def test_restoring_takes_a_slot_or_buys_one(customer: Customer, owner: Owner) -> None:
    made = await owner.create("ada")
    path = f"/v1/mailboxes/{made['id']}"
    await owner.call("DELETE", f"{path}?at=now")
    await customer.leave_free(0)
    refused = await owner.call("POST", f"{path}/restore")
    assert (refused.status_code, refused.json()["code"]) == (402, "subscription.slots_exhausted")
    quote = (await owner.call("POST", f"{path}/restore?dry_run=true")).json()["quote"]
    assert 0 < quote["total"]["amount"] <= ADDON
    back = await owner.call("POST", f"{path}/restore", json={"buy_slots": True, "max_charge": ADDON})
    assert (back.status_code, back.json()["status"]) == (200, "active")
    assert await customer.used() == (11, 0)
    wrong = await owner.call("POST", f"{path}/restore", json={"buy_slots": "yes", "more": 1})
    assert {detail["field"] for detail in wrong.json()["details"]} == {"buy_slots", "more"}


async def test_what_stands_in_the_way_of_restoring_is_said(
    customer: Customer, owner: Owner, new_owner: NewOwner, database: Database
) -> None:
    made = await owner.create("ada")
    path = f"/v1/mailboxes/{made['id']}"
    await owner.call("DELETE", f"{path}?at=now")
    stranger = await new_owner()
    for who, where in ((stranger, path), (owner, "/v1/mailboxes/nonsense")):
        assert (await who.call("POST", f"{where}/restore")).json()["code"] == "mailbox.not_found"
    await owner.create("ada")
    assert (await owner.call("POST", f"{path}/restore")).json()["code"] == "mailbox.address_taken"
    await owner.call(
        "DELETE", f"/v1/mailboxes/{(await owner.call('GET', '/v1/mailboxes')).json()['data'][0]['id']}?at=now"
    )
    for n in range(5):
        await owner.create(f"box{n}")
    assert (await owner.call("POST", f"{path}/restore")).json()["code"] == "domain.mailbox_limit"
    async with database.begin_system("test") as tx:
        await tx.execute("UPDATE domains SET status = 'verifying' WHERE name = %(name)s", name=owner.domain)
    assert (await owner.call("POST", f"{path}/restore")).json()["code"] == "mailbox.domain_not_usable"
    await customer.advance("P30D")
    late = await owner.call("POST", f"{path}/restore")
    assert (late.status_code, late.json()["code"]) == (410, "mailbox.removed_too_long_ago")


async def test_a_suspended_mailbox_is_closed_until_it_is_resumed(
    customer: Customer, owner: Owner, database: Database, secrets: Secrets
) -> None:
    made = await owner.create("ada", password="a chosen password")
    path, sign_ins = f"/v1/mailboxes/{made['id']}", SignIns(database, secrets)
    for _ in range(2):
        answer = await owner.call("POST", f"{path}/suspend")
        assert (answer.status_code, answer.json()["status"]) == (200, "suspended")
    assert await sign_ins.check(made["email"], "a chosen password") is None
    planned = await owner.call("DELETE", path)
    assert (planned.json()["status"], planned.json()["removal_at"] is not None) == ("suspended", True)
    assert (await owner.call("POST", f"{path}/resume")).json()["status"] == "scheduled_for_removal"
    await owner.call("DELETE", f"{path}?cancel=true")
    for _ in range(2):
        assert (await owner.call("POST", f"{path}/resume")).json() == made
    assert await sign_ins.check(made["email"], "a chosen password") is not None
    assert await customer.used() == (1, 0)
    async with database.begin_system("test") as tx:
        told = await tx.values(str, "SELECT type FROM events WHERE subject = %(id)s ORDER BY number", id=made["id"])
    assert told == [
        "mailbox.created",
        "mailbox.activated",
        "mailbox.suspended",
        "mailbox.removal_scheduled",
        "mailbox.resumed",
        "mailbox.removal_cancelled",
    ]


async def test_one_suspended_before_it_was_ready_becomes_ready(
    customer: Customer, owner: Owner, database: Database, secrets: Secrets
) -> None:
    many = {"mailboxes": [owner.wanted("ada", password="a chosen password")]}
    (item,) = (await owner.call("POST", "/v1/mailboxes", json=many)).json()["results"]
    path = f"/v1/mailboxes/{item['id']}"
    assert (await owner.call("POST", f"{path}/suspend")).json()["status"] == "suspended"
    await jobs.hash_passwords(database=database, secrets=secrets, workspace_id=customer.workspace_id)
    assert (await owner.call("GET", path)).json()["status"] == "suspended"
    assert (await owner.call("POST", f"{path}/resume")).json()["status"] == "active"


async def test_a_renewal_takes_those_that_were_to_go(customer: Customer, owner: Owner) -> None:
    going, staying = await owner.create("ada"), await owner.create("bob")
    await owner.call("DELETE", f"/v1/mailboxes/{going['id']}")
    await customer.advance("P1M")
    await customer.follow()
    assert await names(owner) == ["bob", "ada"]
    async with customer.database.begin_system("test") as tx:
        await subscriptions.renew(tx, customer.subscription_id)
    early = await owner.call("DELETE", f"/v1/mailboxes/{going['id']}?at=now")
    assert early.status_code == 404  # its slot is gone; it follows
    for _ in range(2):
        await customer.follow()
    assert await names(owner) == ["bob"]
    assert await customer.used() == (1, 0)
    assert (await owner.call("GET", f"/v1/domains/{owner.domain}")).json()["mailbox_count"] == 1
    assert (await owner.call("GET", f"/v1/mailboxes/{staying['id']}")).json() == staying
    await customer.advance("P29D")
    assert (await owner.call("POST", f"/v1/mailboxes/{going['id']}/restore")).json()["status"] == "active"


async def test_mailboxes_are_suspended_restored_and_removed_with_their_subscription(
    customer: Customer, owner: Owner
) -> None:
    ada, bob = await owner.create("ada"), await owner.create("bob")
    await owner.call("POST", f"/v1/mailboxes/{bob['id']}/suspend")
    await customer.become("suspended")
    for box in (ada, bob):
        assert (await owner.call("GET", f"/v1/mailboxes/{box['id']}")).json()["status"] == "suspended"
    refused = await owner.call("POST", f"/v1/mailboxes/{ada['id']}/resume")
    assert (refused.status_code, refused.json()["code"]) == (409, "mailbox.subscription_suspended")
    await customer.become("active")
    assert (await owner.call("GET", f"/v1/mailboxes/{ada['id']}")).json() == ada
    assert (await owner.call("GET", f"/v1/mailboxes/{bob['id']}")).json()["status"] == "suspended"
    await customer.become("cancelled")
    assert await names(owner) == []
    assert (await owner.call("GET", f"/v1/domains/{owner.domain}")).json()["mailbox_count"] == 0
    none = await owner.call("POST", f"/v1/mailboxes/{ada['id']}/restore")
    assert (none.status_code, none.json()["code"]) == (402, "subscription.none_active")
    await one_subscription(customer.database, customer.workspace_id)
    assert (await owner.call("POST", f"/v1/mailboxes/{bob['id']}/restore")).json()["status"] == "active"


async def test_a_removal_moves_with_the_period(customer: Customer, owner: Owner, database: Database) -> None:
    made = await owner.create("ada")
    await owner.call("DELETE", f"/v1/mailboxes/{made['id']}")
    await customer.own(100_000)
    async with database.begin(owner.person.actor()) as tx:
        changed, _ = await subscriptions.change(tx, customer.subscription_id, interval="year")
    await customer.follow()
    end = changed.current_period_end.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert (await owner.call("GET", f"/v1/mailboxes/{made['id']}")).json()["removal_at"] == end


async def test_many_mailboxes_follow_in_parts(
    customer: Customer, owner: Owner, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_FOLLOW_AT_ONCE", 2)  # the size of a part, which no caller chooses
    for n in range(5):
        await owner.create(f"box{n}")
    await customer.become("suspended")
    shown = (await owner.call("GET", "/v1/mailboxes")).json()["data"]
    assert {each["status"] for each in shown} == {"suspended"}
    await customer.become("cancelled")
    assert await names(owner) == []


def test_every_event_of_a_subscription_that_matters_is_followed() -> None:
    for event in ("renewed", "suspended", "restored", "cancelled", "period_moved"):
        assert "mailboxes.follow_subscription" in HANDLERS[f"subscription.{event}"]
    assert JOBS["mailboxes.follow_subscription"] is jobs.follow_subscription


async def test_a_mailbox_of_no_subscription_goes_at_once_only(customer: Customer, owner: Owner) -> None:
    made = await owner.create("ada")
    async with customer.database.begin_system("test") as tx:
        await tx.execute("UPDATE mailboxes SET subscription_id = NULL WHERE id = %(id)s", id=made["id"])
    refused = await owner.call("DELETE", f"/v1/mailboxes/{made['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "mailbox.only_at_once")
    assert (await owner.call("DELETE", f"/v1/mailboxes/{made['id']}?at=now")).json()["status"] == "removed"


async def test_users_see_plan_slots_and_balance(customer: Customer, owner: Owner) -> None:
    await owner.create("ada")
    shown = (await owner.call("GET", "/v1/users")).json()
    assert (shown["plan"], shown["purchased_mailboxes"], shown["assigned_mailboxes"]) == ("starter", 10, 1)
    assert shown["wallet_balance"] == {"amount": 10_000, "currency": "USD"}
    await customer.become("cancelled")
    shown = (await owner.call("GET", "/v1/users")).json()
    assert (shown["plan"], shown["purchased_mailboxes"], shown["assigned_mailboxes"]) == (None, 0, 0)


async def test_the_contract_says_that_restoring_needs_no_body(owner: Owner) -> None:
    paths = (await owner.client.get("/openapi.json")).json()["paths"]
    assert paths["/v1/mailboxes/{mailbox_id}/restore"]["post"]["requestBody"]["required"] is False
    assert paths["/v1/billings"]["post"]["requestBody"]["required"] is True
    page = paths["/v1/billings/invoices/{invoice_id}"]["get"]["responses"]["200"]["content"]
    assert list(page) == ["application/json", "text/html"]
