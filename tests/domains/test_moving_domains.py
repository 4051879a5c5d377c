"""Moving a bought domain to another registrar."""

from datetime import timedelta
from typing import Any

import pytest

from litemail.domains import moving
from litemail.kit.db import Database
from litemail.workspaces import roles
from tests.conftest import sandbox_market
from tests.domains.shopping import NewShopper, Shopper


async def bought(shopper: Shopper) -> Any:
    name = shopper.name()
    await shopper.bought(name)
    return await shopper.activate(name)


async def move(shopper: Shopper, name: str, code: str) -> tuple[int, str]:
    answer = await shopper.buyer.ask("POST", "/v1/sandbox/transfers", {"domain": name, "auth_code": code})
    return answer.status_code, answer.json().get("code", "")


async def look(shopper: Shopper, domain: Any) -> None:
    await moving.look_whether_moved(
        database=shopper.database, market=sandbox_market(shopper.database), domain_id=domain["id"]
    )


async def test_a_domain_is_moved_away_with_its_code(shopper: Shopper) -> None:
    domain = await bought(shopper)
    name = domain["name"]
    assert (await move(shopper, name, "guessed"))[1] == "sandbox.wrong_auth_code"
    code = await shopper.buyer.call("GET", f"/v1/domains/{name}/auth-code")
    assert (code["domain"], code["locked"], code["expires_at"]) == (name, False, domain["expires_at"])
    assert code == await shopper.buyer.call("GET", f"/v1/domains/{domain['id']}/auth-code")
    await look(shopper, domain)
    assert (await shopper.domain(name))["source"] == "purchased"
    assert await move(shopper, name, code["auth_code"]) == (200, "")
    await look(shopper, domain)
    after = await shopper.domain(name)
    assert (after["source"], after["expires_at"], after["auto_renew"]) == ("connected", None, None)
    assert (after["status"], after["name_servers"]) == ("active", domain["name_servers"])
    assert [event for event, _ in await shopper.events("domain.moved_away")] == ["domain.moved_away"]
    assert await shopper.buyer.refused("GET", f"/v1/domains/{name}/auth-code") == (409, "domain.not_purchased")
    await look(shopper, domain)
    assert len(await shopper.events("domain.moved_away")) == 1


async def test_a_locked_domain_stays(shopper: Shopper) -> None:
    name = (await bought(shopper))["name"]
    secret = await shopper.registrar.auth_code(name)
    assert await move(shopper, name, secret) == (409, "sandbox.transfer_locked")


async def test_a_domain_that_nobody_takes_over_is_locked_again(shopper: Shopper) -> None:
    domain = await bought(shopper)
    await shopper.buyer.call("GET", f"/v1/domains/{domain['id']}/auth-code")

    async def is_locked() -> bool:
        held = await shopper.registrar.find(domain["name"])
        assert held is not None
        return held.locked

    for days, locked in ((59, False), (61, True)):
        async with shopper.database.begin_system("test") as tx:
            await tx.execute(
                "UPDATE domains SET moving_since = %(then)s WHERE id = %(id)s",
                then=tx.now - timedelta(days=days),
                id=domain["id"],
            )
        await moving.look_for_moved(database=shopper.database)
        await look(shopper, domain)
        assert await is_locked() == locked


async def test_reading_a_code_is_in_the_audit_log_without_the_code(shopper: Shopper, database: Database) -> None:
    name = (await bought(shopper))["name"]
    code = await shopper.buyer.call("GET", f"/v1/domains/{name}/auth-code")
    [(_, told)] = await shopper.events("domain.auth_code_read")
    assert told == {"name": name}
    async with database.begin_system("test") as tx:
        shown = await tx.value(
            int, "SELECT count(*) FROM events WHERE data::text LIKE '%%' || %(code)s || '%%'", code=code["auth_code"]
        )
        audience = await tx.value(
            str, "SELECT audience FROM events WHERE type = 'domain.auth_code_read' ORDER BY number DESC LIMIT 1"
        )
    assert (shown, audience) == (0, "audit")


async def test_codes_of_others_and_of_connected_domains_are_not_to_be_had(
    shopper: Shopper, new_shopper: NewShopper
) -> None:
    other, connected = await bought(await new_shopper()), shopper.name()
    await shopper.buyer.call("POST", "/v1/domains/connect", {"domains": [connected]})
    refused = shopper.buyer.refused
    assert await refused("GET", f"/v1/domains/{other['name']}/auth-code") == (404, "domain.not_found")
    assert await refused("GET", f"/v1/domains/{connected}/auth-code") == (409, "domain.not_purchased")
    assert await move(shopper, other["name"], "x") == (404, "domain.not_found")
    assert await move(shopper, connected, "x") == (404, "sandbox.not_registered")


@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_who_may_not_spend_gives_no_domain_away(role: str) -> None:
    assert "billing:spend" not in roles.ROLE_SCOPES[role]  # type: ignore[index]  # a role


async def test_a_delegation_that_was_not_set_is_set_later(shopper: Shopper) -> None:
    name = shopper.name()
    await shopper.bought(name)
    await moving.delegate_left(database=shopper.database)
    domain = await shopper.activate(name)
    assert domain["status"] == "active"
    again = await shopper.activate(name)
    assert again["status"] == "active"
