import asyncio
import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import LiteralString

import httpx
import pytest
from psycopg import errors

from litemail import billing
from litemail.billing import Line
from litemail.billing.invoicing import NothingInvoiced, RefundTooLarge, tax_in
from litemail.kit import ids
from litemail.kit.actor import Actor
from litemail.kit.db import Database, Tx
from tests.billing.test_billing_details import ADA
from tests.conftest import Databases, NewPerson, Person

Call = Callable[..., Awaitable[httpx.Response]]

STARTER = Line("Plan Starter, 10 mailboxes, month", 1, 3700, 3700)
ADDONS = Line("Add-on mailboxes, month", 3, 370, 1110)


async def invoice(database: Database, actor: Actor, *lines: Line, order_id: str | None = None) -> str:
    async with database.begin(actor) as tx:
        made = await billing.invoice_order(
            tx, order_id or ids.new_id("ord"), workspace_id=actor.paying_workspace_id, lines=lines or [STARTER]
        )
    assert made is not None
    return made


async def set_terms(database: Database, *, tax_rate: int = 0, seller: str = "Litemail") -> None:
    async with database.begin_system("test") as tx:
        await billing.set_terms(tx, tax_rate=tax_rate, seller=seller)


async def test_an_order_has_one_invoice(as_person: Call, person: Person, database: Database) -> None:
    await as_person("POST", "/v1/billings", json=ADA)
    order_id = ids.new_id("ord")
    first = await invoice(database, person.actor(), STARTER, ADDONS, order_id=order_id)
    assert await invoice(database, person.actor(), STARTER, ADDONS, order_id=order_id) == first
    await as_person("PUT", "/v1/billings", json={"city": "Oxford"})
    shown = (await as_person("GET", f"/v1/billings/invoices/{first}")).json()
    assert shown["total"] == {"amount": 4810, "currency": "USD"} == shown["subtotal"]
    assert shown["tax"] == {"rate": "0", "amount": {"amount": 0, "currency": "USD"}}
    assert [line["amount"]["amount"] for line in shown["lines"]] == [3700, 1110]
    assert (shown["kind"], shown["order_id"], shown["refund_of"]) == ("invoice", order_id, None)
    assert (shown["bill_to"]["city"], shown["bill_to"]["country"]) == ("London", "GB")
    listed = (await as_person("GET", "/v1/billings/invoices?count=true")).json()
    assert (listed["data"], listed["total"]) == ([shown], 1)


async def test_nothing_is_no_invoice(person: Person, database: Database) -> None:
    async with database.begin(person.actor()) as tx:
        lines = [Line("Unused time", 1, -3700, -3700), STARTER]
        assert await billing.invoice_order(tx, ids.new_id("ord"), workspace_id=person.workspace_id, lines=lines) is None


async def test_numbers_have_no_gaps_whatever_fails(databases: Databases) -> None:
    async with databases.fresh() as database:
        async with database.begin_system("test") as tx:
            workspaces = [await a_workspace(tx) for _ in range(3)]

        async def sell(number: int) -> None:
            workspace_id = workspaces[number % 3]
            async with database.begin_system("test") as tx:
                await billing.invoice_order(tx, ids.new_id("ord"), workspace_id=workspace_id, lines=[STARTER])
                await asyncio.sleep(0)
                if number % 4 == 0:
                    raise LookupError(number)

        ends = await asyncio.gather(*map(sell, range(40)), return_exceptions=True)
        assert sum(isinstance(end, LookupError) for end in ends) == 10
        async with database.begin_system("test") as tx:
            assert await tx.values(int, "SELECT number FROM invoices ORDER BY number") == list(range(1, 31))
            assert await billing.find_gap(tx) is None


async def test_a_long_sale_keeps_nobody_waiting(databases: Databases) -> None:
    async with databases.fresh() as database:
        async with database.begin_system("test") as tx:
            first, second = await a_workspace(tx), await a_workspace(tx)
        async with asyncio.timeout(10), database.begin_system("slow") as slow:
            late = await billing.invoice_order(slow, ids.new_id("ord"), workspace_id=first, lines=[STARTER])
            async with database.begin_system("fast") as fast:
                early = await billing.invoice_order(fast, ids.new_id("ord"), workspace_id=second, lines=[STARTER])
        async with database.begin_system("test") as tx:
            assert await tx.values(str, "SELECT id FROM invoices ORDER BY number") == [early, late]


