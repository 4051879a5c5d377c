"""DKIM keys of domains: two RSA selectors, so that one can be changed while the other signs, and one Ed25519."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from litemail.kit import ids
from litemail.kit.db import Tx
from litemail.kit.secrets import Secrets
from litemail.protocols.dkim import Algorithm, KeyPair, SigningKey, generate_ed25519, generate_rsa, txt_value

State = Literal["standby", "signing", "retiring"]
"""Published and waiting for its turn; in use; published for the mail that is under way only."""

_FIRST: tuple[tuple[str, Algorithm, State], ...] = (
    ("lm1", Algorithm.RSA, "signing"),
    ("lm2", Algorithm.RSA, "standby"),
    ("lm1e", Algorithm.ED25519, "signing"),
)


class NewKey(msgspec.Struct, frozen=True):
    """A key pair for a selector."""

    selector: str
    state: State
    pair: KeyPair


class PublishedKey(msgspec.Struct, frozen=True):
    selector: str
    algorithm: str
    public: str
    state: State

    @property
    def txt(self) -> str:
        return txt_value(KeyPair(b"", self.public, Algorithm(self.algorithm)))


class _Sealed(msgspec.Struct, frozen=True):
    id: str
    selector: str
    algorithm: Algorithm
    private_sealed: bytes


async def generate(wanted: Sequence[tuple[str, Algorithm, State]] = _FIRST) -> list[NewKey]:
    """Keys for these selectors, or those of a new domain; 0.1 s of processor time, in threads."""
    pairs = await asyncio.gather(
        *(
            asyncio.to_thread(generate_rsa if algorithm is Algorithm.RSA else generate_ed25519)
            for _, algorithm, _ in wanted
        )
    )
    return [NewKey(selector, state, pair) for (selector, _, state), pair in zip(wanted, pairs, strict=True)]


def missing_standbys(held: Sequence[PublishedKey]) -> list[tuple[str, Algorithm, State]]:
    """The selectors that a domain needs so that a key of each algorithm waits for its turn: lm3, lm2e."""
    waiting = {key.algorithm for key in held if key.state == "standby"}
    return [
        (_next_selector(algorithm, held), algorithm, "standby") for algorithm in Algorithm if algorithm not in waiting
    ]


def _next_selector(algorithm: Algorithm, held: Sequence[PublishedKey]) -> str:
    ending = "e" if algorithm is Algorithm.ED25519 else ""
    used = [key.selector.removeprefix("lm").removesuffix("e") for key in held if key.algorithm == algorithm]
    return f"lm{max((int(number) for number in used), default=0) + 1}{ending}"


async def has_keys(tx: Tx, domain_id: str) -> bool:
    return (
        await tx.value(int, "SELECT 1 FROM dkim_keys WHERE domain_id = %(domain_id)s LIMIT 1", domain_id=domain_id)
        is not None
    )


async def keep(tx: Tx, domain_id: str, new: Sequence[NewKey], *, workspace_id: str, secrets: Secrets) -> None:
    """Keeps the keys of selectors that have none yet, the private halves sealed."""
    rows = [(ids.new_id("dkim"), key) for key in new]
    await tx.execute_many(
        """INSERT INTO dkim_keys (id, workspace_id, domain_id, selector, algorithm, public, private_sealed, state,
                                  created_at)
           VALUES (%(id)s, %(workspace_id)s, %(domain_id)s, %(selector)s, %(algorithm)s, %(public)s, %(sealed)s,
                   %(state)s, %(now)s)
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
                "state": key.state,
                "now": tx.now,
            }
            for key_id, key in rows
        ],
    )


async def published(tx: Tx, domain_id: str) -> list[PublishedKey]:
    """What the zone has to show."""
    return await tx.all(
        PublishedKey,
        """SELECT selector, algorithm, public, state FROM dkim_keys
           WHERE domain_id = %(domain_id)s ORDER BY selector""",
        domain_id=domain_id,
    )


async def signing_keys(tx: Tx, domain_name: str, *, secrets: Secrets) -> list[SigningKey]:
    """What mail from an active domain of ours is signed with, RSA first; empty when there is no such domain."""
    rows = await tx.all(
        _Sealed,
        """SELECT k.id, k.selector, k.algorithm, k.private_sealed
           FROM dkim_keys k JOIN domains d ON d.id = k.domain_id
           WHERE d.name = %(name)s AND d.status = 'active' AND d.removed_at IS NULL AND k.state = 'signing'
           ORDER BY k.algorithm DESC, k.selector""",
        name=domain_name,
    )
    return [
        SigningKey(row.selector, row.algorithm, secrets.open(row.private_sealed, row=row.id).encode()) for row in rows
    ]


async def switch(tx: Tx, domain_id: str, *, retire_at: datetime) -> None:
    """The keys that waited sign from now on; those that signed are kept until the mail under way has arrived.

    Of an algorithm of which no key waits, the one that signs goes on.
    """
    await tx.execute(
        """UPDATE dkim_keys k
           SET state = CASE k.state WHEN 'standby' THEN 'signing' ELSE 'retiring' END,
               retire_at = CASE k.state WHEN 'signing' THEN %(retire_at)s::timestamptz END
           WHERE k.domain_id = %(domain_id)s AND k.state <> 'retiring'
             AND EXISTS (SELECT FROM dkim_keys w WHERE w.domain_id = k.domain_id AND w.algorithm = k.algorithm
                                                   AND w.state = 'standby')""",
        domain_id=domain_id,
        retire_at=retire_at,
    )


class RetiredKey(msgspec.Struct, frozen=True):
    workspace_id: str
    domain_id: str
    domain: str
    selector: str
    algorithm: str
    public: str


async def take_retired(tx: Tx, *, limit: int) -> list[RetiredKey]:
    """Deletes the keys whose time is over; what they were."""
    return await tx.all(
        RetiredKey,
        """DELETE FROM dkim_keys k USING domains d
           WHERE d.id = k.domain_id AND k.id IN (
               SELECT id FROM dkim_keys WHERE state = 'retiring' AND retire_at <= %(now)s
               ORDER BY retire_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
           RETURNING k.workspace_id, k.domain_id, d.name AS domain, k.selector, k.algorithm, k.public""",
        now=tx.now,
        limit=limit,
    )
