"""The hosted page of the sandbox's gateway, through the API and with a form as a browser sends it."""

from datetime import timedelta
from html.parser import HTMLParser

import httpx
import msgspec
import pytest
import structlog.testing

from litemail.kit import clock
from litemail.kit.db import Database
from litemail.kit.ids import new_id
from litemail.kit.money import Money
from litemail.providers.payments import (
    Checkout,
    DeclineReason,
    Expired,
    Fact,
    Failed,
    Gateway,
    GatewayEvent,
    Gateways,
    MethodSaved,
    Paid,
    Payer,
    SavedMethod,
)
from litemail.servers.sandbox import gateway_jobs
from litemail.servers.sandbox.gateway_cards import CARDS
from tests.conftest import PAY_LINKS, Person

GOOD, DECLINED, SHORT = "4242 4242 4242 4242", "4000 0000 0000 0002", "4000 0000 0000 9995"
FIFTY = Money(123456)


@pytest.fixture
def gateway(gateways: Gateways) -> Gateway:
    return gateways.of_mode("sandbox")


@pytest.fixture
def payment_id() -> str:
    return new_id("pay")


@pytest.fixture
async def page(gateway: Gateway, person: Person, payment_id: str) -> Checkout:
    """The page of a top-up."""
    payer = Payer(person.workspace_id, person.email)
    return await gateway.create_top_up(payment_id, amount=FIFTY, payer=payer, description="Top-up & <b>more</b>")


@pytest.fixture
async def card_page(gateway: Gateway, person: Person, payment_id: str) -> Checkout:
    return await gateway.create_save_card(payment_id, payer=Payer(person.workspace_id, person.email))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_the_log_does_not_have_the_token(client: httpx.AsyncClient, page: Checkout, method: str):
    with structlog.testing.capture_logs() as lines:
        await client.request(method, page.link)
    assert [line["path"] for line in lines if line["event"] == "request"] == ["/pay/{token}"]
    assert page.link.rpartition("/")[2] not in str(lines)


async def told(database: Database, payment_id: str) -> list[Fact]:
    """What the gateway has to tell of a payment."""
    async with database.begin_system("test") as tx:
        bodies = await tx.values(
            str,
            "SELECT body FROM sandbox.gateway_events WHERE body LIKE '%%' || %(id)s || '%%' ORDER BY id",
            id=payment_id,
        )
    return [msgspec.json.decode(body, type=GatewayEvent).fact for body in bodies]


async def rows(database: Database, payment_id: str) -> tuple[int | None, ...]:
    """How much the gateway keeps about a payment, and how far its pages have come."""
    async with database.begin_system("test") as tx:
        pages = await tx.value(
            int,
            """SELECT count(*) * 100 + count(*) FILTER (WHERE status <> 'open')
               FROM sandbox.gateway_pages WHERE payment_id = %(id)s""",
            id=payment_id,
        )
        charges = await tx.value(
            int, "SELECT count(*) FROM sandbox.gateway_charges WHERE payment_id = %(id)s", id=payment_id
        )
        cards = await tx.value(
            int, "SELECT count(*) FROM sandbox.gateway_cards WHERE payment_id = %(id)s", id=payment_id
        )
    return pages, charges, cards, len(await told(database, payment_id))


async def let_expire(database: Database, payment_id: str) -> None:
    async with database.begin_system("test") as tx:
        await tx.execute(
            "UPDATE sandbox.gateway_pages SET expires_at = %(past)s WHERE payment_id = %(id)s",
            past=clock.now() - timedelta(seconds=1),
            id=payment_id,
        )


