"""Paths as logs have them. Whoever knows a link that is its own authority may use it, so its token is not written."""

import re

_LINK = re.compile(r"(/(?:forwarding|pay|purchase)/)[^/]+")


def logged(path: str) -> str:
    return _LINK.sub(r"\1{token}", path)
