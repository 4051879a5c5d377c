"""What holds for the stripped contract of every vendor."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from tests.contracts.contract import MANNERS, load
from tests.contracts.strip import operations_of, stripped

PROSE = ("description", "summary", "example", "examples", "tags", "contact", "servers", "x-enumDescriptions")
FILES = sorted(Path(__file__).parent.glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_contract_is_valid_openapi_and_holds_no_prose(file: Path) -> None:
    document = load(file.stem).document
    validate(document)
    assert not list(_prose(document))


def _prose(node: object, *, names: bool = False) -> Iterator[str]:
    """Keys that hold prose; below `properties` keys are the vendor's names of fields."""
    if isinstance(node, list):
        for one in node:
            yield from _prose(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if not names and key in PROSE and value != "":
                yield f"{key}: {value}"
            yield from _prose(value, names=key == "properties" and not names)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_stripping_a_contract_again_changes_nothing(file: Path) -> None:
    before = load(file.stem).document
    document = copy.deepcopy(dict(before))
    assert stripped(document, name=file.stem, operations=operations_of(document)) == before


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_contract_names_no_host(file: Path) -> None:
    text = file.read_text()
    assert "http://" not in text
    assert "https://" not in text
    assert "@" not in text


def test_every_contract_says_how_its_vendor_errs() -> None:
    assert {file.stem for file in FILES} == set(MANNERS)
