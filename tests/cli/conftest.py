"""Commands that run inside of the tests' process."""

import pytest

from litemail.kit import logging


@pytest.fixture(autouse=True)
def logs_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command sets logging up for its process; here that would stay for all tests that follow."""
    monkeypatch.setattr(logging, "configure", lambda _level: None)
