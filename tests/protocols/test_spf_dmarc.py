import pytest

from litemail.protocols import dmarc, spf


def test_our_spf_record_names_the_senders_and_refuses_the_rest() -> None:
    assert str(spf.record()) == "v=spf1 mx -all"
    record = spf.record(ip4=["192.0.2.1"], ip6=["2001:db8::1"], include=["_spf.example.com"])
    assert str(record) == "v=spf1 mx ip4:192.0.2.1 ip6:2001:db8::1 include:_spf.example.com -all"
    assert record.lookups == 2
    assert spf.parse(str(record)) == record


def test_a_foreign_spf_record_is_read_and_written_back() -> None:
    text = "v=spf1 a:mail.example.com/24 ?exists:%{i}.example.com ~all exp=explain.example.com x-note=1"
    record = spf.parse(text)
    assert str(record) == text
    assert record.mechanisms[-1].qualifier is spf.Qualifier.SOFTFAIL
    assert spf.parse("v=spf1 redirect=_spf.example.com").lookups == 1
    assert spf.parse("v=spf1 mx -all a redirect=_spf.example.com").lookups == 1  # sections 5.1 and 6.1
    (mechanism,) = spf.parse("v=spf1 mx:example.com/24//64").mechanisms
    assert (mechanism.domain, mechanism.prefix_length(4), mechanism.prefix_length(6)) == ("example.com", 24, 64)


@pytest.mark.parametrize(
    "text",
    [
        "v=spf2 mx",
        "v=spf1x",
        "v=spf1 bogus",
        "v=spf1 include:",
        "v=spf1 include:single-label",
        "v=spf1 include:/24",
        "v=spf1 a:",
        "v=spf1 mx/33",
        "v=spf1 a//129",
        "v=spf1 a/x",
        "v=spf1 ip4:192.0.2.300",
        "v=spf1 ip4:192.0.2.0/33",
        "v=spf1 ip6:192.0.2.1",
        "v=spf1 all:x",
        "v=spf1 redirect=",
        "v=spf1 redirect=a.com redirect=b.com",
        "v=spf1 exists:%{x}.example.com",
        "v=spf1 exists:%(i).example.com",
    ],
)
def test_a_malformed_spf_record_is_refused(text: str) -> None:
    with pytest.raises(spf.MalformedSpf):
        spf.parse(text)


def test_a_dmarc_record_is_written_and_read_back() -> None:
    record = dmarc.DmarcRecord(
        dmarc.Policy.QUARANTINE,
        subdomain_policy=dmarc.Policy.REJECT,
        pct=25,
        rua=(dmarc.report_uri("reports@example.com"), "mailto:other@example.com"),
        adkim=dmarc.Alignment.STRICT,
    )
    expected = (
        "v=DMARC1; p=quarantine; sp=reject; pct=25; rua=mailto:reports@example.com,mailto:other@example.com; adkim=s"
    )
    assert str(record) == expected
    assert dmarc.parse(expected) == record
    assert str(dmarc.DmarcRecord(dmarc.Policy.NONE)) == "v=DMARC1; p=none"
    assert dmarc.parse("v=DMARC1;p=NONE;fo=1;").policy is dmarc.Policy.NONE
    assert dmarc.report_uri("a!b,c@x.com") == "mailto:a%21b%2Cc@x.com"


@pytest.mark.parametrize(
    "text",
    [
        "p=none",
        "v=DMARC1",
        "v=DMARC1; p=maybe",
        "v=DMARC1; p=none; pct=200",
        "v=DMARC1; p=none; x",
        "v=DMARC1; p=none; p=none",
    ],
)
def test_a_malformed_dmarc_record_is_refused(text: str) -> None:
    with pytest.raises(dmarc.MalformedDmarc):
        dmarc.parse(text)
