"""A workspace that bills to another one: what the other pays for, and what row-level security shows."""

import secrets as random
from dataclasses import dataclass

import httpx
import pytest

from litemail import billing, subscriptions, wallet
from litemail.billing import Line
from litemail.kit import ids
from litemail.kit.actor import Actor
from litemail.kit.db import Database
from litemail.workspaces import roles
from tests.billing.test_billing_details import ADA
from tests.conftest import NewPerson, Person


@dataclass(frozen=True)
class Place:
    """A person at work in one workspace."""

    client: httpx.AsyncClient
    person: Person
    workspace_id: str
    payer: str

    async def call(self, method: str, path: str, json: object = None, **headers: str) -> httpx.Response:
        known = {**self.person.headers, "x-workspace-id": self.workspace_id, **headers}
        return await self.client.request(method, path, headers=known, json=json)

    async def ids_of(self, path: str) -> list[str]:
        return [each["id"] for each in (await self.call("GET", path)).json()["data"]]

    @property
    def actor(self) -> Actor:
        return Actor(
            user_id=self.person.user_id,
            workspace_id=self.workspace_id,
            paying_workspace_id=self.payer,
            mode="sandbox",
            role="owner",
            scopes=roles.EVERYTHING,
        )


@dataclass(frozen=True)
class Agency:
    """`client` bills to `home`; `other`, of the same owner, pays for itself."""

    home: Place
    client: Place
    other: Place


async def set_up(database: Database, workspace_id: str, *, balance: int) -> None:
    """The starter plan, all of its slots taken, and that much money."""
    async with database.begin_system("test") as tx:
        await tx.execute(
            "UPDATE subscriptions SET status = 'cancelled', due_at = NULL WHERE workspace_id = %(id)s", id=workspace_id
        )
        subscription = await subscriptions.grant(tx, workspace_id, plan="starter")
        await tx.execute("UPDATE subscriptions SET used = quantity WHERE id = %(id)s", id=subscription.id)
        await wallet.open_(tx, workspace_id)
        if difference := balance - (await wallet.balance(tx, workspace_id)).available:
            await wallet.adjust(tx, workspace_id=workspace_id, amount=difference, reason="test")


async def balance(database: Database, workspace_id: str) -> int:
    async with database.begin_system("test") as tx:
        return (await wallet.balance(tx, workspace_id)).available


