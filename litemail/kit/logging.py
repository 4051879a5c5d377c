"""Structured logs on standard error: JSON lines for machines, plain lines when a person is watching.

Every line carries what is bound to its context: the request id, the job, the workspace.
"""

import logging
import sys
from collections.abc import Mapping
from typing import Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

Level = Literal["debug", "info", "warning", "error"]

_SECRET_WORDS = ("password", "pass", "secret", "api_key", "token", "authorization", "private_key")


def configure(level: Level | None) -> None:
    """Sets up structlog and routes the standard library's records, those of dependencies, through it.

    Without a level: info for machines, warning for a person, whose screen has more to show than requests.
    """
    human = sys.stderr.isatty()
    number = logging.getLevelNamesMapping()[(level or ("warning" if human else "info")).upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _redact,
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if human
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    # Dependencies are chatty at info (each job, each connection): only what went wrong there is news.
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The last net under the rule that secrets are never logged."""
    return {name: _shown(name, value) for name, value in event.items()}


def _shown(name: object, value: object) -> object:
    """A value without what is secret by its name, however deep it lies."""
    if isinstance(name, str) and any(word in name.lower().replace("-", "_") for word in _SECRET_WORDS):
        return "[redacted]"
    if isinstance(value, Mapping):
        return {key: _shown(key, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        pair = len(value) == 2 and isinstance(value[0], str)  # noqa: PLR2004 - a header: name and value
        shown = [value[0], _shown(*value)] if pair else [_shown(None, item) for item in value]
        return tuple(shown) if isinstance(value, tuple) else shown
    return value
