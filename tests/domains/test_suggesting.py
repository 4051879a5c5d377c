"""Names made of a keyword."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litemail.domains.suggesting import MOST, suggest
from litemail.protocols import names


def test_a_keyword_gives_names_that_people_choose() -> None:
    made = suggest("Brand Merge", ["com", "net"])
    assert made[:6] == [
        "brandmerge.com",
        "brandmerge.net",
        "brand-merge.com",
        "brand-merge.net",
        "getbrandmerge.com",
        "getbrandmerge.net",
    ]
    assert len(made) == MOST
    assert "brandmergehq.com" in made
    assert made == suggest("Brand Merge", ["com", "net"])


def test_a_name_stands_first_as_it_is() -> None:
    assert suggest("brand-merge.net", ["com", "net"])[:3] == ["brand-merge.net", "brandmerge.com", "brandmerge.net"]


def test_letters_of_other_alphabets_stay() -> None:
    assert suggest("Überkoch", ["com"])[0] == "xn--berkoch-m2a.com"


@pytest.mark.parametrize("keyword", ["", " ", "\N{GRINNING FACE}", "...", "\x00", "-", "_"])
def test_nothing_is_made_of_nothing(keyword: str) -> None:
    assert suggest(keyword, ["com"]) == []


def test_endings_are_read_as_people_write_them() -> None:
    assert suggest("brandmerge", [".COM", "co.uk."])[:2] == ["brandmerge.com", "brandmerge.co.uk"]


def test_endings_under_which_nobody_registers_give_nothing() -> None:
    assert suggest("brandmerge", ["nosuchending", "", "x y"]) == []


@settings(max_examples=200)
@given(st.text(max_size=300), st.lists(st.sampled_from(["com", "co.uk", "test", "io", "", "*"]), max_size=4))
def test_all_are_names_that_can_be_registered_and_none_comes_twice(keyword: str, suffixes: list[str]) -> None:
    made = suggest(keyword, suffixes)
    assert len(made) == len(set(made)) <= MOST
    assert all(names.normalise(name) == name and name.partition(".")[2] in suffixes for name in made)
