"""The routes of the wallet, as a customer calls them, with the sandbox's gateway behind."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from litemail import wallet
from litemail.kit import ids
from litemail.kit.db import Database
from litemail.kit.money import Money
from litemail.providers.payments import MethodSaved, Paid
from tests.buyers import DETAILS
from tests.conftest import NewPerson, Person
from tests.wallet.conftest import CARD, event

Call = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def call(as_person: Call) -> Callable[..., Awaitable[Any]]:
    """Calls and expects success."""

    async def make(method: str, path: str, body: object = None, **more: object) -> Any:
        answer = await as_person(method, path, json=body, **more)
        assert answer.is_success, answer.text
        return answer.json()

    return make


async def tell_paid(database: Database, payment: dict[str, Any]) -> None:
    fact = Paid(payment["id"], f"ch_{payment['id']}", Money(payment["amount"]["amount"]))
    async with database.begin_system("test") as tx:
        assert await wallet.receive_gateway_event(tx, event(fact, gateway="sandbox"))


async def test_a_top_up_gives_a_link_and_is_credited_when_paid(
    call: Callable[..., Awaitable[Any]], as_person: Call, database: Database
) -> None:
    before = (await call("GET", "/v1/wallet/balance"))["available"]["amount"]
    answer = await as_person("POST", "/v1/wallet/balance", json={"amount": 5_000})
    assert answer.status_code == 201
    payment = answer.json()
    assert (payment["status"], payment["amount"]) == ("pending", {"amount": 5_000, "currency": "USD"})
    assert payment["payment_link"].startswith("http://litemail.test/pay/")
    await tell_paid(database, payment)
    assert (await call("GET", f"/v1/wallet/payments/{payment['id']}"))["status"] == "succeeded"
    now = await call("GET", "/v1/wallet/balance")
    assert now["available"] == now["balance"] == {"amount": before + 5_000, "currency": "USD"}
    newest = (await call("GET", "/v1/wallet/transactions?limit=1"))["data"][0]
    assert newest["id"].startswith("txn_")
    assert (newest["kind"], newest["amount"]["amount"], newest["payment_id"]) == ("top_up", 5_000, payment["id"])
    assert newest["balance_after"] == now["balance"]


async def test_only_whole_amounts_within_bounds_are_topped_up(as_person: Call) -> None:
    for amount in (0, -500, 499, 1_000_001, 5.5, 5000.0, "5000", True, None, 10**30):
        for path, body in (
            ("/v1/wallet/balance", {"amount": amount}),
            ("/v1/wallet/auto-recharge", {"enabled": True, "amount": amount}),
        ):
            answer = await as_person("POST", path, json=body)
            assert answer.status_code == 422, answer.text
            assert [detail["field"] for detail in answer.json()["details"]] == ["amount"]


async def test_unknown_fields_and_missing_ones_are_named(as_person: Call) -> None:
    answer = await as_person("POST", "/v1/wallet/auto-recharge", json={"threshold": -1, "note": "x"})
    assert answer.status_code == 422
    assert {detail["field"] for detail in answer.json()["details"]} == {"enabled", "threshold", "note"}


async def test_a_repeated_top_up_is_one_payment(as_person: Call) -> None:
    async def ask(amount: int = 5_000) -> httpx.Response:
        return await as_person(
            "POST", "/v1/wallet/balance", json={"amount": amount}, headers={"idempotency-key": "one"}
        )

    first = await ask()
    again = await ask()
    assert again.json() == first.json()
    assert again.status_code == 201
    assert again.headers["idempotency-replayed"] == "true"
    other = await ask(6_000)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.key_reused")


async def test_equal_top_ups_at_once_are_one_payment(as_person: Call) -> None:
    answers = await asyncio.gather(
        *(
            as_person("POST", "/v1/wallet/balance", json={"amount": 5_000}, headers={"idempotency-key": "two"})
            for _ in range(6)
        )
    )
    made = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    assert len(set(made)) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}


async def test_auto_recharge_asks_for_a_card_first(
    call: Callable[..., Awaitable[Any]], as_person: Call, database: Database, person: Person
) -> None:
    answer = await as_person("POST", "/v1/wallet/auto-recharge", json={"enabled": True})
    assert answer.status_code == 200
    link = answer.json().pop("payment_link")
    assert link.startswith("http://litemail.test/pay/")
    assert answer.json() == {
        "enabled": True,
        "threshold": {"amount": 2_000, "currency": "USD"},
        "amount": {"amount": 5_000, "currency": "USD"},
        "payment_method": None,
        "failure": None,
        "next_attempt_at": None,
        "payment_link": link,
    }
    assert (await call("POST", "/v1/wallet/auto-recharge", {"enabled": True}))["payment_link"] == link
    async with database.begin(person.actor()) as tx:
        payment_id = await tx.value(str, "SELECT id FROM payments WHERE purpose = 'save_card'")
    assert payment_id is not None
    async with database.begin_system("test") as tx:
        fact = MethodSaved(payment_id, person.workspace_id, CARD)
        await wallet.receive_gateway_event(tx, event(fact, gateway="sandbox"))
    body = {"enabled": True, "threshold": 0, "amount": 10_000}
    answer = await as_person("POST", "/v1/wallet/auto-recharge", json=body, headers={"idempotency-key": "three"})
    assert answer.json()["payment_link"] is None
    assert answer.json()["payment_method"] == {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030}
    again = await as_person("POST", "/v1/wallet/auto-recharge", json=body, headers={"idempotency-key": "three"})
    assert again.json() == answer.json()
    assert again.headers["idempotency-replayed"] == "true"
    shown = (await call("GET", "/v1/wallet/balance"))["auto_recharge"]
    assert shown["amount"] == {"amount": 10_000, "currency": "USD"}
    assert (await call("POST", "/v1/wallet/auto-recharge", {"enabled": False}))["enabled"] is False


async def test_transactions_are_filtered_by_kind_and_date(call: Callable[..., Awaitable[Any]]) -> None:
    await call("POST", "/v1/sandbox/wallet", {"amount": 777})
    newest = (await call("GET", "/v1/wallet/transactions?count=true"))["data"][0]
    assert (newest["kind"], newest["amount"]["amount"]) == ("adjustment", 777)
    day, moment = newest["created_at"][:10], newest["created_at"]

    async def found(query: str) -> list[str]:
        return [line["id"] for line in (await call("GET", f"/v1/wallet/transactions?{query}"))["data"]]

    assert newest["id"] in await found(f"from={day}&to={day}&kind=adjustment")
    assert newest["id"] in await found(f"from={moment}")
    assert newest["id"] not in await found(f"to={moment}")
    assert await found("kind=refund") == []
    assert await found("to=2020-01-01") == []
    assert await found("from=2999-01-01T00:00:00%2B02:00") == []


async def test_filters_that_make_no_sense_are_refused(as_person: Call) -> None:
    for query, field in (
        ("from=yesterday", "from"),
        ("to=2026-13-01", "to"),
        ("kind=theft", "kind"),
        ("cursor=MQx", "cursor"),
    ):
        answer = await as_person("GET", f"/v1/wallet/transactions?{query}")
        assert answer.status_code == 422
        assert answer.json()["details"][0]["field"] == field


async def test_sandbox_money_is_for_sandboxes(as_person: Call, call: Callable[..., Awaitable[Any]]) -> None:
    before = (await call("GET", "/v1/wallet/balance"))["balance"]["amount"]
    answer = await as_person("POST", "/v1/sandbox/wallet", json={"amount": 12_345})
    assert answer.status_code == 200
    assert answer.json()["balance"] == {"amount": before + 12_345, "currency": "USD"}
    for amount in (0, -1, 100_000_001, 1.5):
        assert (await as_person("POST", "/v1/sandbox/wallet", json={"amount": amount})).status_code == 422


async def test_sandbox_money_asked_for_twice_under_one_key_comes_once(
    as_person: Call, call: Callable[..., Awaitable[Any]]
) -> None:
    before = (await call("GET", "/v1/wallet/balance"))["balance"]["amount"]
    for _ in range(2):
        await as_person("POST", "/v1/sandbox/wallet", json={"amount": 100}, headers={"idempotency-key": "four"})
    assert (await call("GET", "/v1/wallet/balance"))["balance"]["amount"] == before + 100


async def test_somebody_elses_payment_is_not_found(
    call: Callable[..., Awaitable[Any]], client: httpx.AsyncClient, new_person: NewPerson
) -> None:
    payment = await call("POST", "/v1/wallet/balance", {"amount": 500})
    other = await new_person()
    for payment_id in (payment["id"], ids.new_id("pay"), "pay_nonsense", "x" * 300):
        answer = await client.get(f"/v1/wallet/payments/{payment_id}", headers=other.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "payment.not_found")


async def test_a_key_without_the_scope_does_not_top_up(as_person: Call, client: httpx.AsyncClient) -> None:
    key = (await as_person("POST", "/v1/api-keys", json={"name": "Reader", "scopes": ["billing:read"]})).json()["key"]
    headers = {"x-api-key": key}
    assert (await client.get("/v1/wallet/balance", headers=headers)).status_code == 200
    assert (await client.get("/v1/wallet/transactions", headers=headers)).status_code == 200
    for path, body in (
        ("/v1/wallet/balance", {"amount": 500}),
        ("/v1/wallet/auto-recharge", {"enabled": True}),
        ("/v1/sandbox/wallet", {"amount": 500}),
    ):
        answer = await client.post(path, headers=headers, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "auth.scope_missing")


async def test_a_request_that_the_wallet_does_not_cover_says_what_to_do_and_succeeds_once_paid(
    call: Callable[..., Awaitable[Any]], as_person: Call, database: Database, person: Person
) -> None:
    await call("POST", "/v1/billings", DETAILS)
    async with database.begin_system("test") as tx:
        left = (await wallet.balance(tx, person.workspace_id)).available - 1_000
        await wallet.adjust(tx, workspace_id=person.workspace_id, amount=-left, reason="test")
    wanted = {"plan": "starter", "interval": "month"}
    answer = await as_person("POST", "/v1/subscriptions", json=wanted)
    assert answer.status_code == 402
    problem = answer.json()
    assert problem["code"] == "wallet.insufficient_funds"
    assert problem["shortfall"] == {"amount": 2_700, "currency": "USD"}
    assert problem["recharge"] == "off"
    assert problem["quote"]["total"] == {"amount": 3_700, "currency": "USD"}
    assert problem["quote"]["covered"] is False
    async with database.begin(person.actor()) as tx:
        offered = await tx.value(str, "SELECT id FROM payments WHERE payment_link = %(l)s", l=problem["payment_link"])
    payment = await call("GET", f"/v1/wallet/payments/{offered}")
    assert payment["amount"] == problem["shortfall"]
    await tell_paid(database, payment)
    assert (await as_person("POST", "/v1/subscriptions", json=wanted)).status_code == 201
    assert (await call("GET", "/v1/wallet/balance"))["balance"]["amount"] == 0
