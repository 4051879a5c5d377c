"""E-mail and password that a platform takes with each call: nothing to exchange, nothing kept."""

import pytest

from litemail import platforms
from litemail.kit.db import Database
from litemail.kit.secrets import Secrets
from litemail.platforms import SecretsExpired, sign_in
from litemail.providers.platform import BadCredentials, Session
from tests.conftest import Person
from tests.providers.platform_worlds import World, hand_over, inbox, world


async def entered(there: World, database: Database, secrets: Secrets, person: Person, password: str | None) -> Session:
    async with database.begin(person.actor()) as tx:
        account = await platforms.find_or_create(
            tx,
            platform_type="plusvibe",
            platform_email="Support@Litemail.test",
            api_key=None,
            url=None,
            workspace=None,
            secrets=secrets,
        )
    return await sign_in(
        database,
        account.id,
        workspace_id=person.workspace_id,
        password=password,
        adapter=there.adapter,
        reach=there.reach(),
        secrets=secrets,
    )


async def status(database: Database, person: Person) -> tuple[str | None, bool | None]:
    async with database.begin(person.actor()) as tx:
        return (
            await tx.value(str, "SELECT status FROM platform_accounts"),
            await tx.value(bool, "SELECT api_key IS NULL FROM platform_accounts"),
        )


async def test_it_adds_inboxes_and_leaves_no_key(database: Database, secrets: Secrets, person: Person) -> None:
    async with world("plusvibe") as there:
        session = await entered(there, database, secrets, person, "Lite@Mail2024!")
        assert (await hand_over(there, session, inbox())).connected
    assert await status(database, person) == ("verified", True)


async def test_a_wrong_one_is_noted(database: Database, secrets: Secrets, person: Person) -> None:
    async with world("plusvibe") as there:
        with pytest.raises(BadCredentials):
            await entered(there, database, secrets, person, "wrong-password")
    assert await status(database, person) == ("refused", True)


async def test_without_it_nothing_can_be_done(database: Database, secrets: Secrets, person: Person) -> None:
    async with world("plusvibe") as there:
        with pytest.raises(SecretsExpired):
            await entered(there, database, secrets, person, None)
