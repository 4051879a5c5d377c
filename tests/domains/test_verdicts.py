"""What answers mean, without anybody being asked."""

from collections.abc import Sequence

import pytest

from litemail.domains.verdicts import check_dkim, check_dmarc, check_mx, check_ns, check_spf
from litemail.protocols.dkim_keys import generate_ed25519, txt_value
from litemail.protocols.spf_evaluation import Evaluation, Result
from litemail.providers.dns import Delegation, DelegationStatus, Evidence
from litemail.providers.dns.answers import ServerAnswer, agreed

HOST = "mail.litemail.test"
SPF = "v=spf1 mx -all"
PASS = Evaluation(Result.PASS, 1)
FAIL = Evaluation(Result.FAIL, 1)


def said(
    *found: str, by: str = "ns1", authoritative: bool = True, error: str | None = None, at: str = "a.test"
) -> ServerAnswer:
    return ServerAnswer(at, by, authoritative, sorted(found), error)


def cached(*found: str, by: str = "1.1.1.1") -> ServerAnswer:
    return said(*found, by=by, authoritative=False)


SILENT = said(by="ns2", error="does not answer")


@pytest.mark.parametrize(
    ("answers", "holds"),
    [
        ([said("a"), said("a", by="ns2")], ["a"]),
        ([said("a"), said("b", by="ns2")], None),
        ([said("a"), SILENT], ["a"]),
        ([said("a"), cached("old")], ["a"]),
        ([SILENT, cached("a"), cached("a", by="8.8.8.8")], ["a"]),
        ([SILENT, cached("a"), cached("b", by="8.8.8.8")], None),
        ([SILENT], None),
        ([], None),
        ([said()], []),
    ],
)
def test_the_domains_own_servers_decide_then_the_resolvers(
    answers: Sequence[ServerAnswer], holds: list[str] | None
) -> None:
    assert agreed(answers) == holds


@pytest.mark.parametrize(
    ("found", "state"),
    [
        ([f"10 {HOST}"], "ok"),
        ([f"10 {HOST}", "20 backup.example.net"], "ok"),
        ([f"10 {HOST}", "10 twin.example.net"], "ok"),
        ([f"10 {HOST}", "5 first.example.net"], "wrong"),
        (["10 other.example.net"], "wrong"),
        (["0 ."], "wrong"),
        ([], "missing"),
    ],
)
def test_mx(found: list[str], state: str) -> None:
    check = check_mx([said(*found)], domain="a.test", mail_host=HOST, priority=10)
    assert (check.state, check.found) == (state, sorted(found))
    assert (check.message is None) == (state == "ok")


@pytest.mark.parametrize(
    ("found", "ours", "worst", "state", "words"),
    [
        ([SPF, "other text"], [PASS], PASS, "ok", None),
        ([SPF], [PASS, PASS], Evaluation(Result.FAIL, 10), "ok", None),
        ([SPF], [PASS], Evaluation(Result.FAIL, 11), "wrong", "11 look-ups"),
        ([SPF], [PASS], Evaluation(Result.PERMERROR, 3, "x.example has no SPF record"), "wrong", "x.example"),
        ([SPF], [PASS, FAIL], FAIL, "wrong", "does not allow"),
        ([SPF], [Evaluation(Result.TEMPERROR, 1)], FAIL, "unknown", "could not be looked up"),
        ([SPF], [], None, "unknown", "could not be looked up"),
        ([SPF, "v=spf1 -all"], [PASS], PASS, "wrong", "2 SPF records"),
        (["other text"], [PASS], PASS, "missing", "Publish"),
    ],
)
def test_spf(found: list[str], ours: list[Evaluation], worst: Evaluation | None, state: str, words: str | None) -> None:
    check = check_spf([said(*found)], domain="a.test", expected=SPF, ours=ours, worst=worst)
    assert check.state == state
    assert words is None or words in (check.message or "")
    assert check.lookups == (worst and worst.lookups)


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        (["v=DMARC1; p=reject"], "ok", None),
        (["v=DMARC1; p=reject; rua=mailto:somebody@else.example; fo=1"], "ok", None),
        (["v=DMARC1; p=none"], "wrong", "another policy"),
        (["v=DMARC1; p=reject; pct=5"], "wrong", "another policy"),
        (["v=DMARC1; p=maybe"], "wrong", "maybe"),
        (["v=DMARC1; p=reject", "v=DMARC1; p=none"], "wrong", "2 DMARC records"),
        (["something else"], "missing", "Publish"),
    ],
)
def test_dmarc(found: list[str], state: str, words: str | None) -> None:
    check = check_dmarc([said(*found)], name="_dmarc", expected="v=DMARC1; p=reject")
    assert check.state == state
    assert words is None or words in (check.message or "")


def test_dkim_keys_are_compared_not_their_texts() -> None:
    key, other = txt_value(generate_ed25519()), txt_value(generate_ed25519())
    name = "lm1e._domainkey.a.test"
    spaced = key.replace("; ", ";") + "; t=s"
    assert check_dkim([said(spaced, at=name)], expected=[(name, key)]).state == "ok"
    assert check_dkim([said(other, at=name)], expected=[(name, key)]).state == "wrong"
    assert check_dkim([said(key, other, at=name)], expected=[(name, key)]).state == "wrong"
    second = "lm2e._domainkey.a.test"
    expected = [(name, key), (second, other)]
    assert check_dkim([said(key, at=name), said(at=second)], expected=expected).state == "missing"
    assert check_dkim([said(other, at=name), said(at=second)], expected=expected).state == "wrong"
    silent = said(at=second, error="does not answer")
    assert check_dkim([said(key, at=name), silent], expected=expected).state == "unknown"
    assert check_dkim([], expected=[]).state == "missing"


def test_who_still_has_an_older_answer_is_named() -> None:
    answers = [said(SPF), cached("v=spf1 -all"), cached(SPF, by="8.8.8.8")]
    check = check_spf(answers, domain="a.test", expected=SPF, ours=[PASS], worst=PASS)
    assert check.state == "ok"
    assert check.message == "1.1.1.1 still has an older answer, until its TTL is over."


@pytest.mark.parametrize(
    ("status", "found", "expected", "state"),
    [
        (DelegationStatus.DELEGATED, {"ns1.a", "ns2.a"}, ["ns2.a", "ns1.a"], "ok"),
        (DelegationStatus.DELEGATED, {"ns1.a"}, ["ns1.a", "ns2.a"], "wrong"),
        (DelegationStatus.DELEGATED, {"ns1.a", "ns2.a", "ns3.a"}, ["ns1.a", "ns2.a"], "wrong"),
        (DelegationStatus.DELEGATED, {"ns.elsewhere"}, [], "ok"),
        (DelegationStatus.NOT_DELEGATED, set(), ["ns1.a"], "missing"),
        (DelegationStatus.NOT_REGISTERED, set(), [], "missing"),
        (DelegationStatus.UNKNOWN, set(), ["ns1.a"], "unknown"),
    ],
)
def test_ns(status: DelegationStatus, found: set[str], expected: list[str], state: str) -> None:
    evidence = (Evidence("ns.registry", "192.0.2.1", f"refers to {', '.join(sorted(found))}"),)
    check = check_ns(Delegation("a.test", status, frozenset(found), evidence=evidence), expected=expected)
    assert check.state == state
    assert [answer.resolver for answer in check.resolver_answers] == ["ns.registry"]
