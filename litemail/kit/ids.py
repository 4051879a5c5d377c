"""Identifiers: TypeIDs (`mbx_01k5...`), a prefix that names the kind and a UUIDv7, so that ids sort by time.

Format: https://github.com/jetify-com/typeid/tree/main/spec
"""

import re

from typeid import TypeID

_SUFFIX = r"[0-7][0-9a-hjkmnp-tv-z]{25}"
_TYPE_ID = re.compile(rf"([a-z]{{2,8}})_({_SUFFIX})")


def new_id(prefix: str) -> str:
    """A new id. Later ids of one process sort after earlier ones."""
    return str(TypeID(prefix=prefix))


def is_id(text: str, prefix: str) -> bool:
    """Whether the text is a well-formed id of that kind (not whether the thing exists)."""
    match = _TYPE_ID.fullmatch(text)
    return match is not None and match[1] == prefix


def id_pattern(prefix: str) -> str:
    """The regular expression of ids of that kind, for schemas."""
    return rf"^{prefix}_{_SUFFIX}$"