@pytest.fixture
async def agency(client: httpx.AsyncClient, person: Person, database: Database) -> Agency:
    async def make(name: str, payer: str | None) -> str:
        body = {"name": name} if payer is None else {"name": name, "billing_workspace_id": payer}
        answer = await client.post("/v1/workspaces", json=body, headers=person.headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    home = person.workspace_id
    for_client, other = await make("Client", home), await make("Other", None)
    for workspace_id, money in ((home, 5000), (for_client, 0), (other, 7000)):
        await set_up(database, workspace_id, balance=money)
    return Agency(
        Place(client, person, home, home),
        Place(client, person, for_client, home),
        Place(client, person, other, other),
    )


async def a_domain(place: Place, database: Database) -> str:
    name = f"{random.token_hex(6)}.test"
    await place.call("POST", "/v1/domains/connect", json={"domains": [name]})
    async with database.begin_system("test") as tx:
        await tx.execute("UPDATE domains SET status = 'active' WHERE name = %(name)s", name=name)
    return name


def mailbox(domain: str) -> dict[str, object]:
    return {"domain": domain, "username": "ada", "first_name": "Ada", "last_name": "Lovelace", "buy_slots": True}


async def test_the_paying_workspace_pays_and_is_billed(agency: Agency, database: Database) -> None:
    domain = await a_domain(agency.client, database)
    refused = await agency.client.call("POST", "/v1/mailboxes", json=mailbox(domain))
    assert (refused.status_code, refused.json()["code"]) == (409, "billing.details_required")
    await agency.home.call("POST", "/v1/billings", json=ADA)
    made = await agency.client.call("POST", "/v1/mailboxes", json=mailbox(domain))
    assert made.status_code == 201, made.text
    spent = 5000 - await balance(database, agency.home.workspace_id)
    assert 0 < spent <= 370
    assert await balance(database, agency.client.workspace_id) == 0
    invoices = await agency.home.ids_of("/v1/billings/invoices")
    assert len(invoices) == 1
    assert await agency.client.ids_of("/v1/billings/invoices") == invoices
    assert await agency.other.ids_of("/v1/billings/invoices") == []
    shown = (await agency.client.call("GET", f"/v1/billings/invoices/{invoices[0]}")).json()
    assert (shown["total"]["amount"], shown["bill_to"]["city"]) == (spent, "London")
    assert (await agency.other.call("GET", f"/v1/billings/invoices/{invoices[0]}")).status_code == 404
    assert (await agency.home.call("GET", f"/v1/mailboxes/{made.json()['id']}")).status_code == 404


async def test_your_user_shows_the_plan_here_and_the_wallet_that_pays(agency: Agency) -> None:
    at_client = (await agency.client.call("GET", "/v1/users")).json()
    assert (at_client["plan"], at_client["purchased_mailboxes"]) == ("starter", 10)
    assert at_client["wallet_balance"]["amount"] == 5000
    assert (await agency.other.call("GET", "/v1/users")).json()["wallet_balance"]["amount"] == 7000


async def test_billing_details_are_those_of_who_pays(agency: Agency) -> None:
    assert (await agency.client.call("POST", "/v1/billings", json=ADA)).status_code == 201
    assert (await agency.home.call("GET", "/v1/billings")).json()["city"] == "London"
    assert (await agency.home.call("POST", "/v1/billings", json=ADA)).status_code == 409
    assert (await agency.other.call("GET", "/v1/billings")).status_code == 404


async def test_row_level_security_shows_only_who_pays(agency: Agency, database: Database) -> None:
    for place in (agency.home, agency.other):
        await place.call("POST", "/v1/billings", json=ADA)
        async with database.begin(place.actor) as tx:
            line = Line("Plan", 1, 100, 100)
            await billing.invoice_order(tx, ids.new_id("ord"), workspace_id=place.payer, lines=[line])
    for place in (agency.home, agency.client, agency.other):
        async with database.begin(place.actor) as tx:
            for table in ("billing_details", "invoices", "ledger_accounts"):
                owners = await tx.values(str, f"SELECT DISTINCT workspace_id FROM {table}")
                assert owners == [place.payer]
    async with database.begin(agency.client.actor) as tx:
        changed = await tx.execute(
            "UPDATE billing_details SET city = 'Leeds' WHERE workspace_id = %(id)s", id=agency.other.workspace_id
        )
    assert changed == 0


async def test_a_workspace_can_stop_billing_to_another(agency: Agency, database: Database) -> None:
    await agency.home.call("POST", "/v1/billings", json=ADA)
    path = f"/v1/workspaces/{agency.client.workspace_id}"
    alone = await agency.client.call("PUT", path, json={"name": "Client"})
    assert alone.json()["billing_workspace_id"] is None
    domain = await a_domain(agency.client, database)
    refused = await agency.client.call("POST", "/v1/mailboxes", json=mailbox(domain))
    assert refused.json()["code"] == "billing.details_required"
    await agency.client.call("POST", "/v1/billings", json=ADA)
    refused = await agency.client.call("POST", "/v1/mailboxes", json=mailbox(domain))
    assert (refused.status_code, refused.json()["code"]) == (402, "wallet.insufficient_funds")
    again = await agency.client.call(
        "PUT", path, json={"name": "Client", "billing_workspace_id": agency.other.workspace_id}
    )
    assert again.json()["billing_workspace_id"] == agency.other.workspace_id
    await agency.other.call("POST", "/v1/billings", json=ADA)
    assert (await agency.client.call("POST", "/v1/mailboxes", json=mailbox(domain))).status_code == 201
    assert await balance(database, agency.home.workspace_id) == 5000
    assert await balance(database, agency.other.workspace_id) < 7000


async def test_only_the_owners_own_workspaces_of_the_same_mode_can_pay(
    agency: Agency, new_person: NewPerson, database: Database
) -> None:
    stranger = await new_person()
    live = ids.new_id("ws")
    async with database.begin_system("test") as tx:
        await tx.execute(
            """INSERT INTO workspaces (id, owner_id, name, mode, created_at)
               VALUES (%(id)s, %(owner)s, 'Live', 'live', %(now)s)""",
            id=live,
            owner=agency.home.person.user_id,
            now=tx.now,
        )
        await tx.execute(
            """INSERT INTO members (workspace_id, user_id, role, created_at)
               VALUES (%(id)s, %(owner)s, 'owner', %(now)s)""",
            id=live,
            owner=agency.home.person.user_id,
            now=tx.now,
        )
    path = f"/v1/workspaces/{agency.client.workspace_id}"
    for wrong in (stranger.workspace_id, live, ids.new_id("ws"), "nonsense"):
        answer = await agency.client.call("PUT", path, json={"name": "Client", "billing_workspace_id": wrong})
        assert (answer.status_code, answer.json()["code"]) == (422, "workspace.bad_billing_workspace")


async def test_a_key_cannot_reach_a_wallet_that_it_was_not_made_for(agency: Agency) -> None:
    body = {"name": "narrow", "scopes": ["*"], "workspace_ids": [agency.client.workspace_id]}
    key = (await agency.home.call("POST", "/v1/api-keys", json=body)).json()["key"]
    path = f"/v1/workspaces/{agency.client.workspace_id}"

    async def put(payer: str) -> httpx.Response:
        changed = {"name": "Renamed", "billing_workspace_id": payer}
        return await agency.home.client.put(path, json=changed, headers={"x-api-key": key})

    refused = await put(agency.other.workspace_id)
    assert (refused.status_code, refused.json()["code"]) == (422, "workspace.bad_billing_workspace")
    assert (await put(agency.home.workspace_id)).status_code == 200


async def test_an_admin_cannot_name_another_workspace_of_the_owner_as_payer(
    agency: Agency, new_person: NewPerson, database: Database
) -> None:
    admin = await new_person()
    async with database.begin_system("test") as tx:
        for place, role in ((agency.client, "admin"), (agency.other, "viewer")):
            await tx.execute(
                """INSERT INTO members (workspace_id, user_id, role, created_at)
                   VALUES (%(id)s, %(user)s, %(role)s, %(now)s)""",
                id=place.workspace_id,
                user=admin.user_id,
                role=role,
                now=tx.now,
            )
    place = Place(agency.client.client, admin, agency.client.workspace_id, agency.home.workspace_id)
    path = f"/v1/workspaces/{agency.client.workspace_id}"
    changed = {"name": "Client", "billing_workspace_id": agency.other.workspace_id}
    refused = await place.call("PUT", path, json=changed)
    assert (refused.status_code, refused.json()["code"]) == (422, "workspace.bad_billing_workspace")
    kept = {"name": "Renamed", "billing_workspace_id": agency.home.workspace_id}
    renamed = await place.call("PUT", path, json=kept)
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Renamed")
