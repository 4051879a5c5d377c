"""What is wrong with a request although each field by itself may be right. Works on the bare JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from litemail.kit.errors import Error
from litemail.protocols import address
from litemail.providers.platform import PLATFORMS, FileOnly, Registry, UnknownPlatform

Path: TypeAlias = tuple[str | int, ...]
Fault: TypeAlias = tuple[Path, str]
Body: TypeAlias = Mapping[str, object]
Numbered: TypeAlias = Sequence[tuple[int, Body]]

_WAYS = "platform_email with platform_pass, or platform_api_key, or platform_account_id"
_NO_ADAPTERS = Registry({})
_SIDES = ("imap", "smtp")


def of_fields(body: Body) -> list[Fault]:
    """Faults of credentials, passwords, servers, and addresses that come twice."""
    inboxes = body.get("inboxes")
    numbered = [
        (index, inbox)
        for index, inbox in enumerate(inboxes if isinstance(inboxes, list) else ())
        if isinstance(inbox, dict)
    ]
    return [
        *_credentials(body),
        *_passwords(body.get("inbox_type"), numbered),
        *_servers(body, numbered),
        *_twice(numbered),
    ]


def of_platform(body: Body) -> list[Fault]:
    """Whether the platform is one to connect to; alone this fault has an error code of its own."""
    platform_type = body.get("platform_type")
    if not isinstance(platform_type, str) or not platform_type:
        return []
    if any(each.platform_type == platform_type and each.connects == "api" for each in PLATFORMS):
        return []
    try:
        _NO_ADAPTERS.get(platform_type)
    except (UnknownPlatform, FileOnly) as error:
        return [(("platform_type",), str(error))]
    return []


def _given(body: Body, name: str) -> bool:
    return body.get(name) is not None


def _credentials(body: Body) -> Iterator[Fault]:
    login = [name for name in ("platform_email", "platform_pass") if _given(body, name)]
    others = [name for name in ("platform_api_key", "platform_account_id") if _given(body, name)]
    if bool(login) + len(others) > 1:
        for name in login + others:
            yield (name,), f"give only one of these: {_WAYS}"
    elif not login and not others:
        yield ("platform_email",), f"credentials are needed: {_WAYS}"
    elif len(login) == 1:
        missing = "platform_pass" if login == ["platform_email"] else "platform_email"
        yield (missing,), f"is needed together with {login[0]}"


def _passwords(inbox_type: object, inboxes: Numbered) -> Iterator[Fault]:
    for index, inbox in inboxes:
        given = _given(inbox, "pass")
        if inbox_type == "litemail" and given:
            yield ("inboxes", index, "pass"), "leave it out: with inbox_type litemail the mailbox is known here"
        elif inbox_type != "litemail" and not given:
            yield ("inboxes", index, "pass"), "is needed, unless inbox_type is litemail"


def _servers(body: Body, inboxes: Numbered) -> Iterator[Fault]:
    """With `custom` each inbox has both servers, or neither: then they are looked for."""
    if body.get("inbox_type") != "custom":
        for side in _SIDES:
            if _given(body, side):
                yield (side,), "can be given only with inbox_type custom"
            for index, inbox in inboxes:
                if _given(inbox, side):
                    yield ("inboxes", index, side), "can be given only with inbox_type custom"
        return
    common = [side for side in _SIDES if _given(body, side)]
    if len(common) == 1:
        (missing,) = {*_SIDES} - {*common}
        if not any(_given(inbox, missing) for _, inbox in inboxes):
            yield (missing,), f"is needed together with {common[0]}; leave out both to have them found"
            return
    for index, inbox in inboxes:
        sides = [side for side in _SIDES if side in common or _given(inbox, side)]
        if len(sides) == 1:
            (missing,) = {*_SIDES} - {*sides}
            yield ("inboxes", index, missing), f"is needed together with {sides[0]}; leave out both to have them found"


def _twice(inboxes: Numbered) -> Iterator[Fault]:
    first: dict[str, int] = {}
    told: set[int] = set()
    for index, inbox in inboxes:
        email = inbox.get("email")
        if not isinstance(email, str):
            continue
        before = first.setdefault(_normal(email), index)
        if before == index:
            continue
        if before not in told:
            told.add(before)
            yield ("inboxes", before, "email"), f"is the same address as inboxes[{index}].email"
        yield ("inboxes", index, "email"), f"is the same address as inboxes[{before}].email"


def _normal(email: str) -> str:
    try:
        return str(address.parse(email))
    except Error:
        return email.strip().lower()
