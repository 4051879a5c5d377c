"""The servers that stand for platforms without a twin have the calls of the contract: all of them and no other."""

import pytest

from tests.contracts.contract import load
from tests.contracts.strip import operations_of
from tests.providers.platform_worlds import SERVERS, inbox, world


@pytest.mark.parametrize("name", SERVERS)
def test_every_call_of_the_contract_is_served(name: str) -> None:
    contract = load(name)
    served = {(method.lower(), path) for method, path in SERVERS[name](contract).routes}
    assert served == set(operations_of(dict(contract.document)))


@pytest.mark.parametrize("name", SERVERS)
async def test_what_the_contract_has_not_is_refused(name: str) -> None:
    contract = load(name)
    async with world(name) as there:
        session = there.session()
        await session.add([inbox("a@b.test")])
        wrong = await there.client.post(f"http://127.0.0.1:{there.peer.port}{contract.manner.prefix}nowhere")
        assert wrong.status_code == 404
        assert len(there.contract.violations) == 1
        there.contract.violations.clear()
