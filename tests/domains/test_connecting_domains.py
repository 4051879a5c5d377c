import pytest
from psycopg import errors

from litemail import domains
from litemail.kit.actor import Actor
from litemail.kit.bulk import BulkResult
from litemail.kit.db import Database
from tests.conftest import MAIL_HOSTNAME, NAME_SERVER_POOL, NewPerson
from tests.domains.conftest import Somebody


async def connect(
    database: Database, actor: Actor, *names: str, pool: tuple[str, ...] = NAME_SERVER_POOL
) -> BulkResult:
    async with database.begin(actor) as tx:
        return await domains.connect(
            tx,
            names,
            domains.Claiming(pool, MAIL_HOSTNAME, 5),
            all_or_nothing=False,
        )


async def test_each_item_gets_its_own_answer(somebody: Somebody) -> None:
    given = {
        "good.test": None,
        "co.uk": "domain.public_suffix",
        "test": "domain.public_suffix",
        "not a name.test": "domain.not_a_name",
        "\N{GRINNING FACE}.test": "domain.not_a_name",
        "www.good.test": "domain.not_registrable",
        "GOOD.test.": "domain.named_twice",
        "live.com": "sandbox.name_not_test",
        "a" * 64 + ".test": "domain.label_too_long",
        "127.0.0.1": "domain.ip_address",
        "https://good.test/x": "domain.web_address",
        "": "domain.not_a_name",
        "litemail.test": "domain.reserved",
    }
    answer = await somebody.connect(*given)
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert (body["accepted"], body["rejected"]) == (1, len(given) - 1)
    assert [item["index"] for item in body["results"]] == list(range(len(given)))
    assert [item["error"] and item["error"]["code"] for item in body["results"]] == list(given.values())
    assert body["results"][0]["id"].startswith("dom_")


async def test_when_nothing_is_accepted_the_call_is_refused_with_the_results(somebody: Somebody) -> None:
    answer = await somebody.connect("co.uk", "x")
    assert (answer.status_code, answer.json()["code"]) == (422, "bulk.rejected")
    assert [detail["field"] for detail in answer.json()["details"]] == ["domains[0]", "domains[1]"]
    assert [item["status"] for item in answer.json()["results"]] == ["rejected", "rejected"]


