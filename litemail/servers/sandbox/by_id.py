"""Accounts of vendors that know them by an id of their own: a number, where the store knows addresses."""

import hashlib
from datetime import datetime

from litemail.servers.sandbox.store import Account, Store, Thing

_KIND = "account id"
_BYTES = 6  # numbers stay exact where JSON's numbers are floats


def number_of(organisation_id: str, email: str) -> int:
    """Always the same for an address, so that a repeated add leaves nothing behind."""
    digest = hashlib.sha256(f"{organisation_id} {email}".encode()).digest()
    return int.from_bytes(digest[:_BYTES]) + 1


async def remember(store: Store, organisation_id: str, account_id: str, *, email: str, now: datetime) -> None:
    """To be done before the account is added, so that no account is without."""
    await store.put(Thing(organisation_id, _KIND, account_id, email.encode(), now))


async def find(store: Store, organisation_id: str, account_id: str) -> Account | None:
    kept = await store.find(organisation_id, _KIND, account_id)
    return None if kept is None else await store.find_account(organisation_id, kept.data.decode())
