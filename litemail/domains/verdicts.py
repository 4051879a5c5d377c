"""What is served for a domain beside what its mail needs: one verdict for each kind of record, with the remedy.

Pure: the answers are brought, nobody is asked.
"""

from collections.abc import Sequence

import msgspec

from litemail.domains.queries import CheckState
from litemail.protocols import dmarc, spf
from litemail.protocols.dkim_keys import MalformedKey, PublicKey, parse_record
from litemail.protocols.spf_evaluation import Evaluation, Result
from litemail.providers.dns import Delegation, DelegationStatus
from litemail.providers.dns.answers import ServerAnswer, agreed

_BREAKING = frozenset({Result.PERMERROR, Result.FAIL, Result.SOFTFAIL, Result.NEUTRAL, Result.NONE})


class Check(msgspec.Struct, frozen=True):
    """`expected` and `found` are records as text. `message` says what is wrong and what to do; for `ok`, whether
    somebody still has older answers. `lookups` are those that the SPF record costs its receivers, of 10.
    """

    state: CheckState
    expected: list[str]
    found: list[str]
    resolver_answers: list[ServerAnswer]
    message: str | None
    lookups: int | None = None


class Checks(msgspec.Struct, frozen=True):
    mx: Check
    spf: Check
    dkim: Check
    dmarc: Check
    ns: Check


def check_mx(answers: Sequence[ServerAnswer], *, domain: str, mail_host: str, priority: int) -> Check:
    """Mail arrives when our host is among the mail servers and no other comes before it."""
    expected = f"{priority} {mail_host}"
    found = agreed(answers)
    if found is None:
        return _unknown(answers, [expected])
    ranks = {host: int(rank) for rank, _, host in (each.partition(" ") for each in found)}
    message: str | None = None
    state: CheckState = "ok"
    if not found:
        state, message = "missing", f"{domain} has no MX record, so no mail reaches it. Publish: MX @ {expected}."
    elif mail_host not in ranks:
        state = "wrong"
        message = f"The MX records of {domain} name other hosts. Replace them by: MX @ {expected}."
    elif ranks[mail_host] > min(ranks.values()):
        state = "wrong"
        message = f"Other mail servers come before {mail_host}. Remove their MX records, or give them a higher number."
    return _check(state, [expected], found, answers, message, compared=found)


def check_spf(
    answers: Sequence[ServerAnswer],
    *,
    domain: str,
    expected: str,
    ours: Sequence[Evaluation],
    worst: Evaluation | None,
) -> Check:
    """`ours` is what the record says of each address of our mail host; `worst` counts the look-ups of a receiver that
    has to go through the whole record.
    """
    values = agreed(answers)
    if values is None:
        return _unknown(answers, [expected])
    found = [value for value in values if spf.is_spf(value)]
    lookups = None if worst is None else worst.lookups
    state, message = _spf_verdict(found, domain=domain, expected=expected, ours=ours, worst=worst)
    check = _check(state, [expected], found, answers, message, compared=found)
    return msgspec.structs.replace(check, lookups=lookups)


def _spf_verdict(
    found: Sequence[str], *, domain: str, expected: str, ours: Sequence[Evaluation], worst: Evaluation | None
) -> tuple[CheckState, str | None]:
    if not found:
        return "missing", f"{domain} has no SPF record. Publish: TXT @ {expected}."
    if len(found) > 1:
        return "wrong", f"{domain} has {len(found)} SPF records, which receivers treat as none. Merge them into one."
    if worst is not None and worst.result is Result.PERMERROR:
        return "wrong", f"Receivers treat the SPF record as broken: {worst.reason}. Correct it, or publish: {expected}."
    if worst is not None and worst.lookups > spf.MAX_LOOKUPS:
        return "wrong", (
            f"The SPF record costs {worst.lookups} look-ups, and receivers stop at {spf.MAX_LOOKUPS}. "
            "Remove senders that are no longer used, or name their addresses with ip4 and ip6."
        )
    if any(each.result in _BREAKING for each in ours):
        return "wrong", (
            f"The SPF record does not allow our mail host to send for {domain}. Add `mx` to it, or publish: {expected}."
        )
    if not ours or any(each.result is Result.TEMPERROR for each in ours):
        return "unknown", "Names that the SPF record needs could not be looked up. Try again later."
    return "ok", None


def check_dkim(answers: Sequence[ServerAnswer], *, expected: Sequence[tuple[str, str]]) -> Check:
    """`expected` are full names and texts of key records. Keys are compared, not texts."""
    shown = [f"{name} {text}" for name, text in expected]
    found: list[str] = []
    faults: list[tuple[CheckState, str]] = []
    for name, text in expected:
        values = agreed([answer for answer in answers if answer.name == name])
        if values is None:
            faults.append(("unknown", f"What is at {name} could not be found out. Try again later."))
            continue
        found += [f"{name} {value}" for value in values]
        if not values:
            faults.append(("missing", f"There is no key at {name}. Publish: TXT {name} {text}."))
        elif (reason := _other_key(values, text)) is not None:
            faults.append(("wrong", f"At {name} {reason}. Replace it by: {text}."))
    if not expected:
        return _check("missing", [], [], answers, "This domain has no DKIM keys yet; they are made once it is proved.")
    if not faults:
        return _check("ok", shown, found, answers, None)
    state, message = min(faults, key=lambda fault: _GRAVITY.index(fault[0]))
    return _check(state, shown, found, answers, message)


