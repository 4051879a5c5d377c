"""Use cases of people: sign up, sign in, stay signed in, sign out."""

from datetime import timedelta

import jwt
import msgspec

from litemail.kit import ids, passwords
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.secrets import Secrets, token, token_hash
from litemail.users import queries
from litemail.users.queries import User

ACCESS_LIFETIME = timedelta(minutes=15)
REFRESH_LIFETIME = timedelta(days=30)
THROTTLE_WINDOW = timedelta(minutes=15)
ATTEMPTS_PER_ACCOUNT = 10
ATTEMPTS_PER_ADDRESS = 100


class EmailTaken(Error):
    kind = Kind.CONFLICT
    code = "user.email_taken"
    message = "There is already an account with the address {email}."
    action = "Sign in with it, or register with another address."


class UnknownUser(Error):
    kind = Kind.NOT_FOUND
    code = "user.not_found"
    message = "Nobody has registered with the address {email}."
    action = "Check the address; the user registers first."


class BadCredentials(Error):
    kind = Kind.UNAUTHENTICATED
    code = "auth.bad_credentials"
    message = "The e-mail address or the password is wrong."
    action = "Check both and try again."


class TooManyAttempts(Error):
    kind = Kind.RATE_LIMITED
    code = "auth.too_many_attempts"
    message = "Too many sign-in attempts. Try again in {seconds} seconds."
    action = "Wait, then sign in with the right password."
    retryable = True


class RefreshTokenRefused(Error):
    kind = Kind.UNAUTHENTICATED
    code = "auth.refresh_token_refused"
    message = "This refresh token is unknown, used, expired or revoked."
    action = "Sign in again with e-mail address and password."


class TokenClaims(msgspec.Struct, frozen=True):
    """What an access token says: the user (`sub`) and the session (`sid`)."""

    sub: str
    sid: str
    exp: int


class Tokens(msgspec.Struct, frozen=True):
    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme


async def create(tx: Tx, *, email: str, password_hash: str, first_name: str, last_name: str) -> User:
    """A new account. `email` is normalised, `password_hash` made by `passwords.hash_chosen`.

    Raises EmailTaken.
    """
    user = await queries.insert_user(
        tx,
        user_id=ids.new_id("user"),
        email=email,
        password_hash=password_hash,
        first_name=first_name,
        last_name=last_name,
    )
    if user is None:
        raise EmailTaken(email=email, field="email")
    return user


async def get(tx: Tx, user_id: str) -> User:
    return await queries.get_user(tx, user_id)


async def update(tx: Tx, user_id: str, *, first_name: str | None, last_name: str | None) -> User:
    return await queries.update_user(tx, user_id, first_name=first_name, last_name=last_name, default_workspace_id=None)


async def set_default_workspace(tx: Tx, user_id: str, workspace_id: str) -> User:
    return await queries.update_user(tx, user_id, first_name=None, last_name=None, default_workspace_id=workspace_id)


async def live_is_allowed(tx: Tx, user_id: str) -> bool:
    """Whether the operator lets this user have live workspaces."""
    return await queries.live_is_allowed(tx, user_id)


async def allow_live(tx: Tx, email: str) -> None:
    """The operator's word that this user may have live workspaces. Raises UnknownUser."""
    if await queries.allow_live(tx, email) is None:
        raise UnknownUser(email=email)


async def log_in(database: Database, *, email: str, password: str, address: str | None, secrets: Secrets) -> str:
    """The id of the user whose password this is.

    Attempts count per account and per network address before the password is looked at, in a transaction of their
    own: a refusal must not undo the count. An unknown address takes as long as a wrong password.

    Raises TooManyAttempts, BadCredentials.
    """
    account_key = secrets.mac("throttle", f"account:{email}")
    address_key = secrets.mac("throttle", f"address:{address}")
    async with database.begin_system("sign-in attempt") as tx:
        await _count(tx, account_key, limit=ATTEMPTS_PER_ACCOUNT)
        await _count(tx, address_key, limit=ATTEMPTS_PER_ADDRESS)
        sign_in = await queries.find_sign_in(tx, email)
    if not await passwords.verify(sign_in.password_hash if sign_in else None, password) or sign_in is None:
        raise BadCredentials
    async with database.begin_system("sign-in") as tx:
        await queries.forget_attempts(tx, account_key)
        # Only this one: whoever guesses must not clear the count by signing in to an account of their own.
        await queries.give_attempt_back(tx, address_key)
    return sign_in.user_id


