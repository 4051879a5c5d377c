"""What a call may say, and what it is told when it says something else."""

import csv
import io
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.exports.layouts import LAYOUTS, TooManyForLayout, check_size, csv_name, csv_of, harmless
from litemail.kit import ids
from tests.conftest import NewPerson
from tests.exports.world import World


def fields(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [detail["field"] for detail in answer.json()["details"]]


@pytest.mark.parametrize(
    ("chosen", "field"),
    [
        ({}, "filter"),
        ({"exclude_ids": ["mbx_01k5m3v8w0e3t9f7a2b4c6d8ee"]}, "filter"),
        ({"all": True, "tags": ["spring"]}, "filter"),
        ({"all": False}, "filter.all"),
        ({"mailbox_ids": []}, "filter.mailbox_ids"),
        ({"mailbox_ids": ["nonsense"]}, "filter.mailbox_ids[0]"),
        ({"status": "removed"}, "filter.status"),
        ({"everything": True}, "filter.everything"),
    ],
)
async def test_a_filter_that_says_nothing_or_nonsense_is_refused(world: World, chosen: dict[str, Any], field: str):
    await world.mailboxes("ada")
    assert fields(await world.order(filter=chosen)) == [field]


async def test_an_export_of_nothing_is_refused(world: World):
    nothing = await world.order()
    assert (nothing.status_code, nothing.json()["code"]) == (422, "export.nothing_matches")
    (ada,) = await world.mailboxes("ada")
    await world.call("POST", f"/v1/mailboxes/{ada['id']}/suspend")
    for chosen in ({"all": True}, {"status": "suspended"}, {"tags": ["spring"]}, {"search": "zzz"}):
        assert (await world.order(filter=chosen)).json()["code"] == "export.nothing_matches"
    assert (await world.call("GET", "/v1/exports")).json()["data"] == []


async def test_named_mailboxes_must_be_there_and_active(world: World, new_person: NewPerson):
    ada, bob = await world.mailboxes("ada", "bob")
    await world.call("POST", f"/v1/mailboxes/{bob['id']}/suspend")
    unknown = ids.new_id("mbx")
    answer = await world.order(filter={"mailbox_ids": [ada["id"], bob["id"], unknown]})
    assert fields(answer) == ["filter.mailbox_ids[1]", "filter.mailbox_ids[2]"]
    assert "suspended" in answer.json()["details"][0]["message"]


async def test_filters_choose(world: World):
    ada, bob = await world.mailboxes("ada", "bob")
    (zoe,) = await world.mailboxes("zoe", tags=["spring", "new"])

    async def chosen(**given: Any) -> set[str]:
        begun = await world.begin(filter=given)
        return {item["email"].partition("@")[0] for item in await world.items(begun["id"])}

    assert await chosen(all=True) == {"ada", "bob", "zoe"}
    assert await chosen(all=True, exclude_ids=[bob["id"]]) == {"ada", "zoe"}
    assert await chosen(domain_ids=[ada["domain_id"]]) == {"ada", "bob"}
    assert await chosen(tags=["new", "other"]) == {"zoe"}
    assert await chosen(search="ZO") == {"zoe"}
    assert await chosen(search=zoe["domain"]) == {"zoe"}
    assert await chosen(mailbox_ids=[ada["id"], bob["id"]], exclude_ids=[bob["id"]]) == {"ada"}
    assert await chosen(status="active", tags=["spring"]) == {"zoe"}


async def test_destination_layout_and_account_must_fit(world: World):
    await world.mailboxes("ada")
    account = await world.account()
    assert fields(await world.order("instantly")) == ["platform_account_id"]
    assert fields(await world.order("instantly", platform_account_id=ids.new_id("pfa"))) == ["platform_account_id"]
    assert fields(await world.order("smartlead", platform_account_id=account)) == ["platform_account_id"]
    assert fields(await world.order("instantly", platform_account_id=account, layout="generic")) == ["layout"]
    assert fields(await world.order("csv", platform_account_id=account)) == ["platform_account_id"]
    unknown = await world.order("csv", layout="nobody")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "export.unknown_layout")
    nowhere = await world.order("nowhere")
    assert (nowhere.status_code, nowhere.json()["code"]) == (422, "platform.unknown")
    assert fields(nowhere) == ["destination"]
    assert "csv, xlsx, instantly" in nowhere.json()["message"]
    without_twin = await world.order("plusvibe")
    assert (without_twin.json()["code"], fields(without_twin)) == ("sandbox.no_twin", ["destination"])


