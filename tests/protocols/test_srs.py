from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.protocols import srs
from litemail.protocols.address import Address, parse

KEY = b"k" * 32
NOW = datetime(2026, 1, 29, 12, tzinfo=UTC)

LOCALS = st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[a-z0-9=+-]{1,20}){0,2}", fullmatch=True)
DOMAINS = st.from_regex(r"[a-z0-9]{1,20}(\.[a-z0-9]{1,10}){0,2}\.(com|test|org)", fullmatch=True)
ADDRESSES = st.builds(Address, LOCALS, DOMAINS)


@given(ADDRESSES, st.integers(0, srs.LIFETIME_DAYS), st.booleans())
def test_a_bounce_finds_its_way_back(sender: Address, days: int, upper: bool) -> None:
    ours = srs.rewrite(sender, domain="acme.test", key=KEY, now=NOW)
    assert ours.domain == "acme.test"
    written = str(ours).upper() if upper else str(ours)  # servers on the way may change the case
    arrived = srs.parse_path(written)
    assert arrived == ours
    back = srs.restore(arrived.local, key=KEY, now=NOW + timedelta(days=days))
    if not sender.local.startswith("srs1="):
        assert back == sender


@given(ADDRESSES, st.lists(DOMAINS, min_size=1, max_size=5))
def test_however_many_forwarders_the_first_one_gets_the_bounce(sender: Address, forwarders: list[str]) -> None:
    on_the_way = sender
    for domain in forwarders:
        on_the_way = srs.rewrite(on_the_way, domain=domain, key=KEY, now=NOW)
    once = len(str(srs.rewrite(sender, domain=forwarders[-1], key=KEY, now=NOW)))
    assert len(str(on_the_way)) <= once + len(forwarders[0]) + 12  # it does not grow with every step
    hops = 0
    while on_the_way != sender and on_the_way.local.startswith(("srs0=", "srs1=")):
        on_the_way = srs.restore(on_the_way.local, key=KEY, now=NOW)
        hops += 1
    assert hops <= 2 or sender.local.startswith(("srs0=", "srs1="))


@given(ADDRESSES, st.integers(0, 200), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567=."))
def test_what_we_did_not_make_leads_nowhere(sender: Address, place: int, other: str) -> None:
    local = srs.rewrite(sender, domain="acme.test", key=KEY, now=NOW).local
    place %= len(local)
    changed = local[:place] + other + local[place + 1 :]
    if changed != local:
        with pytest.raises(srs.NotOurs):
            srs.restore(changed, key=KEY, now=NOW)
    with pytest.raises(srs.NotOurs):
        srs.restore(local, key=b"x" * 32, now=NOW)


@pytest.mark.parametrize("days", [srs.LIFETIME_DAYS + 1, 200, 1000])
def test_it_ends_after_three_weeks(days: int) -> None:
    ours = srs.rewrite(parse("ada@example.com"), domain="acme.test", key=KEY, now=NOW)
    with pytest.raises(srs.NotOurs):
        srs.restore(ours.local, key=KEY, now=NOW + timedelta(days=days))


@given(st.text(max_size=40))
def test_any_text_is_refused_or_read(text: str) -> None:
    for local in (text, f"srs0={text}", f"srs1={text}"):
        with pytest.raises(srs.NotOurs):
            srs.restore(local, key=KEY, now=NOW)
        found = srs.parse_path(f"{local}@acme.test")
        assert found is None or found.domain.isascii()


@pytest.mark.parametrize("path", ["ada@acme.test", "srs0=x", "srs0=x@", "srs0=x@-.test", "", "srs0=ä@acme.test"])
def test_other_recipients_are_none_of_it(path: str) -> None:
    assert srs.parse_path(path) is None