async def test_sandboxes_count_by_themselves(databases: Databases) -> None:
    async with databases.fresh() as database:
        async with database.begin_system("test") as tx:
            for mode in ("sandbox", "live", "sandbox"):
                workspace_id = await a_workspace(tx, mode=mode)
                await billing.invoice_order(tx, ids.new_id("ord"), workspace_id=workspace_id, lines=[STARTER])
        async with database.begin_system("test") as tx:
            rows = await tx.values(str, "SELECT mode || ' ' || number FROM invoices ORDER BY mode, number")
        assert rows == ["live 1", "sandbox 1", "sandbox 2"]


async def a_workspace(tx: Tx, *, mode: str = "sandbox") -> str:
    workspace_id, user_id = ids.new_id("ws"), ids.new_id("user")
    await tx.execute(
        """INSERT INTO users (id, email, password_hash, first_name, last_name, created_at)
           VALUES (%(id)s, %(email)s, '', '', '', %(now)s)""",
        id=user_id,
        email=user_id,
        now=tx.now,
    )
    await tx.execute(
        """INSERT INTO workspaces (id, owner_id, name, mode, created_at)
           VALUES (%(id)s, %(owner)s, 'Acme', %(mode)s, %(now)s)""",
        id=workspace_id,
        owner=user_id,
        mode=mode,
        now=tx.now,
    )
    return workspace_id


@pytest.mark.parametrize(
    "change", ["UPDATE invoices SET number = 7 WHERE id = %(id)s", "DELETE FROM invoices WHERE id = %(id)s"]
)
async def test_an_issued_invoice_never_changes(person: Person, database: Database, change: LiteralString) -> None:
    made = await invoice(database, person.actor())
    with pytest.raises((errors.RestrictViolation, errors.InsufficientPrivilege)):
        async with database.begin_system("test") as tx:
            await tx.execute(change, id=made)
    with pytest.raises(errors.InsufficientPrivilege):
        async with database.begin(person.actor()) as tx:
            await tx.execute("UPDATE invoices SET total = 1 WHERE id = %(id)s", id=made)


@pytest.mark.parametrize(
    ("total", "rate", "tax"),
    [
        (11900, 1900, 1900),
        (3700, 0, 0),
        (3700, 775, 266),
        (1, 2000, 0),
        (3, 2000, 1),
        (-11900, 1900, -1900),
        (-3, 2000, -1),
    ],
)
def test_tax_is_contained(total: int, rate: int, tax: int) -> None:
    assert tax_in(total, rate) == tax


async def test_refunds_are_invoices_with_negative_lines(as_person: Call, person: Person, databases: Databases) -> None:
    async with databases.fresh() as database:
        await set_terms(database, tax_rate=775, seller="Acme Hosting Ltd")
        async with database.begin_system("test") as tx:
            payer = await a_workspace(tx)
        order_id = ids.new_id("ord")
        async with database.begin_system("test") as tx:
            await billing.invoice_order(tx, order_id, workspace_id=payer, lines=[STARTER])
        await set_terms(database, tax_rate=2000, seller="Acme Holdings")
        parts = [1000, 1000, 1700]
        for number, amount in enumerate(parts):
            for _ in range(2):
                async with database.begin_system("test") as tx:
                    await billing.credit_order(tx, order_id, amount=amount, reason="not used", key=f"txn{number}")
        async with database.begin_system("test") as tx:
            with pytest.raises(RefundTooLarge):
                await billing.credit_order(tx, order_id, amount=1, reason="too much", key="more")
            with pytest.raises(NothingInvoiced):
                await billing.credit_order(tx, ids.new_id("ord"), amount=1, reason="unknown", key="x")
            rows = await tx.values(
                str, "SELECT concat_ws(' ', number, kind, total, tax, seller) FROM invoices ORDER BY number"
            )
        assert rows == [
            "1 invoice 3700 266 Acme Hosting Ltd",
            "2 refund -1000 -72 Acme Hosting Ltd",
            "3 refund -1000 -72 Acme Hosting Ltd",
            "4 refund -1700 -122 Acme Hosting Ltd",
        ]


