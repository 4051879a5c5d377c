from collections.abc import Awaitable, Callable

import httpx
import pytest

from litemail import billing
from litemail.billing.countries import COUNTRIES
from litemail.kit.db import Database
from tests.conftest import NewPerson, Person

Call = Callable[..., Awaitable[httpx.Response]]

ADA: dict[str, str] = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "company": "Analytical Engines Ltd",
    "address_line_1": "12 St James's Square",
    "city": "London",
    "country": "gb",
    "postal_code": "SW1Y 4JH",
    "phone": "+44 20 7946 0958",
}


async def test_details_are_created_read_and_changed(as_person: Call) -> None:
    assert (await as_person("GET", "/v1/billings")).json()["code"] == "billing.details_not_found"
    assert (await as_person("PUT", "/v1/billings", json=ADA)).json()["code"] == "billing.details_not_found"
    created = await as_person("POST", "/v1/billings", json=ADA)
    assert created.status_code == 201, created.text
    shown = created.json()
    assert (shown["country"], shown["phone"], shown["tax_id"]) == ("GB", "+442079460958", None)
    again = await as_person("POST", "/v1/billings", json=ADA)
    assert (again.status_code, again.json()["code"]) == (409, "billing.details_exist")
    changed = await as_person("PUT", "/v1/billings", json={"company": None, "tax_id": "GB123456789"})
    assert changed.status_code == 200
    read = (await as_person("GET", "/v1/billings")).json()
    assert read == changed.json()
    assert (read["company"], read["tax_id"], read["city"]) == (None, "GB123456789", "London")
    whole = await as_person("PUT", "/v1/billings", json={**ADA, "city": "Oxford"})
    assert (whole.status_code, whole.json()["city"]) == (200, "Oxford")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("country", "XK"),
        ("country", "UK"),
        ("country", "United Kingdom"),
        ("country", ""),
        ("country", "ß"),
        ("phone", "020 7946 0958"),
        ("phone", "+12"),
        ("phone", "+999123456789"),
        ("phone", "+1415555267199999"),
        ("phone", "+1 800 FLOWERS"),
        ("phone", "+44 20 7946 0958;ext=1"),
        ("first_name", ""),
        ("first_name", "   "),
        ("first_name", 7),
        ("first_name", None),
        ("city", "x" * 101),
        ("postal_code", True),
        ("street", "unknown field"),
    ],
)
async def test_a_wrong_value_is_named(as_person: Call, field: str, value: object) -> None:
    for method in ("POST", "PUT"):
        answer = await as_person(method, "/v1/billings", json={**ADA, field: value})
        assert answer.status_code == 422, answer.text
        assert [detail["field"] for detail in answer.json()["details"]] == [field]


async def test_all_wrong_and_missing_fields_are_named_at_once(as_person: Call) -> None:
    answer = await as_person("POST", "/v1/billings", json={"first_name": "Ada", "country": "ZZ", "phone": "12"})
    fields = {detail["field"] for detail in answer.json()["details"]}
    assert fields == {"last_name", "address_line_1", "city", "postal_code", "country", "phone"}


def test_the_countries_are_those_of_iso_3166() -> None:
    assert len(COUNTRIES) == 249
    assert {"US", "DE", "GB", "AQ", "BQ", "SS", "TW"} <= COUNTRIES
    assert not {"UK", "EU", "XK", "AN", "SU", "YU", "ZZ"} & COUNTRIES


async def test_a_phone_number_for_examples_passes(as_person: Call) -> None:
    created = await as_person("POST", "/v1/billings", json={**ADA, "country": "US", "phone": "+1 (555) 555-0100"})
    assert created.json()["phone"] == "+15555550100"


async def test_changes_leave_audit_lines_and_nothing_public(
    as_person: Call, person: Person, database: Database
) -> None:
    await as_person("POST", "/v1/billings", json=ADA)
    await as_person("PUT", "/v1/billings", json={"city": "Oxford"})
    await as_person("PUT", "/v1/billings", json={"city": "Oxford"})
    async with database.begin_system("test") as tx:
        rows = await tx.values(
            str,
            """SELECT concat_ws(' ', audience, type, before->>'city', data->>'city') FROM events
               WHERE workspace_id = %(id)s AND type LIKE 'billing.%%' ORDER BY number""",
            id=person.workspace_id,
        )
    assert rows == ["audit billing.details_created London", "audit billing.details_updated London Oxford"]


async def test_purchases_need_details(as_person: Call, person: Person, database: Database) -> None:
    with pytest.raises(billing.DetailsRequired):
        async with database.begin(person.actor()) as tx:
            await billing.require_details(tx)
    await as_person("POST", "/v1/billings", json=ADA)
    async with database.begin(person.actor()) as tx:
        await billing.require_details(tx)


async def test_roles_decide_who_reads_and_who_writes(
    client: httpx.AsyncClient, person: Person, database: Database, new_person: NewPerson
) -> None:
    reader = await new_person()
    async with database.begin_system("test") as tx:
        await tx.execute(
            """INSERT INTO members (workspace_id, user_id, role, created_at)
               VALUES (%(workspace_id)s, %(user_id)s, 'editor', %(now)s)""",
            workspace_id=person.workspace_id,
            user_id=reader.user_id,
            now=tx.now,
        )
    headers = {**reader.headers, "x-workspace-id": person.workspace_id}
    refused = await client.post("/v1/billings", json=ADA, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "auth.scope_missing")
    assert (await client.get("/v1/billings", headers=headers)).status_code == 404
    assert (await client.post("/v1/billings", json=ADA, headers=person.headers)).status_code == 201
    assert (await client.get("/v1/billings", headers=headers)).json()["city"] == "London"
    assert (await client.get("/v1/billings", headers=reader.headers)).status_code == 404
