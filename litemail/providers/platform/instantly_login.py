"""Instantly's e-mail and password, exchanged for an API key.

These are the calls of its web application: undocumented, seen in public code, may change any day, and they know no
second factor. So a login is used once, to make a key with the scopes that are needed, and then forgotten.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote

import msgspec

from litemail.providers.platform import instantly_wire as wire
from litemail.providers.platform.base import Credentials, Exchanged, Login, PlatformWorkspace, Reach
from litemail.providers.platform.errors import BadCredentials, TotpRequired
from litemail.providers.platform.http import Answer, Caller
from litemail.providers.platform.identity import choose_workspace
from litemail.providers.platform.instantly_answers import NAME, is_absent, raise_for_account, raise_for_body
from litemail.providers.platform.wording import asks_second_factor

_COOKIE = "__session"
_SCOPES = (
    "accounts:all",
    "workspaces:read",
    "background-jobs:read",
    "custom_tags:all",
    "custom_tag_mappings:all",
)
_MOST_PAGES = 1_000


@dataclass(frozen=True)
class _SignedIn:
    caller: Caller
    headers: Mapping[str, str]
    workspaces: tuple[PlatformWorkspace, ...]


async def sign_in(login: Login, reach: Reach) -> tuple[PlatformWorkspace, ...]:
    """The workspaces of a login. Raises `BadCredentials`, `TotpRequired` and what every call may."""
    return (await _sign_in(login, reach)).workspaces


async def exchange(login: Login, reach: Reach, *, workspace: str | None, key_name: str) -> Exchanged:
    """A key of that name in the workspace; earlier keys of that name, left by a lost answer, are removed."""
    signed_in = await _sign_in(login, reach)
    chosen = choose_workspace(NAME, signed_in.workspaces, workspace)
    await _enter(signed_in, chosen)
    headers = {**signed_in.headers, "x-workspace-id": chosen.id}
    caller, keys_url = signed_in.caller, f"{reach.site.login}/backend/api/v2/api-keys"
    for key in await _keys_named(caller, keys_url, headers, key_name):
        answer = await caller.call("DELETE", f"{keys_url}/{quote(key.id, safe='')}", headers=headers)
        if not is_absent(answer):
            raise_for_account(caller, answer)
            caller.parse(answer, wire.Key)
    answer = await caller.call("POST", keys_url, headers=headers, body=wire.NewKey(key_name, list(_SCOPES)))
    raise_for_account(caller, answer)
    raise_for_body(caller, answer)
    made = caller.parse(answer, wire.Key)
    if not made.key:
        raise caller.unexpected(answer, "no key")
    return Exchanged(Credentials(api_key=made.key), chosen)


async def _sign_in(login: Login, reach: Reach) -> _SignedIn:
    caller = Caller(NAME, reach, (login.password,))
    answer = await caller.call(
        "POST", f"{reach.site.login}/api/auth/login", headers={}, body=wire.SignInBody(login.email, login.password)
    )
    cookie = _session_cookie(answer)
    if not answer.ok or cookie is None:
        _raise_for_login(caller, answer)
    assert cookie is not None
    caller = caller.with_secrets(cookie)
    headers = {"cookie": f"{_COOKIE}={cookie}"}
    answer = await caller.call("GET", f"{reach.site.login}/api/organization/user", headers=headers)
    raise_for_account(caller, answer)
    organisations = caller.parse(answer, list[wire.Workspace])
    return _SignedIn(caller, headers, tuple(PlatformWorkspace(one.id, one.name) for one in organisations))


def _raise_for_login(caller: Caller, answer: Answer) -> None:
    """The answer brought no session: always raises."""
    try:
        said = msgspec.json.decode(answer.body, type=wire.SignInFailure).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = None
    if said and asks_second_factor(said):
        raise TotpRequired(name=NAME)
    if said and answer.status in (200, 400, 401, 403):
        raise BadCredentials(name=NAME, words=caller.shown(said))
    raise_for_account(caller, answer)
    raise caller.unexpected(answer, "no session")


def _session_cookie(answer: Answer) -> str | None:
    for header in answer.headers.get_list("set-cookie"):
        try:
            morsel = SimpleCookie(header).get(_COOKIE)
        except CookieError:
            continue
        if morsel is not None and morsel.value:
            return morsel.value
    return None


async def _enter(signed_in: _SignedIn, workspace: PlatformWorkspace) -> None:
    caller = signed_in.caller
    answer = await caller.call(
        "POST",
        f"{caller.reach.site.login}/api/organization/auth_workspace",
        headers=signed_in.headers,
        body=wire.ChooseOrganisation(workspace.id),
    )
    raise_for_account(caller, answer)
    caller.parse(answer, wire.Chosen)


async def _keys_named(caller: Caller, url: str, headers: Mapping[str, str], name: str) -> list[wire.Key]:
    found: list[wire.Key] = []
    cursor: dict[str, str] = {}
    for _ in range(_MOST_PAGES):
        answer = await caller.call("GET", url, headers=headers, parameters={"limit": "100", **cursor})
        raise_for_account(caller, answer)
        page = caller.parse(answer, wire.Keys)
        found += [key for key in page.items if key.name == name]
        if not page.items or not page.next_starting_after:
            break
        cursor = {"starting_after": page.next_starting_after}
    return found