_GRAVITY: Sequence[CheckState] = ("wrong", "missing", "unknown")


def _other_key(values: Sequence[str], expected: str) -> str | None:
    if len(values) > 1:
        return f"there are {len(values)} TXT records, and receivers take any of them"
    try:
        key = parse_record(values[0])
    except MalformedKey as malformed:
        return f"there is no usable key: {malformed.data['reason']}"
    return None if _same_key(key, parse_record(expected)) else "there is another key"


def _same_key(one: PublicKey, other: PublicKey) -> bool:
    return one.algorithm is other.algorithm and one.key == other.key


def check_dmarc(answers: Sequence[ServerAnswer], *, name: str, expected: str) -> Check:
    """One record, which says what was set: the policy for the domain and its sub-domains, and for how much mail."""
    values = agreed(answers)
    if values is None:
        return _unknown(answers, [expected])
    found = [value for value in values if dmarc.is_dmarc(value)]
    state, message = _dmarc_verdict(found, name=name, expected=expected)
    return _check(state, [expected], found, answers, message, compared=found)


def _dmarc_verdict(found: Sequence[str], *, name: str, expected: str) -> tuple[CheckState, str | None]:
    if not found:
        return "missing", f"There is no DMARC record. Publish: TXT {name} {expected}."
    if len(found) > 1:
        return "wrong", f"There are {len(found)} DMARC records, and receivers ignore all of them. Keep one: {expected}."
    try:
        record = dmarc.parse(found[0])
    except dmarc.MalformedDmarc as malformed:
        reason = malformed.data["reason"]
        return "wrong", f"Receivers ignore the DMARC record: {reason}. Replace it by: TXT {name} {expected}."
    wanted = dmarc.parse(expected)
    if (record.policy, record.subdomain_policy, record.pct) != (wanted.policy, wanted.subdomain_policy, wanted.pct):
        return "wrong", (
            f"The DMARC record says another policy than was set here. Replace it by: TXT {name} {expected}; "
            "or set what it says with POST /v1/domains/dmarc."
        )
    return "ok", None


def check_ns(delegation: Delegation, *, expected: Sequence[str]) -> Check:
    """The parent's servers alone decide. Without `expected` the DNS is somebody else's, and any delegation is right."""
    found = sorted(delegation.name_servers)
    answers = [
        ServerAnswer(
            delegation.name,
            each.server,
            authoritative=True,
            found=found if each.said.endswith(", ".join(found)) else [],
            error=None if delegation.status is not DelegationStatus.UNKNOWN else each.said,
        )
        for each in delegation.evidence
    ]
    wanted = sorted(expected)
    registrar = f"Set the name servers of {delegation.name} at your registrar to {' and '.join(wanted)}."
    match delegation.status:
        case DelegationStatus.UNKNOWN:
            return _unknown(answers, wanted)
        case DelegationStatus.DELEGATED if not wanted or found == wanted:
            return _check("ok", wanted, found, answers, None)
        case DelegationStatus.DELEGATED:
            message = f"{delegation.name} is delegated to {', '.join(found)}. {registrar}"
            return _check("wrong", wanted, found, answers, message)
        case _:
            remedy = registrar if wanted else "Set its name servers at your registrar."
            message = f"{delegation.name} has no name servers at its registry, or its registration ended. {remedy}"
            return _check("missing", wanted, found, answers, message)


def faults_of(checks: Checks) -> list[str]:
    """What is certainly wrong, as `mx missing`: what two rounds of checks have to agree on."""
    states = msgspec.structs.asdict(checks)
    return [f"{kind} {check.state}" for kind, check in states.items() if check.state in {"missing", "wrong"}]


def _unknown(answers: Sequence[ServerAnswer], expected: list[str]) -> Check:
    certain = any(answer.error is None for answer in answers)
    message = (
        "The servers do not agree, as they do for a while after a change. Try again later."
        if certain
        else "No server gave an answer. Try again later."
    )
    return _check("unknown", expected, [], answers, message)


def _check(
    state: CheckState,
    expected: list[str],
    found: Sequence[str],
    answers: Sequence[ServerAnswer],
    message: str | None,
    *,
    compared: Sequence[str] | None = None,
) -> Check:
    """`compared` are the values that matter, where a name has others too."""
    if state == "ok" and compared is not None:
        message = _behind(answers, compared)
    return Check(state, expected, list(found), list(answers), message)


def _behind(answers: Sequence[ServerAnswer], compared: Sequence[str]) -> str | None:
    behind = [each.resolver for each in answers if each.error is None and not set(compared) <= set(each.found)]
    if not behind:
        return None
    return f"{', '.join(behind)} still has an older answer, until its TTL is over."