async def test_files_have_their_limits(world: World, monkeypatch: pytest.MonkeyPatch):
    """Patches a limit only: fifty thousand mailboxes would make the test slow."""
    await world.mailboxes("ada", "bob")
    monkeypatch.setattr("litemail.exports.service.MOST_IN_XLSX", 1)
    answer = await world.order("xlsx")
    assert (answer.status_code, answer.json()["code"]) == (422, "export.too_many_for_xlsx")
    assert (await world.order("csv")).status_code == 202


def test_what_a_platform_does_not_import_is_refused_before():
    check_size(LAYOUTS["woodpecker"], 200)
    check_size(LAYOUTS["instantly"], 1_000_000)
    with pytest.raises(TooManyForLayout) as refused:
        check_size(LAYOUTS["woodpecker"], 201)
    assert refused.value.details[0].field == "layout"


async def test_a_key_without_the_right_to_credentials_is_refused(world: World, client: httpx.AsyncClient):
    await world.mailboxes("ada")
    done = await world.export()
    scopes = ["exports:read", "exports:write", "mailboxes:read"]
    given = {"name": "no credentials", "scopes": scopes, "workspace_ids": [world.person.workspace_id]}
    made = await world.call("POST", "/v1/api-keys", json=given)
    assert made.status_code == 201, made.text
    headers = {"x-api-key": made.json()["key"]}
    body = {"destination": "csv", "filter": {"all": True}}
    account = await world.account()
    rule = {"platform_account_id": account, "filter": {"all": True}}
    for method, path, json in (
        ("POST", "/v1/exports", body),
        ("GET", f"/v1/exports/{done['id']}/file", None),
        ("POST", f"/v1/exports/{done['id']}/retry", None),
        ("PUT", "/v1/exports/auto", rule),
    ):
        answer = await client.request(method, path, json=json, headers=headers)
        assert answer.status_code == 403, answer.text
        assert "mailboxes:credentials" in answer.json()["message"]
    assert (await client.get(f"/v1/exports/{done['id']}", headers=headers)).status_code == 200


async def test_what_is_not_ours_is_404(world: World, client: httpx.AsyncClient, new_person: NewPerson):
    await world.mailboxes("ada")
    done = await world.export()
    stranger = (await new_person()).headers
    for wrong, headers in ((done["id"], stranger), (ids.new_id("exp"), world.person.headers), ("x", stranger)):
        for method, path in (("GET", ""), ("GET", "/items"), ("GET", "/file"), ("POST", "/retry"), ("DELETE", "")):
            answer = await client.request(method, f"/v1/exports/{wrong}{path}", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (404, "export.not_found")


async def test_lists_are_paged_counted_and_filtered(world: World):
    await world.mailboxes("ada", "bob", "cleo")
    first, second = await world.export(), await world.begin()
    page = (await world.call("GET", "/v1/exports?limit=1&count=true")).json()
    assert ([each["id"] for each in page["data"]], page["total"]) == ([second["id"]], 2)
    rest = (await world.call("GET", "/v1/exports", params={"cursor": page["next_cursor"]})).json()
    assert [each["id"] for each in rest["data"]] == [first["id"]]
    assert [each["id"] for each in (await world.call("GET", "/v1/exports?status=queued")).json()["data"]] == [
        second["id"]
    ]
    some = (await world.call("GET", f"/v1/exports/{first['id']}/items?limit=2&count=true")).json()
    more = (await world.call("GET", f"/v1/exports/{first['id']}/items", params={"cursor": some["next_cursor"]})).json()
    assert (len(some["data"]), len(more["data"]), some["total"]) == (2, 1, 3)
    assert await world.items(first["id"], status="queued") == []
    assert len(await world.items(second["id"], status="queued")) == 3


async def test_an_export_under_way_is_not_retried_and_a_repeated_call_makes_one(world: World):
    await world.mailboxes("ada")
    body = {"destination": "csv", "filter": {"all": True}}
    answers = [await world.call("POST", "/v1/exports", json=body, headers={"idempotency-key": "one"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    early = await world.call("POST", f"/v1/exports/{answers[0].json()['id']}/retry")
    assert (early.status_code, early.json()["code"]) == (409, "export.not_finished")


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=5))
def test_whatever_stands_in_a_name_comes_out_of_the_csv_again(names: list[str]):
    text = csv_of([[*map(csv_name, names), "last"]]).decode()
    (row,) = csv.reader(io.StringIO(text, newline=""))
    assert row == [*map(harmless, names), "last"]


@pytest.mark.parametrize("name", ["=1", "+1", "-1", "@x", "\tx"])
def test_what_begins_like_a_formula_is_made_harmless(name: str):
    assert harmless(name) == f"'{name}"
    assert harmless(f"x{name}") == f"x{name}"