async def test_all_or_nothing_does_nothing(somebody: Somebody) -> None:
    body = {"domains": ["whole.test", "co.uk"], "all_or_nothing": True}
    answer = await somebody.call("POST", "/v1/domains/connect", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "bulk.not_all_accepted")
    assert (await somebody.call("GET", "/v1/domains/whole.test")).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"domains": []}, "domains"),
        ({"domains": [f"n{n}.test" for n in range(201)]}, "domains"),
        ({"domains": ["a.test", 5]}, "domains[1]"),
        ({"domains": "a.test"}, "domains"),
        ({"domains": ["a.test"], "dns": "cloudflare"}, "dns"),
        ({"domains": ["a.test"], "dns": {"provider": "cloudflare"}}, "dns.credentials"),
        ({"domains": ["a.test"], "colour": "red"}, "colour"),
        ({}, "domains"),
    ],
)
async def test_a_wrong_shape_refuses_the_whole_call(somebody: Somebody, body: dict[str, object], field: str) -> None:
    answer = await somebody.call("POST", "/v1/domains/connect", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    assert [detail["field"] for detail in answer.json()["details"]] == [field]


async def test_a_name_is_connected_once_in_a_workspace(somebody: Somebody) -> None:
    await somebody.connect("once.test")
    again = await somebody.connect("once.test", "twice.test")
    assert again.json()["results"][0]["error"]["code"] == "domain.already_connected"
    assert again.json()["accepted"] == 1


async def test_in_the_sandbox_the_first_to_use_a_name_owns_it(somebody: Somebody, another: Somebody) -> None:
    await somebody.connect("mine.test")
    taken = await another.connect("mine.test")
    assert taken.json()["results"][0]["error"]["code"] == "domain.taken"
    taken = await another.delegate("mine.test", "ns1.example.com")
    assert (taken.status_code, taken.json()["code"]) == (409, "domain.taken")
    assert (await another.delegate("theirs.test", "ns1.example.com")).status_code == 200
    taken = await somebody.connect("theirs.test")
    assert taken.json()["results"][0]["error"]["code"] == "domain.taken"


async def test_two_hundred_at_once(somebody: Somebody) -> None:
    answer = await somebody.connect(*(f"bulk-{number}.test" for number in range(200)))
    assert answer.json()["accepted"] == 200
    page = (await somebody.call("GET", "/v1/domains?limit=200&count=true&search=bulk-1")).json()
    assert page["total"] == 111
    assert page["next_cursor"] is None
    first = (await somebody.call("GET", "/v1/domains?limit=150&status=pending")).json()
    rest = (await somebody.call("GET", f"/v1/domains?limit=150&status=pending&cursor={first['next_cursor']}")).json()
    assert len({row["id"] for row in first["data"] + rest["data"]}) == 200
    assert rest["next_cursor"] is None
    assert (await somebody.call("GET", "/v1/domains?status=active")).json()["data"] == []
    assert (await somebody.call("GET", "/v1/domains?tag=x&search=bulk_%25")).json()["data"] == []
    assert (await somebody.call("GET", "/v1/domains?status=asleep")).status_code == 422
    overview = (await somebody.call("GET", "/v1/users")).json()
    assert (overview["domains"], overview["assigned_mailboxes"]) == (200, 0)


async def test_live_workspaces_may_claim_the_same_name_each_with_its_own_pair(
    database: Database, new_person: NewPerson
) -> None:
    first, second = (await new_person()).actor(mode="live"), (await new_person()).actor(mode="live")
    refused = None
    for actor in (first, second):
        assert (await connect(database, actor, "claimed-by-two.com")).accepted == 1
    pairs = []
    for actor in (first, second):
        async with database.begin(actor) as tx:
            pairs.append(tuple((await domains.get(tx, "claimed-by-two.com")).name_servers))
    assert pairs[0] != pairs[1]
    try:
        await connect(database, first, "sandbox-only.test")
    except Exception as error:  # noqa: BLE001 - looked at below
        refused = error
    assert getattr(refused, "extra", {})["results"][0].error.code == "domain.test_name"


async def test_a_pair_is_never_given_out_twice(database: Database, new_person: NewPerson) -> None:
    pool = NAME_SERVER_POOL[:3]
    seen = set()
    for _ in range(3):
        actor = (await new_person()).actor(mode="live")
        await connect(database, actor, "often-claimed.com", pool=pool)
        async with database.begin(actor) as tx:
            seen.add(tuple((await domains.get(tx, "often-claimed.com")).name_servers))
    assert len(seen) == 3
    last = await connect(database, (await new_person()).actor(mode="live"), "often-claimed.com", "other.com", pool=pool)
    assert last.results[0].error is not None
    assert last.results[0].error.code == "domain.no_name_servers_left"
    assert last.accepted == 1


async def test_another_workspaces_domains_are_not_there(
    somebody: Somebody, another: Somebody, database: Database
) -> None:
    domain_id, _ = await somebody.connected("hidden.test")
    for path in (domain_id, "hidden.test", "dom_01k5m3v8w0e3t9f7a2b4c6d8ee", "dom_nonsense", "\N{GRINNING FACE}"):
        answer = await another.call("GET", f"/v1/domains/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "domain.not_found")
    assert (await another.call("GET", "/v1/domains")).json()["data"] == []
    async with database.begin(another.person.actor()) as tx:  # a query that forgot its WHERE
        held = await tx.values(
            int,
            """SELECT count(*) FROM domains UNION ALL SELECT count(*) FROM zones UNION ALL
               SELECT count(*) FROM records UNION ALL SELECT count(*) FROM dkim_keys UNION ALL
               SELECT count(*) FROM test_names UNION ALL SELECT count(*) FROM sandbox.delegations""",
        )
        assert held == [0] * 6
    with pytest.raises(errors.InsufficientPrivilege):
        async with database.begin(another.person.actor()) as tx:
            await tx.execute("DELETE FROM domain_claims")


async def test_names_are_read_in_any_form(somebody: Somebody) -> None:
    answer = await somebody.connect("B\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.TEST.")
    assert answer.json()["accepted"] == 1
    shown = await somebody.domain("b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.test")
    assert shown["name"] == "xn--bcher-kva.test"


async def test_a_repeated_call_claims_nothing_new(somebody: Somebody) -> None:
    headers = {**somebody.person.headers, "idempotency-key": "connect-1"}
    calls = [
        await somebody.client.post("/v1/domains/connect", json={"domains": ["repeated.test"]}, headers=headers)
        for _ in range(2)
    ]
    assert calls[0].json() == calls[1].json()
    assert calls[1].headers["idempotency-replayed"] == "true"


async def test_delegations_exist_in_the_sandbox_only(somebody: Somebody, database: Database) -> None:
    wrong = await somebody.delegate("delegated.test", "ns1.example.com", "two words", "")
    assert wrong.status_code == 422
    assert [d["field"] for d in wrong.json()["details"]] == ["name_servers[2]"]
    wrong = await somebody.delegate("delegated.test", "ns1.example.com", "two words")
    assert [d["field"] for d in wrong.json()["details"]] == ["name_servers[1]"]
    for name, code in (("example.com", "sandbox.name_not_test"), ("a.b.test", "domain.not_registrable")):
        wrong = await somebody.delegate(name, "ns1.example.com")
        assert (wrong.status_code, wrong.json()["code"]) == (422, code)
        assert wrong.json()["details"][0]["field"] == "domain"
    async with database.begin_system("test") as tx:
        await tx.execute("UPDATE workspaces SET mode = 'live' WHERE id = %(id)s", id=somebody.person.workspace_id)
    absent = await somebody.delegate("delegated.test", "ns1.example.com")
    assert (absent.status_code, absent.json()["code"]) == (404, "sandbox.live_workspace")


async def test_names_that_hold_servers_cannot_be_delegated(somebody: Somebody) -> None:
    for name in ("litemail.test", "nic.test"):
        refused = await somebody.delegate(name, "ns1.example.com")
        assert (refused.status_code, refused.json()["code"]) == (409, "domain.reserved")
