import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.kit.errors import Kind
from litemail.protocols import names


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("example.com", "example.com"),
        (" Example.COM. ", "example.com"),
        ("Bücher.de", "xn--bcher-kva.de"),
        ("xn--bcher-kva.de", "xn--bcher-kva.de"),
        ("XN--BCHER-KVA.DE", "xn--bcher-kva.de"),
        ("faß.de", "xn--fa-hia.de"),
        ("\uff45\uff58ample\u3002com", "example.com"),
        ("食狮.公司.cn", "xn--85x722f.xn--55qx5d.cn"),
        ("shop.co.uk", "shop.co.uk"),
        ("www.ck", "www.ck"),
        ("foo.test", "foo.test"),
        ("a" * 63 + ".com", "a" * 63 + ".com"),
        ("foo.uk.com", "foo.uk.com"),
    ],
)
def test_registrable_names_are_normalised(typed: str, name: str) -> None:
    assert names.normalise(typed) == name


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", "domain.not_a_name"),
        (".", "domain.not_a_name"),
        ("a b.com", "domain.not_a_name"),
        ("a..com", "domain.not_a_name"),
        (".com", "domain.not_a_name"),
        ("example.com..", "domain.not_a_name"),
        ("-a.com", "domain.not_a_name"),
        ("a-.com", "domain.not_a_name"),
        ("a_b.com", "domain.not_a_name"),
        ("*.example.com", "domain.not_a_name"),
        ("exa\x00mple.com", "domain.not_a_name"),
        ("💩.com", "domain.not_a_name"),
        ("xn--ls8h.com", "domain.not_a_name"),
        ("xn--a.com", "domain.not_a_name"),
        ("{x}.com", "domain.not_a_name"),
        ("https:///", "domain.not_a_name"),
        ("a" * 64 + ".com", "domain.label_too_long"),
        ("ü" * 60 + ".com", "domain.label_too_long"),
        (".".join(["a" * 50] * 6) + ".com", "domain.name_too_long"),
        ("a" * 100_000, "domain.name_too_long"),
        ("1.2.3.4", "domain.ip_address"),
        ("1.2.3.4.", "domain.ip_address"),
        ("\uff12.2.3.4", "domain.ip_address"),
        ("2001:db8::1", "domain.ip_address"),
        ("[2001:db8::1]", "domain.ip_address"),
        ("localhost", "domain.single_label"),
        ("com", "domain.public_suffix"),
        ("test", "domain.public_suffix"),
        ("co.uk", "domain.public_suffix"),
        ("github.io", "domain.public_suffix"),
        ("printer.local", "domain.unknown_suffix"),
        ("mail.example.com", "domain.not_registrable"),
        ("a.b.test", "domain.not_registrable"),
        ("https://a.com", "domain.web_address"),
        ("me@a.com", "domain.email_address"),
    ],
)
def test_everything_else_is_refused_by_its_own_code(typed: str, code: str) -> None:
    with pytest.raises(names.BadName) as caught:
        names.normalise(typed, field="domains[0]")
    assert caught.value.code == code
    assert caught.value.kind is Kind.INVALID
    assert caught.value.problem().field == "domains[0]"
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "typed",
    [
        "https://a.com",
        "http://www.a.com:8080/path?x=1#y",
        "//a.com",
        "a.com/",
        "a.com:443",
        "www.a.com?x",
        "postmaster@mail.a.com",
        "mailto:me@a.com",
    ],
)
def test_a_name_inside_something_else_is_suggested(typed: str) -> None:
    with pytest.raises(names.BadName) as caught:
        names.normalise(typed)
    assert caught.value.problem().action == "Enter a.com."


def test_a_sub_domain_names_its_registrable_parent() -> None:
    with pytest.raises(names.NotRegistrable) as caught:
        names.normalise("mail.shop.co.uk")
    assert caught.value.parent == "shop.co.uk"
    assert "shop.co.uk" in (caught.value.problem().action or "")


@given(st.text(max_size=300))
def test_no_text_breaks_it_and_every_result_is_a_fixed_point(text: str) -> None:
    refusal: names.BadName | None = None
    name = "example.com"
    try:
        name = names.normalise(text)
    except names.BadName as refused:
        refusal = refused
    assert refusal is None or (str(refusal).isprintable() and refusal.problem().action)
    assert names.normalise(name) == name
    assert name.isascii()
    assert name == name.lower()


def test_host_names_may_have_underscores_and_double_hyphens_where_asked() -> None:
    assert names.to_ascii("My--Site.netlify.app.") == "my--site.netlify.app"
    assert names.to_ascii("_dmarc.Example.com", underscores=True) == "_dmarc.example.com"
    with pytest.raises(names.Unfit, match="underscore"):
        names.to_ascii("_dmarc.example.com")


def test_names_are_shown_in_unicode_where_valid() -> None:
    assert names.to_unicode("xn--bcher-kva.de") == "bücher.de"
    assert names.to_unicode("xn--ls8h.com") == "xn--ls8h.com"
    assert names.to_unicode("example.com") == "example.com"


def test_relative_and_absolute_are_opposites() -> None:
    for name in ("example.com", "www.example.com", "a.b.example.com"):
        assert names.absolute(names.relative(name, "example.com"), "example.com") == name
    assert names.relative("example.com", "example.com") == "@"
    with pytest.raises(ValueError, match="not in"):
        names.relative("badexample.com", "example.com")


def test_under_means_at_or_below_whole_labels() -> None:
    assert names.is_under("example.com", "example.com")
    assert names.is_under("a.example.com", "example.com")
    assert not names.is_under("badexample.com", "example.com")
    assert not names.is_under("com", "example.com")
