"""How a claim is proved: the parent delegates to the claim's own name servers, or the challenge is in the DNS.

See docs/decisions/0007-proving-a-domain.md.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from litemail import zones
from litemail.domains import keys, proof_queries
from litemail.domains.looking import Look
from litemail.domains.managed import dkim_records
from litemail.domains.proof_queries import Outcome
from litemail.domains.queries import Domain, Proof
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.secrets import Secrets
from litemail.providers.dns import DelegationStatus

CHECK_FOR = timedelta(days=7)
SHORTEST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=6)
SOON = timedelta(seconds=15)
REFRESH_EVERY = timedelta(seconds=10)
PUBLISHING = ("dns_provider.", "outbound.")
"""How the codes of failures begin that publishing at a provider has."""
_HELD = {"verifying", "active", "suspended"}


class NotRegistered(Error):
    kind = Kind.CONFLICT
    code = "domain.not_registered"
    message = "{name} is not registered, or it has no name servers at its registry yet."
    action = "Register the name, or correct it; then set its name servers to {expected}."
    retryable = True


class NotDelegated(Error):
    kind = Kind.CONFLICT
    code = "domain.not_delegated"
    message = "The registry of {name} knows it, but no name servers of it."
    action = "Set its name servers at your registrar to {expected}."
    retryable = True


class WrongNameServers(Error):
    kind = Kind.CONFLICT
    code = "domain.wrong_name_servers"
    message = "{name} is delegated to {found}; expected are {expected} and no others."
    action = "Set its name servers at your registrar to {expected}."
    retryable = True


class NotProvedInTime(Error):
    kind = Kind.CONFLICT
    code = "domain.not_proved_in_time"
    message = "{name} was not delegated to its name servers within 7 days."
    action = (
        "Set its name servers at your registrar to {expected}, then call "
        "GET /v1/domains/name-servers/verify?domain={name}&refresh=true."
    )
    retryable = True


class DnssecMismatch(Error):
    """RFC 4035 section 5.2: resolvers that validate refuse all answers of such a zone."""

    kind = Kind.CONFLICT
    code = "domain.dnssec_mismatch"
    message = "The registry of {name} has a DS record for it, from an earlier host; our zone is not signed."
    action = "Remove the DS record at your registrar (it may be called DNSSEC); nothing else needs to be changed."
    retryable = True


class Expired(Error):
    kind = Kind.CONFLICT
    code = "domain.expired"
    message = "The registration of {name} has expired."
    action = "Renew it at your registrar; then set its name servers to {expected}."
    retryable = True


class ChallengeNotServed(Error):
    """Of a domain whose DNS is at its owner's provider, where we have written the challenge."""

    kind = Kind.CONFLICT
    code = "domain.challenge_not_served"
    message = "{name} is delegated to {found}, which do not show the challenge that was written at {provider}."
    action = (
        "Wait a few minutes. If it stays so, set the name servers of {name} at your registrar to those of {provider}."
    )
    retryable = True


class ActiveElsewhere(Error):
    kind = Kind.CONFLICT
    code = "domain.taken"
    message = "{name} is in use in another workspace."
    action = "Remove it there first; a name belongs to one workspace only."
    retryable = True


class ProvedElsewhere(Error):
    kind = Kind.CONFLICT
    code = "domain.taken"
    message = "{name} was delegated to the name servers of another workspace's claim."
    action = "If it is yours, set its name servers at your registrar to {expected}."
    retryable = True


def lock_of(domain_id: str) -> str:
    """One check of a domain at a time: the lock of its jobs."""
    return f"verify {domain_id}"


def proves(domain: Domain, look: Look) -> Proof | None:
    """What the look proves: a delegation to this claim's pair and nobody else, or its challenge."""
    delegated = look.status is DelegationStatus.DELEGATED and set(look.name_servers) == set(domain.name_servers)
    if delegated and domain.dns == "hosted":
        return "delegation"
    return "challenge" if look.challenged else None