async def test_two_refunds_at_once_never_exceed_the_invoice(person: Person, database: Database) -> None:
    order_id = ids.new_id("ord")
    await invoice(database, person.actor(), order_id=order_id)

    async def refund(key: int) -> None:
        async with database.begin_system("test") as tx:
            await billing.credit_order(tx, order_id, amount=1500, reason="double", key=str(key))

    ends = await asyncio.gather(*map(refund, range(5)), return_exceptions=True)
    assert sum(end is None for end in ends) == 2
    assert sum(isinstance(end, RefundTooLarge) for end in ends) == 3


async def test_an_invoice_is_a_page_for_browsers(as_person: Call, person: Person, database: Database) -> None:
    nasty = {**ADA, "company": "<script>alert(1)</script> & Sons", "tax_id": "{{ 7 * 7 }}"}
    await as_person("POST", "/v1/billings", json=nasty)
    order_id = ids.new_id("ord")
    made = await invoice(database, person.actor(), Line('<b>"Plan"</b>', 1000, 370, 370_000), order_id=order_id)
    browser = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    page = await as_person("GET", f"/v1/billings/invoices/{made}", headers=browser)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["vary"] == "accept"
    assert page.headers["content-security-policy"].startswith("default-src 'none'; ")
    style = re.findall(r"<style>(.*)</style>", page.text, re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert "<b>" not in page.text
    for text in ("&lt;script&gt;", "&amp; Sons", "{{ 7 * 7 }}", "3,700.00", "SW1Y 4JH", order_id, "sandbox workspace"):
        assert text in page.text
    assert re.search(r"<title>Invoice \d+</title>", page.text)
    async with database.begin(person.actor()) as tx:
        refund = await billing.credit_order(tx, order_id, amount=1234, reason="half a month", key="k")
    page = await as_person("GET", f"/v1/billings/invoices/{refund}", headers={"accept": "text/html"})
    assert "-12.34" in page.text
    assert re.search(r"<h1>Refund \d+</h1>", page.text)
    assert re.search(r"<dd>Invoice \d+ of \d{4}-\d\d-\d\d</dd>", page.text)


@pytest.mark.parametrize(
    "accept", ["", "*/*", "application/json", "text/html;q=0.5, application/json", "text/html;q=x", ";;,;q=", "text/*"]
)
async def test_programs_get_json(as_person: Call, person: Person, database: Database, accept: str) -> None:
    made = await invoice(database, person.actor())
    answer = await as_person("GET", f"/v1/billings/invoices/{made}", headers={"accept": accept})
    assert answer.json()["id"] == made


async def test_pages_of_invoices(as_person: Call, person: Person, database: Database) -> None:
    made = [await invoice(database, person.actor()) for _ in range(3)]
    first = (await as_person("GET", "/v1/billings/invoices?limit=2")).json()
    rest = (await as_person("GET", f"/v1/billings/invoices?limit=2&cursor={first['next_cursor']}")).json()
    assert [each["id"] for each in first["data"] + rest["data"]] == made[::-1]
    assert rest["next_cursor"] is None


async def test_invoices_of_others_are_not_there(
    client: httpx.AsyncClient, person: Person, new_person: NewPerson, database: Database
) -> None:
    made = await invoice(database, person.actor())
    stranger = await new_person()
    for path in (
        f"/v1/billings/invoices/{made}",
        "/v1/billings/invoices/nonsense",
        f"/v1/billings/invoices/{ids.new_id('inv')}",
    ):
        for accept in ("text/html", "application/json"):
            answer = await client.get(path, headers={**stranger.headers, "accept": accept})
            assert (answer.status_code, answer.json()["code"]) == (404, "billing.invoice_not_found")
    assert (await client.get("/v1/billings/invoices", headers=stranger.headers)).json()["data"] == []


async def test_a_sandbox_dates_invoices_by_its_own_time(as_person: Call, person: Person, database: Database) -> None:
    then = datetime(2031, 3, 31, 12, tzinfo=UTC)
    async with database.begin(person.actor()) as tx:
        made = await billing.invoice_order(
            tx, ids.new_id("ord"), workspace_id=person.workspace_id, lines=[STARTER], issued_at=then
        )
    shown = (await as_person("GET", f"/v1/billings/invoices/{made}")).json()
    assert shown["issued_at"] == "2031-03-31T12:00:00.000Z"
