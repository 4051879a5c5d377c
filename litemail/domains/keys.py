"""DKIM keys of domains: two RSA selectors, so that one can be changed while the other signs, and one Ed25519."""

import asyncio
from collections.abc import Sequence

import msgspec

from litemail.kit import ids
from litemail.kit.db import Tx
from litemail.kit.secrets import Secrets
from litemail.protocols.dkim import Algorithm, KeyPair, SigningKey, generate_ed25519, generate_rsa, txt_value

_SELECTORS = (
    ("lm1", Algorithm.RSA, True),
    ("lm2", Algorithm.RSA, False),
    ("lm1e", Algorithm.ED25519, True),
)


class NewKey(msgspec.Struct, frozen=True):
    """A key pair for a selector; `active` ones sign from the start."""

    selector: str
    active: bool
    pair: KeyPair


class PublishedKey(msgspec.Struct, frozen=True):
    selector: str
    algorithm: str
    public: str

    @property
    def txt(self) -> str:
        return txt_value(KeyPair(b"", self.public, Algorithm(self.algorithm)))


class _Sealed(msgspec.Struct, frozen=True):
    id: str
    selector: str
    algorithm: Algorithm
    private_sealed: bytes


async def generate() -> list[NewKey]:
    """Keys for a new domain; 0.1 s of processor time, in threads."""
    pairs = await asyncio.gather(
        *(
            asyncio.to_thread(generate_rsa if algorithm is Algorithm.RSA else generate_ed25519)
            for _, algorithm, _ in _SELECTORS
        )
    )
    return [NewKey(selector, active, pair) for (selector, _, active), pair in zip(_SELECTORS, pairs, strict=True)]


async def has_keys(tx: Tx, domain_id: str) -> bool:
    return (
        await tx.value(int, "SELECT 1 FROM dkim_keys WHERE domain_id = %(domain_id)s LIMIT 1", domain_id=domain_id)
        is not None
    )


async def keep(tx: Tx, domain_id: str, new: Sequence[NewKey], *, workspace_id: str, secrets: Secrets) -> None:
    """Keeps the keys of selectors that have none yet, the private halves sealed."""
    rows = [(ids.new_id("dkim"), key) for key in new]
    await tx.execute_many(
        """INSERT INTO dkim_keys (id, workspace_id, domain_id, selector, algorithm, public, private_sealed, active,
                                  created_at)
           VALUES (%(id)s, %(workspace_id)s, %(domain_id)s, %(selector)s, %(algorithm)s, %(public)s, %(sealed)s,
                   %(active)s, %(now)s)
           ON CONFLICT (domain_id, selector) DO NOTHING""",
        [
            {
                "id": key_id,
                "workspace_id": workspace_id,
                "domain_id": domain_id,
                "selector": key.selector,
                "algorithm": key.pair.algorithm.value,
                "public": key.pair.public_b64,
                "sealed": secrets.seal(key.pair.private_pem.decode(), row=key_id),
                "active": key.active,
                "now": tx.now,
            }
            for key_id, key in rows
        ],
    )


async def published(tx: Tx, domain_id: str) -> list[PublishedKey]:
    """What the zone has to show."""
    return await tx.all(
        PublishedKey,
        "SELECT selector, algorithm, public FROM dkim_keys WHERE domain_id = %(domain_id)s ORDER BY selector",
        domain_id=domain_id,
    )


async def signing_keys(tx: Tx, domain_name: str, *, secrets: Secrets) -> list[SigningKey]:
    """What mail from an active domain of ours is signed with, RSA first; empty when there is no such domain."""
    rows = await tx.all(
        _Sealed,
        """SELECT k.id, k.selector, k.algorithm, k.private_sealed
           FROM dkim_keys k JOIN domains d ON d.id = k.domain_id
           WHERE d.name = %(name)s AND d.status = 'active' AND d.removed_at IS NULL AND k.active
           ORDER BY k.algorithm DESC, k.selector""",
        name=domain_name,
    )
    return [
        SigningKey(row.selector, row.algorithm, secrets.open(row.private_sealed, row=row.id).encode()) for row in rows
    ]
