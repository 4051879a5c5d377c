"""Logs as a process writes them: each test runs one, since loggers keep what they were set up with."""

import json
import subprocess
import sys

import pytest

SET_UP = """
import logging, structlog
from litemail.kit.logging import configure
configure("{level}")
log = structlog.get_logger("test")
"""


def logged(code: str, *, level: str = "info") -> list[dict[str, object]]:
    """The lines that some code logs, read as machines read them."""
    done = subprocess.run(
        [sys.executable, "-c", SET_UP.format(level=level) + code], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_line_is_json_with_time_and_level():
    (line,) = logged("log.info('something', domain='a.test', tries=3)")
    assert line.pop("time").startswith("20")  # type: ignore[attr-defined]  # it is a text
    assert line == {"event": "something", "level": "info", "domain": "a.test", "tries": 3}


def test_what_is_bound_stands_in_every_line():
    code = """
structlog.contextvars.bind_contextvars(request_id="req_1")
log.info("ours")
logging.getLogger("theirs").warning("of a library")
"""
    ours, theirs = logged(code)
    assert ours["request_id"] == theirs["request_id"] == "req_1"
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("of a library", "theirs", "warning")


@pytest.mark.parametrize(
    "name", ["password", "platform_pass", "api_key", "access_token", "Authorization", "client_secret", "private_key"]
)
def test_secrets_are_redacted_by_name(name: str):
    (line,) = logged(f"log.info('x', **{{{name!r}: 'hush', 'kept': 1}})")
    assert line[name] == "[redacted]"
    assert line["kept"] == 1


def test_secrets_inside_of_values_are_redacted_too():
    code = "log.info('x', body={'inboxes': [{'email': 'a@b.test', 'pass': 'hush'}]}, headers=[('x-api-key', 'hush')])"
    (line,) = logged(code)
    assert "hush" not in json.dumps(line["body"])
    assert "a@b.test" in json.dumps(line["body"])


def test_a_traceback_shows_no_values_of_variables():
    code = """
def work(password):
    raise RuntimeError("it broke")
try:
    work("hush")
except RuntimeError:
    log.exception("failed")
    logging.getLogger("theirs").exception("failed too")
"""
    for line in logged(code):
        assert "it broke" in str(line["exception"])
        assert "work(password)" not in str(line["event"])
        assert "hush" not in str(line["exception"]).replace('work("hush")', "")


def test_the_level_is_kept():
    code = "log.info('quiet'); log.error('loud'); logging.getLogger('x').info('chatty')"
    assert [line["event"] for line in logged(code, level="warning")] == ["loud"]
    assert [line["event"] for line in logged(code)] == ["quiet", "loud"]


def test_what_cannot_be_written_as_json_is_described():
    (line,) = logged("log.info('x', thing=object(), raw=b'\\xff')")
    assert "object" in str(line["thing"])
