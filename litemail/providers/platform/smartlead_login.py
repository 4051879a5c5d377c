"""Smartlead's e-mail and password, exchanged for an API key.

This is the login of its web application. The vendor's documentation lists the path without saying what goes in or
comes out; public code agrees that the answer holds the user's one API key. It may change any day and knows no second
factor. So a login is used once, to read the key, and then forgotten; nothing is made at Smartlead.
"""

from litemail.providers.platform import smartlead_wire as wire
from litemail.providers.platform.answers import raise_for_account
from litemail.providers.platform.base import Credentials, Exchanged, Login, PlatformWorkspace, Reach
from litemail.providers.platform.errors import BadCredentials, TotpRequired
from litemail.providers.platform.http import Answer, Caller
from litemail.providers.platform.identity import choose_workspace
from litemail.providers.platform.smartlead_answers import NAME, failure_of
from litemail.providers.platform.wording import asks_second_factor


async def sign_in(login: Login, reach: Reach) -> tuple[PlatformWorkspace, ...]:
    """The account of a login, as its only workspace. Raises `BadCredentials`, `TotpRequired`, what every call may."""
    return (_workspace(await _user_of(login, reach)),)


async def exchange(login: Login, reach: Reach, *, workspace: str | None, key_name: str) -> Exchanged:  # noqa: ARG001
    """The user's API key. Smartlead has one for each user, so there is none to make and `key_name` is not used."""
    user = await _user_of(login, reach)
    chosen = choose_workspace(NAME, (_workspace(user),), workspace)
    return Exchanged(Credentials(api_key=user.api_key or ""), chosen)


async def _user_of(login: Login, reach: Reach) -> wire.User:
    caller = Caller(NAME, reach, (login.password,))
    body = wire.SignInBody(login.email, login.password)
    answer = await caller.call("POST", f"{reach.site.login}/api/auth/login", headers={}, body=body, reads=True)
    _raise_for_login(caller, answer)
    user = caller.parse(answer, wire.SignedIn).user
    if not user.api_key:
        raise caller.unexpected(answer, "no API key")
    return user


def _raise_for_login(caller: Caller, answer: Answer) -> None:
    """Only 401 is known to mean bad credentials; with words of its own, other refusals do too."""
    raise_for_account(caller, answer)
    failure = failure_of(answer)
    if answer.ok or failure is None:
        return
    words = caller.shown(failure.words)
    if asks_second_factor(words):
        raise TotpRequired(name=NAME)
    if answer.status in (400, 422):
        raise BadCredentials(name=NAME, words=words)


def _workspace(user: wire.User) -> PlatformWorkspace:
    return PlatformWorkspace(str(user.id), user.name or user.email)