async def _count(tx: Tx, key: bytes, *, limit: int) -> None:
    attempts = await queries.count_attempt(tx, key, resets_at=tx.now + THROTTLE_WINDOW)
    if attempts.attempts > limit:
        wait = (attempts.resets_at - tx.now).total_seconds()
        raise TooManyAttempts(seconds=max(1, round(wait)), retry_after=wait)


async def issue_tokens(tx: Tx, user_id: str, *, secrets: Secrets) -> Tokens:
    """Starts a session."""
    session_id = ids.new_id("ses")
    refresh_token = _new_refresh_token()
    await queries.insert_session(
        tx,
        session_id=session_id,
        user_id=user_id,
        refresh_hash=_hash(refresh_token),
        expires_at=tx.now + REFRESH_LIFETIME,
    )
    return _tokens(tx, user_id, session_id, refresh_token, secrets)


async def refresh(tx: Tx, refresh_token: str, *, secrets: Secrets) -> Tokens | None:
    """Exchanges a refresh token for new tokens; it is used up by that.

    None, when a token comes a second time: it may have been stolen, so the session has ended, which the caller must
    commit before it refuses. Raises RefreshTokenRefused for any other that is not good.
    """
    session = await queries.lock_session(tx, _hash(refresh_token))
    if session is None or session.revoked_at is not None or session.expires_at <= tx.now:
        raise RefreshTokenRefused
    if session.reused:
        await queries.revoke_session(tx, session.id)
        return None
    fresh = _new_refresh_token()
    await queries.rotate_session(tx, session.id, refresh_hash=_hash(fresh), expires_at=tx.now + REFRESH_LIFETIME)
    return _tokens(tx, session.user_id, session.id, fresh, secrets)


async def log_out(tx: Tx, refresh_token: str) -> None:
    """Ends the session of this refresh token, its access tokens with it. Unknown ones are no error."""
    session = await queries.lock_session(tx, _hash(refresh_token))
    if session is not None:
        await queries.revoke_session(tx, session.id)


async def forget_what_ended(tx: Tx) -> None:
    """Deletes sessions that expired or were revoked, and counts of attempts whose time is over."""
    await queries.delete_ended_sessions(tx)
    await queries.delete_old_attempts(tx)


def read_access_token(token: str, *, secrets: Secrets) -> TokenClaims | None:
    """The claims of a token that we signed and that has not expired; None for any other."""
    try:
        claims = jwt.decode(
            token, secrets.derive("jwt"), algorithms=["HS256"], options={"require": ["exp", "sub", "sid"]}
        )
        return msgspec.convert(claims, TokenClaims)
    except (jwt.InvalidTokenError, msgspec.ValidationError):
        return None


def _tokens(tx: Tx, user_id: str, session_id: str, refresh_token: str, secrets: Secrets) -> Tokens:
    issued = int(tx.now.timestamp())
    expires = issued + int(ACCESS_LIFETIME.total_seconds())
    claims = {"sub": user_id, "sid": session_id, "iat": issued, "exp": expires}
    return Tokens(
        access_token=jwt.encode(claims, secrets.derive("jwt"), algorithm="HS256"),
        refresh_token=refresh_token,
        expires_in=int(ACCESS_LIFETIME.total_seconds()),
    )


def _new_refresh_token() -> str:
    return token("rt_")


def _hash(refresh_token: str) -> bytes:
    return token_hash(refresh_token)
