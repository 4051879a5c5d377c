"""SQL of users, sessions and the sign-in throttle."""

from datetime import datetime

import msgspec

from litemail.kit.db import Tx


class User(msgspec.Struct, frozen=True):
    id: str
    email: str
    first_name: str
    last_name: str
    default_workspace_id: str | None
    created_at: datetime


class SignIn(msgspec.Struct, frozen=True):
    user_id: str
    password_hash: str


class Session(msgspec.Struct, frozen=True):
    id: str
    user_id: str
    expires_at: datetime
    revoked_at: datetime | None
    reused: bool


class Attempts(msgspec.Struct, frozen=True):
    attempts: int
    resets_at: datetime


async def insert_user(
    tx: Tx, *, user_id: str, email: str, password_hash: str, first_name: str, last_name: str
) -> User | None:
    """None when the address is taken."""
    return await tx.find(
        User,
        """INSERT INTO users (id, email, password_hash, first_name, last_name, created_at)
           VALUES (%(id)s, %(email)s, %(password_hash)s, %(first_name)s, %(last_name)s, %(now)s)
           ON CONFLICT (email) DO NOTHING
           RETURNING id, email, first_name, last_name, default_workspace_id, created_at""",
        id=user_id,
        email=email,
        password_hash=password_hash,
        first_name=first_name,
        last_name=last_name,
        now=tx.now,
    )


async def get_user(tx: Tx, user_id: str) -> User:
    return await tx.one(
        User,
        "SELECT id, email, first_name, last_name, default_workspace_id, created_at FROM users WHERE id = %(id)s",
        id=user_id,
    )


async def update_user(
    tx: Tx, user_id: str, *, first_name: str | None, last_name: str | None, default_workspace_id: str | None
) -> User:
    """None leaves a field as it is."""
    return await tx.one(
        User,
        """UPDATE users SET first_name = coalesce(%(first_name)s, first_name),
                            last_name = coalesce(%(last_name)s, last_name),
                            default_workspace_id = coalesce(%(workspace_id)s, default_workspace_id)
           WHERE id = %(id)s
           RETURNING id, email, first_name, last_name, default_workspace_id, created_at""",
        id=user_id,
        first_name=first_name,
        last_name=last_name,
        workspace_id=default_workspace_id,
    )


async def live_is_allowed(tx: Tx, user_id: str) -> bool:
    return await tx.value(bool, "SELECT live_allowed FROM users WHERE id = %(id)s", id=user_id) or False


async def allow_live(tx: Tx, email: str) -> str | None:
    return await tx.value(str, "UPDATE users SET live_allowed = true WHERE email = %(email)s RETURNING id", email=email)


async def find_sign_in(tx: Tx, email: str) -> SignIn | None:
    return await tx.find(SignIn, "SELECT id AS user_id, password_hash FROM users WHERE email = %(email)s", email=email)


async def insert_session(tx: Tx, *, session_id: str, user_id: str, refresh_hash: bytes, expires_at: datetime) -> None:
    await tx.execute(
        """INSERT INTO sessions (id, user_id, refresh_hash, expires_at, created_at)
           VALUES (%(id)s, %(user_id)s, %(refresh_hash)s, %(expires_at)s, %(now)s)""",
        id=session_id,
        user_id=user_id,
        refresh_hash=refresh_hash,
        expires_at=expires_at,
        now=tx.now,
    )


async def lock_session(tx: Tx, refresh_hash: bytes) -> Session | None:
    """The session of a refresh token, the current or the one before (`reused`)."""
    return await tx.find(
        Session,
        """SELECT id, user_id, expires_at, revoked_at, refresh_hash <> %(hash)s AS reused FROM sessions
           WHERE refresh_hash = %(hash)s OR previous_hash = %(hash)s FOR UPDATE""",
        hash=refresh_hash,
    )


async def rotate_session(tx: Tx, session_id: str, *, refresh_hash: bytes, expires_at: datetime) -> None:
    await tx.execute(
        """UPDATE sessions SET previous_hash = refresh_hash, refresh_hash = %(hash)s, expires_at = %(expires_at)s
           WHERE id = %(id)s""",
        id=session_id,
        hash=refresh_hash,
        expires_at=expires_at,
    )


async def revoke_session(tx: Tx, session_id: str) -> None:
    await tx.execute(
        "UPDATE sessions SET revoked_at = %(now)s WHERE id = %(id)s AND revoked_at IS NULL", id=session_id, now=tx.now
    )


async def count_attempt(tx: Tx, key: bytes, *, resets_at: datetime) -> Attempts:
    """Counts one more attempt; a window that is over starts anew."""
    return await tx.one(
        Attempts,
        """INSERT INTO throttle (key, attempts, resets_at) VALUES (%(key)s, 1, %(resets_at)s)
           ON CONFLICT (key) DO UPDATE SET
               attempts = CASE WHEN throttle.resets_at <= %(now)s THEN 1 ELSE throttle.attempts + 1 END,
               resets_at = CASE WHEN throttle.resets_at <= %(now)s THEN %(resets_at)s ELSE throttle.resets_at END
           RETURNING attempts, resets_at""",
        key=key,
        now=tx.now,
        resets_at=resets_at,
    )


async def give_attempt_back(tx: Tx, key: bytes) -> None:
    await tx.execute("UPDATE throttle SET attempts = attempts - 1 WHERE key = %(key)s AND attempts > 0", key=key)


async def forget_attempts(tx: Tx, key: bytes) -> None:
    await tx.execute("DELETE FROM throttle WHERE key = %(key)s", key=key)


async def delete_old_attempts(tx: Tx) -> None:
    await tx.execute("DELETE FROM throttle WHERE resets_at <= %(now)s", now=tx.now)


async def delete_ended_sessions(tx: Tx) -> None:
    await tx.execute("DELETE FROM sessions WHERE least(expires_at, revoked_at) <= %(now)s", now=tx.now)