class Reader(HTMLParser):
    """What a page consists of, for questions about it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


async def test_the_page_shows_what_is_to_be_paid(client: httpx.AsyncClient, page: Checkout) -> None:
    answer = await client.get(page.link)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "1,234.56" in answer.text
    assert "Top-up &amp; &lt;b&gt;more&lt;/b&gt;" in answer.text
    for card in CARDS.values():
        assert card.shown in answer.text


async def test_the_page_is_closed_to_scripts_frames_and_other_hosts(client: httpx.AsyncClient, page: Checkout) -> None:
    answer = await client.get(page.link)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    read = Reader(answer.text)
    assert not read.all("script")
    assert not read.all("link")
    assert not read.all("img")
    assert not [attributes for _, attributes in read.tags if "style" in attributes]
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]


async def test_the_page_can_be_used_without_seeing_it(client: httpx.AsyncClient, page: Checkout) -> None:
    read = Reader((await client.get(page.link)).text)
    assert read.all("html")[0]["lang"] == "en"
    assert len(read.all("main")) == len(read.all("h1")) == 1
    labels = {label["for"] for label in read.all("label")}
    fields = read.all("input")
    assert fields
    assert {field["id"] for field in fields} <= labels
    [number] = [field for field in fields if field["name"] == "card_number"]
    assert (number["autocomplete"], number["inputmode"]) == ("cc-number", "numeric")
    failed = Reader((await client.post(page.link, data={"card_number": DECLINED})).text)
    assert [box for box in failed.all("div") if box.get("role") == "alert"]
    assert next(field for field in failed.all("input") if field["id"] == "card_number")["aria-invalid"] == "true"


async def test_looking_changes_nothing(
    client: httpx.AsyncClient, database: Database, page: Checkout, payment_id: str
) -> None:
    before = await rows(database, payment_id)
    for _ in range(3):
        assert (await client.get(page.link)).status_code == 200
        assert (await client.head(page.link)).status_code == 200
    await client.get(page.link, params={"card_number": GOOD, "action": "renew"})
    assert await rows(database, payment_id) == before
    await let_expire(database, payment_id)
    assert (await client.get(page.link)).status_code == 410
    assert await rows(database, payment_id) == before


@pytest.mark.parametrize("typed", [GOOD, "4242424242424242", " 4242-4242-4242-4242 "])
async def test_the_good_card_pays(
    client: httpx.AsyncClient, database: Database, page: Checkout, payment_id: str, typed: str
) -> None:
    answer = await client.post(page.link, data={"card_number": typed})
    assert answer.status_code == 303
    shown = await client.get(page.link)
    assert str(answer.url.join(answer.headers["location"])) == page.link
    assert shown.status_code == 200
    assert "Paid." in shown.text
    assert not Reader(shown.text).all("form")
    [fact] = await told(database, payment_id)
    assert isinstance(fact, Paid)
    assert (fact.payment_id, fact.amount) == (payment_id, FIFTY)


async def test_paying_twice_charges_once(
    client: httpx.AsyncClient, database: Database, page: Checkout, payment_id: str
) -> None:
    for _ in range(3):
        assert (await client.post(page.link, data={"card_number": GOOD})).status_code == 303
    assert (await client.post(page.link, data={"card_number": DECLINED})).status_code == 303
    assert await rows(database, payment_id) == (101, 1, 0, 1)


@pytest.mark.parametrize(
    ("number", "reason"), [(DECLINED, DeclineReason.CARD_DECLINED), (SHORT, DeclineReason.INSUFFICIENT_FUNDS)]
)
async def test_a_bad_card_is_declined_and_another_may_pay(
    client: httpx.AsyncClient, database: Database, page: Checkout, payment_id: str, number: str, reason: DeclineReason
) -> None:
    answer = await client.post(page.link, data={"card_number": number})
    assert answer.status_code == 402
    assert {"card_declined": "was declined", "insufficient_funds": "insufficient funds"}[reason] in answer.text
    assert Reader(answer.text).all("form")
    [fact] = await told(database, payment_id)
    assert isinstance(fact, Failed)
    assert (fact.decline.reason, fact.final) == (reason, False)
    assert (await client.post(page.link, data={"card_number": GOOD})).status_code == 303


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"card_number": ""},
        {"card": "4111 1111 1111 1111"},
        {"card_number": "4111 1111 1111 1111"},
        {"card_number": "42424242424242424"},
        {"card_number": "\x00"},
        {"card_number": "<script>alert(1)</script>"},
        {"saved_card": "card_01k5m3v8w0e3t9f7a2b4c6d8ee"},
        {"saved_card": "' OR 1=1 --", "card_number": " "},
        {"number": GOOD},
    ],
)
async def test_what_is_no_test_card_is_refused(
    client: httpx.AsyncClient, database: Database, page: Checkout, payment_id: str, form: dict[str, str]
) -> None:
    before = await rows(database, payment_id)
    answer = await client.post(page.link, data=form or {"x": "y"})
    assert answer.status_code == 422
    assert "not one of the test cards" in answer.text
    assert "<script" not in answer.text
    assert await rows(database, payment_id) == before


async def test_programs_may_say_card(client: httpx.AsyncClient, page: Checkout) -> None:
    assert (await client.post(page.link, data={"card": GOOD})).status_code == 303


async def test_other_bodies_than_a_form_are_refused(
    client: httpx.AsyncClient, database: Database, page: Checkout, payment_id: str
) -> None:
    before = await rows(database, payment_id)
    form = {"content-type": "application/x-www-form-urlencoded"}
    for status, sent in (
        (415, client.post(page.link, json={"card_number": GOOD})),
        (415, client.post(page.link)),
        (415, client.post(page.link, files={"card_number": GOOD})),
        (413, client.post(page.link, data={"card_number": "4" * 5000})),
        (415, client.post(page.link, content=b"\xff=\xff", headers=form)),
        (415, client.post(page.link, content=b"&".join([b"a=1"] * 100), headers=form)),
    ):
        answer = await sent
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/html")
        assert "content-security-policy" in answer.headers
    assert await rows(database, payment_id) == before


async def test_a_link_that_nobody_gave_out_leads_nowhere(client: httpx.AsyncClient, page: Checkout) -> None:
    token = page.link.rpartition("/")[2]
    last = "A" if token[-1] != "A" else "B"
    unknown = PAY_LINKS.token(new_id("page"))
    for wrong in (token[:-1] + last, token[:-1], token + "A", token[:26], "x", "%00", "ü", unknown, token.upper()):
        for answer in (
            await client.get(f"http://litemail.test/pay/{wrong}"),
            await client.post(f"http://litemail.test/pay/{wrong}", data={"card_number": GOOD}),
        ):
            assert answer.status_code == 404, wrong
            assert answer.headers["content-type"].startswith("text/html")
            assert "no payment at this address" in answer.text
    assert (await client.get(page.link)).status_code == 200


async def test_an_expired_link_offers_a_new_one_for_the_same_payment(
    client: httpx.AsyncClient, database: Database, page: Checkout, payment_id: str
) -> None:
    await let_expire(database, payment_id)
    shown = await client.get(page.link)
    assert shown.status_code == 410
    [button] = Reader(shown.text).all("button")
    assert (button["name"], button["value"]) == ("action", "renew")
    assert (await client.post(page.link, data={"card_number": GOOD})).status_code == 410
    assert await told(database, payment_id) == []

    offered = await client.post(page.link, data={"action": "renew"})
    assert offered.status_code == 303
    fresh = str(offered.url.join(offered.headers["location"]))
    assert fresh != page.link
    again = await client.post(page.link, data={"action": "renew"})
    assert str(again.url.join(again.headers["location"])) == fresh
    assert await told(database, payment_id) == [Expired(payment_id)]

    assert (await client.get(fresh)).status_code == 200
    assert (await client.post(fresh, data={"card_number": GOOD})).status_code == 303
    assert "Paid." in (await client.get(fresh)).text
    assert (await client.post(page.link, data={"card_number": GOOD})).status_code == 410
    assert isinstance((await told(database, payment_id))[-1], Paid)
    assert (await rows(database, payment_id))[1] == 1


async def test_a_page_left_alone_is_closed_and_told(database: Database, page: Checkout, payment_id: str) -> None:
    assert page.link
    await let_expire(database, payment_id)
    await gateway_jobs.tidy(database=database)
    await gateway_jobs.tidy(database=database)
    assert await told(database, payment_id) == [Expired(payment_id)]


async def test_a_card_is_saved_and_then_pays(
    client: httpx.AsyncClient,
    database: Database,
    gateway: Gateway,
    person: Person,
    card_page: Checkout,
    payment_id: str,
) -> None:
    shown = await client.get(card_page.link)
    assert "Save card" in shown.text
    assert "0.00" not in shown.text
    assert (await client.post(card_page.link, data={"card_number": GOOD})).status_code == 303
    assert "The card is saved." in (await client.get(card_page.link)).text
    method = await saved_method(database, payment_id)

    payer = Payer(person.workspace_id, person.email, method.customer)
    other = new_id("pay")
    page = await gateway.create_top_up(other, amount=FIFTY, payer=payer, description="Top-up")
    read = Reader((await client.get(page.link)).text)
    [choice] = [field for field in read.all("input") if field["value"] == method.reference]
    assert "checked" in choice
    typed_too = await client.post(page.link, data={"saved_card": method.reference, "card_number": DECLINED})
    assert typed_too.status_code == 402
    answer = await client.post(page.link, data={"saved_card": method.reference, "card_number": ""})
    assert answer.status_code == 303
    assert isinstance((await told(database, other))[-1], Paid)


async def test_a_declined_card_cannot_be_saved(
    client: httpx.AsyncClient, database: Database, card_page: Checkout, payment_id: str
) -> None:
    assert (await client.post(card_page.link, data={"card_number": DECLINED})).status_code == 402
    assert (await client.post(card_page.link, data={"card_number": SHORT})).status_code == 303
    assert (await saved_method(database, payment_id)).last4 == "9995"


async def test_saved_cards_of_others_are_neither_shown_nor_taken(
    client: httpx.AsyncClient,
    database: Database,
    gateway: Gateway,
    person: Person,
    card_page: Checkout,
    payment_id: str,
) -> None:
    await client.post(card_page.link, data={"card_number": GOOD})
    reference = (await saved_method(database, payment_id)).reference
    payer = Payer(person.workspace_id, person.email)
    page = await gateway.create_top_up(new_id("pay"), amount=FIFTY, payer=payer, description="Top-up")
    assert reference not in (await client.get(page.link)).text
    assert (await client.post(page.link, data={"saved_card": reference})).status_code == 422


async def test_people_come_back_to_a_page_from_other_gateways(client: httpx.AsyncClient) -> None:
    answer = await client.get("http://litemail.test/pay/done")
    assert answer.status_code == 200
    assert "Thank you" in answer.text


async def saved_method(database: Database, payment_id: str) -> SavedMethod:
    fact = (await told(database, payment_id))[-1]
    assert isinstance(fact, MethodSaved)
    return fact.method