def trouble(domain: Domain, look: Look) -> Error | None:
    """Why the delegation is not as it must be; None when it is, or when nobody answered."""
    hosted = domain.dns == "hosted"
    expected = " and ".join(domain.name_servers) if hosted else f"those of {domain.dns}"
    if look.expired:
        return Expired(name=domain.name, expected=expected)
    match look.status:
        case DelegationStatus.DELEGATED if not hosted:
            return None if look.challenged or domain.proof else _not_served(domain, look)
        case DelegationStatus.DELEGATED if set(look.name_servers) != set(domain.name_servers):
            return WrongNameServers(name=domain.name, found=", ".join(look.name_servers), expected=expected)
        case DelegationStatus.DELEGATED if look.ds:
            return DnssecMismatch(name=domain.name)
        case DelegationStatus.NOT_DELEGATED:
            return NotDelegated(name=domain.name, expected=expected)
        case DelegationStatus.NOT_REGISTERED:
            return NotRegistered(name=domain.name, expected=expected)
        case _:
            return None


def _not_served(domain: Domain, look: Look) -> Error:
    return ChallengeNotServed(name=domain.name, found=", ".join(look.name_servers), provider=domain.dns)


def next_check(domain: Domain, now: datetime) -> datetime | None:
    """A quarter of the time waited so far, 1 minute to 6 hours; None when 7 days are over."""
    age = now - domain.waiting_since
    return None if age >= CHECK_FOR else now + min(max(age / 4, SHORTEST_WAIT), LONGEST_WAIT)


async def note(tx: Tx, domain_id: str, look: Look) -> Domain | None:
    """Keeps what was found, as the acting workspace; what it proves is for `settle`."""
    domain = await proof_queries.lock_one(tx, domain_id)
    if domain is None:
        return None
    outcome = _unchanged(domain, look)
    if domain.status == "pending":
        outcome = _with_failure(outcome, domain, trouble(domain, look), look)
    return await proof_queries.settle(tx, domain.id, outcome)


async def settle(
    tx: Tx, domain: Domain, look: Look, *, new_keys: Sequence[keys.NewKey], secrets: Secrets
) -> Domain | None:
    """Turns what was found into the domain's state, as the system: proved -> its zone is served, and so on.

    A delegation takes a name from another claim that only had the challenge, or whose delegation it replaced; an
    active name it does not take. None when the domain is gone.
    """
    claims = await proof_queries.lock_all_of_name(tx, domain.name)
    before = next((claim for claim in claims if claim.id == domain.id), None)
    if before is None or before.status == "removing":
        return None
    if before.status in {"active", "suspended"}:
        return await proof_queries.settle(tx, before.id, _unchanged(before, look))
    proof = proves(before, look) or _kept_proof(before, look)
    if proof is None:
        return await _unproved(tx, before, look)
    for other in claims:
        if other.id != before.id and other.status in _HELD:
            if proof != "delegation" or other.status != "verifying":
                return await _refuse(tx, before, look)
            await _displace(tx, other)
    return await _proved(tx, before, look, proof, new_keys=new_keys, secrets=secrets)


async def activate(tx: Tx, domain_id: str) -> Domain | None:
    """The zone of a delegated domain is served: it can be used. None when it is not waiting for that any more."""
    domain = await proof_queries.activate(tx, domain_id)
    if domain is not None:
        await _tell(tx, "domain.activated", domain)
    return domain


async def _proved(
    tx: Tx, before: Domain, look: Look, proof: Proof, *, new_keys: Sequence[keys.NewKey], secrets: Secrets
) -> Domain:
    failure = trouble(before, look)
    outcome = msgspec.structs.replace(
        _with_failure(_unchanged(before, look), before, failure, look),
        status="verifying",
        proof=proof,
        next_check_at=tx.now + SOON if failure is None else next_check(before, tx.now),
    )
    if outcome.next_check_at is None:
        return await _give_up(tx, before, look)
    after = await proof_queries.settle(tx, before.id, outcome)
    await keys.keep(tx, after.id, new_keys, workspace_id=after.workspace_id, secrets=secrets)
    if after.dns == "hosted":
        published = [(key.selector, key.txt) for key in await keys.published(tx, after.id)]
        await zones.publish(tx, after.id, dkim_records(published, domain=after.name))
    if before.status != "verifying":
        await _tell(tx, "domain.verified", after)
    return after


