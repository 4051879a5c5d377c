"""What is wrong with a query before anybody looks at its values."""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from litestar import Litestar, Request
from litestar.connection import ASGIConnection
from litestar.routes import HTTPRoute

from litemail.kit.errors import Detail, Invalid

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def check_query(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Raises Invalid where a call that changes something has a parameter that it does not know, or one twice.

    Ignored, a misspelt `dry_run` would buy what was only to be quoted.
    """
    assert isinstance(connection, Request)
    method = connection.method
    if not connection.scope["query_string"] or method in _READING:
        return
    given = Counter(name for name, _ in connection.query_params.multi_items())
    known = _known(connection.app)[connection.scope["path_template"], method]
    unknown = [Detail(name, "is not a parameter of this call") for name in given if name not in known]
    twice = [Detail(name, "is given more than once") for name, times in given.items() if times > 1 and name in known]
    if unknown or twice:
        raise Invalid(details=(*unknown, *twice))


@lru_cache(maxsize=4)
def _known(app: Litestar) -> Mapping[tuple[str, str], frozenset[str]]:
    """The names of query parameters by path and method."""
    return {
        (route.path_format, str(method)): frozenset(each.field_alias for each in model.expected_query_params)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method, (_, model) in route.route_handler_map.items()
    }
