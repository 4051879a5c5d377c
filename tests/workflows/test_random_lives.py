"""Thousands of random steps of customers, crashes among them: every cent is where it belongs after each."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from litemail import wallet
from litemail.kit.db import Database
from tests.workflows.lives import Lives

LIVES, STEPS = 70, 50
AT_LEAST = 2_000


@pytest.fixture
def world(database: Database) -> Iterator[type[Lives]]:
    """The machine with a loop and connections of its own: Hypothesis calls its rules outside of any loop."""
    with asyncio.Runner() as runner:
        own = Database(app_url=database.app_url, system_url=database.system_url, size=2)
        runner.run(own.open())
        yield type("World", (Lives,), {"database": own, "runner": runner})
        runner.run(own.close())


@pytest.mark.timeout(300)
def test_no_life_of_a_customer_makes_or_loses_money(world: type[Lives]):
    run_state_machine_as_test(
        world,
        settings=settings(
            max_examples=LIVES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert world.steps >= AT_LEAST

    async def prove() -> None:
        async with world.database.begin_system("test") as tx:
            assert await wallet.first_difference(tx) is None

    world.runner.run(prove())