async def _unproved(tx: Tx, before: Domain, look: Look) -> Domain:
    if before.status == "failed":
        return await proof_queries.settle(tx, before.id, _unchanged(before, look))
    at = next_check(before, tx.now)
    if at is None:
        return await _give_up(tx, before, look)
    outcome = _with_failure(_unchanged(before, look), before, trouble(before, look), look)
    if before.status == "verifying" and look.status is not DelegationStatus.UNKNOWN:
        await zones.withdraw(tx, before.id)
        outcome = msgspec.structs.replace(outcome, status="pending", proof=None)
    return await proof_queries.settle(tx, before.id, msgspec.structs.replace(outcome, next_check_at=at))


async def _give_up(tx: Tx, before: Domain, look: Look) -> Domain:
    await zones.withdraw(tx, before.id)
    failure: Error = NotProvedInTime(name=before.name, expected=" and ".join(before.name_servers))
    if before.dns != "hosted":
        failure = _not_served(before, look)
    outcome = msgspec.structs.replace(
        _with_failure(_unchanged(before, look), before, failure, look), status="failed", proof=None, next_check_at=None
    )
    after = await proof_queries.settle(tx, before.id, outcome)
    if before.status != "failed":
        await _tell(tx, "domain.failed", after)
    return after


async def _refuse(tx: Tx, before: Domain, look: Look) -> Domain:
    """It may well be its owner's, but another workspace holds the name."""
    at = next_check(before, tx.now)
    if at is None:
        return await _give_up(tx, before, look)
    outcome = _with_failure(_unchanged(before, look), before, ActiveElsewhere(name=before.name), look)
    return await proof_queries.settle(tx, before.id, msgspec.structs.replace(outcome, next_check_at=at))


async def _displace(tx: Tx, other: Domain) -> None:
    await zones.withdraw(tx, other.id)
    nothing = Look(DelegationStatus.UNKNOWN)
    failure = ProvedElsewhere(name=other.name, expected=" and ".join(other.name_servers))
    outcome = msgspec.structs.replace(
        _with_failure(_unchanged(other, nothing), other, failure, nothing),
        status="pending",
        proof=None,
        next_check_at=tx.now + SHORTEST_WAIT,
    )
    await proof_queries.settle(tx, other.id, outcome)


def _kept_proof(before: Domain, look: Look) -> Proof | None:
    """A challenge once seen stays a proof; a delegation only while nobody says otherwise."""
    return before.proof if before.proof == "challenge" or look.status is DelegationStatus.UNKNOWN else None


def _unchanged(domain: Domain, look: Look) -> Outcome:
    """The domain as it is, with what was found."""
    return Outcome(
        status=domain.status,
        proof=domain.proof,
        found=domain.found_name_servers if look.status is DelegationStatus.UNKNOWN else list(look.name_servers) or None,
        failure_code=domain.failure_code,
        failure_message=domain.failure_message,
        failure_action=domain.failure_action,
        next_check_at=domain.next_check_at,
    )


def _with_failure(outcome: Outcome, domain: Domain, failure: Error | None, look: Look) -> Outcome:
    """Nobody's answer does not clear what was found before."""
    if failure is None and look.status is DelegationStatus.UNKNOWN and domain.failure_code is not None:
        return outcome
    if domain.dns != "hosted" and (domain.failure_code or "").startswith(PUBLISHING):
        return outcome  # nothing is proved before that is mended, and publishing itself takes it away
    problem = None if failure is None else failure.problem()
    return msgspec.structs.replace(
        outcome,
        failure_code=problem and problem.code,
        failure_message=problem and problem.message,
        failure_action=problem and problem.action,
    )


async def _tell(tx: Tx, event_type: str, domain: Domain) -> None:
    data = {"name": domain.name, "proof": domain.proof, "failure_code": domain.failure_code}
    await tx.emit(
        event_type,
        workspace_id=domain.workspace_id,
        subject=domain.id,
        data={key: value for key, value in data.items() if value is not None},
    )
