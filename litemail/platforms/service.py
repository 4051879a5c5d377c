"""Use cases of platform accounts: which one a call means, and how to sign in with it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from litemail.kit import ids
from litemail.kit.actor import Mode
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Error, Kind, Problem
from litemail.kit.outbound import OutboundError
from litemail.kit.secrets import Secrets
from litemail.platforms import queries
from litemail.platforms.doors import Doors
from litemail.platforms.queries import PlatformAccount, Sealed
from litemail.providers.platform import (
    ActionNeeded,
    Adapter,
    BadCredentials,
    Concerns,
    Credentials,
    Exchanged,
    Limits,
    Login,
    LoginNotOffered,
    OutcomeUnknown,
    PlatformWorkspace,
    Reach,
    Session,
)

_EXCHANGE_WITHIN = 20.0
_MARGIN = 5.0
_LOOK_AGAIN = 0.25


class NoTwin(Error):
    kind = Kind.INVALID
    code = "sandbox.no_twin"
    message = "{name} has no sandbox twin."
    action = "Use another platform in this sandbox workspace, or a live workspace."


class SecretsExpired(Error):
    """The passwords that a repeat needs were erased, as promised."""

    kind = Kind.GONE
    code = "connection.secrets_expired"
    message = "The passwords that this needs have been erased: {which}."
    action = "Send the inboxes again with POST /v1/connect-inbox."


class AccountDeleted(ActionNeeded):
    """For work that was under way; who asks for a deleted account by its id hears that there is none."""

    code = "platform_account.deleted"
    message = "The platform account was deleted."
    action = "Store the login again, and begin again with it."


def check_offered(adapter: Adapter, *, mode: Mode, with_login: bool, field: str = "platform_type") -> None:
    """What can be said before speaking to the platform that the request's `field` names.

    Raises NoTwin, LoginNotOffered.
    """
    name = adapter.declaration.name
    if mode == "sandbox" and not adapter.declaration.sandbox_twin:
        raise NoTwin(name=name, field=field)
    if with_login and adapter.exchange is None and adapter.login_session is None:
        raise _login_not_offered(adapter)


def _login_not_offered(adapter: Adapter) -> LoginNotOffered:
    declaration = adapter.declaration
    where = next((each.where for each in declaration.credentials if each.field == "api_key"), "see its settings")
    return LoginNotOffered(name=declaration.name, where=where, field="platform_pass")


async def find(tx: Tx, account_id: str, *, workspace_id: str | None = None) -> PlatformAccount | None:
    """An account of the actor's workspace; jobs, which have no actor, name it."""
    if workspace_id is None:
        assert tx.actor is not None
        workspace_id = tx.actor.workspace_id
    return await queries.find(tx, account_id, workspace_id=workspace_id)


async def hold(tx: Tx, account_id: str, *, workspace_id: str) -> bool:
    """Whether the account is there. If it is, it is not deleted before the transaction ends."""
    return await queries.hold(tx, account_id, workspace_id=workspace_id)


@asynccontextmanager
async def reach_account(
    database: Database, doors: Doors, adapter: Adapter, account_id: str, *, workspace_id: str, mode: Mode
) -> AsyncIterator[tuple[Reach, Limits]]:
    """The way to where an account is. Raises AccountDeleted."""
    async with database.begin_system("read a platform account") as tx:
        account = await _get(tx, account_id, workspace_id=workspace_id)
    where = doors.open(adapter, mode=mode, workspace_id=workspace_id, account_id=account.id, url=account.url)
    async with where as opened:
        yield opened


async def _get(tx: Tx, account_id: str, *, workspace_id: str) -> PlatformAccount:
    found = await queries.find(tx, account_id, workspace_id=workspace_id)
    if found is None:
        raise AccountDeleted
    return found


async def find_or_create(
    tx: Tx,
    *,
    platform_type: str,
    platform_email: str | None,
    api_key: str | None,
    url: str | None,
    workspace: str | None,
    secrets: Secrets,
) -> PlatformAccount:
    """The account of that e-mail, or of that API key when there is no e-mail; made when there is none.

    Nothing is asked of the platform: a new account is `unverified` until a job signs in with it.
    """
    assert tx.actor is not None
    workspace_id = tx.actor.workspace_id
    identity = identity_of(platform_email, api_key, secrets=secrets)
    account_id = ids.new_id("pfa")

    async def look() -> PlatformAccount | None:
        return await queries.find_by_identity(
            tx,
            workspace_id=workspace_id,
            platform_type=platform_type,
            identity=identity,
            wanted_workspace=workspace,
        )

    found = await look()
    if found is not None:
        return found
    made = await queries.insert(
        tx,
        account_id=account_id,
        workspace_id=workspace_id,
        platform_type=platform_type,
        identity=identity,
        wanted_workspace=workspace or "",
        platform_email=platform_email,
        url=url,
        api_key=None if api_key is None else secrets.seal(api_key, row=account_id),
    )
    if made:
        await tx.emit(
            "platform_account.created",
            workspace_id=workspace_id,
            subject=account_id,
            data={"platform_type": platform_type, "platform_email": platform_email},
        )
    found = await look()
    assert found is not None
    return found


def identity_of(platform_email: str | None, api_key: str | None, *, secrets: Secrets) -> str:
    """What tells accounts of one platform apart: the e-mail, or a keyed hash of the API key."""
    if platform_email is not None:
        return platform_email.lower()
    assert api_key is not None
    return f"key:{secrets.mac('platform-account', api_key).hex()}"


async def sign_in(
    database: Database,
    account_id: str,
    *,
    workspace_id: str,
    password: str | None,
    adapter: Adapter,
    reach: Reach,
    secrets: Secrets,
) -> Session:
    """A session that the platform has accepted. Speaks to the platform, so no transaction may be open.

    A password sent along is checked by signing in. It becomes an API key only where no stored one works, and that is
    safe to repeat: the key's name is the account's own, and keys of that name left by a lost answer go first.
    Raises SecretsExpired, what adapters raise, and OutboundError.
    """
    async with database.begin_system("read a platform account") as tx:
        account = await _get(tx, account_id, workspace_id=workspace_id)
        sealed = await queries.read_secrets(tx, account_id, workspace_id=workspace_id)
    login = Login(account.platform_email, password) if account.platform_email and password else None
    try:
        session, workspaces = await _enter(
            database, account, sealed, login=login, adapter=adapter, reach=reach, secrets=secrets
        )
    except ActionNeeded as error:
        # A wrong password says nothing against a key that works.
        if error.concerns is Concerns.ACCOUNT and (login is None or sealed.api_key is None):
            await _note(database, account, status="refused", problem=error.problem())
        raise
    except OutboundError as error:
        # The account's own address is wrong by now: its name is gone, or leads where nobody may be led.
        await _note(database, account, status="refused", problem=error.problem())
        raise
    await _note(database, account, status="verified", workspaces=shown_workspaces(workspaces))
    return session


async def _enter(
    database: Database,
    account: PlatformAccount,
    sealed: Sealed,
    *,
    login: Login | None,
    adapter: Adapter,
    reach: Reach,
    secrets: Secrets,
) -> tuple[Session, Sequence[PlatformWorkspace]]:
    if sealed.api_key is not None:
        if login is not None and adapter.sign_in is not None:
            await adapter.sign_in(login, reach)
        session = adapter.session(credentials_of(account, sealed, secrets=secrets), reach)
        try:
            return session, await session.check()
        except BadCredentials:
            if login is None:
                raise
    if login is None:
        raise SecretsExpired(which="the password of the platform account")
    if adapter.exchange is None and adapter.login_session is not None:
        session = adapter.login_session(login, reach, workspace=account.wanted_workspace or None)
        return session, await session.check()
    async with _alone(database, account):
        async with database.begin_system("read a platform account") as tx:
            now = await queries.read_secrets(tx, account.id, workspace_id=account.workspace_id)
        if now.api_key is not None and now.api_key != sealed.api_key:  # another run made one meanwhile
            credentials = credentials_of(account, now, secrets=secrets)
        else:
            exchanged = await _exchange(account, login, adapter=adapter, reach=reach)
            await _store(database, account, exchanged, secrets=secrets)
            credentials = replace(exchanged.credentials, url=exchanged.credentials.url or account.url)
    session = adapter.session(credentials, reach)
    return session, await session.check()


@asynccontextmanager
async def _alone(database: Database, account: PlatformAccount) -> AsyncIterator[None]:
    """Keeps other runs from making a key of their own, which would begin with removing this one."""
    while True:
        async with database.begin_system("be alone with a platform account") as tx:
            if await queries.claim_exchange(tx, account.id, seconds=_EXCHANGE_WITHIN + _MARGIN):
                break
        await asyncio.sleep(_LOOK_AGAIN)
    try:
        yield
    finally:
        async with database.begin_system("leave a platform account to others") as tx:
            await queries.release_exchange(tx, account.id)


async def _exchange(account: PlatformAccount, login: Login, *, adapter: Adapter, reach: Reach) -> Exchanged:
    if adapter.exchange is None:
        raise _login_not_offered(adapter)
    try:
        async with asyncio.timeout(_EXCHANGE_WITHIN):
            return await adapter.exchange(
                login,
                reach,
                workspace=account.external_workspace_id or account.wanted_workspace or None,
                key_name=f"Litemail {account.id}",
            )
    except TimeoutError:
        raise OutcomeUnknown(
            name=adapter.declaration.name, reason=f"signing in took longer than {_EXCHANGE_WITHIN:g} seconds"
        ) from None


async def _store(database: Database, account: PlatformAccount, exchanged: Exchanged, *, secrets: Secrets) -> None:
    async with database.begin_system("store a platform key") as tx:
        await queries.store_api_key(
            tx,
            account.id,
            workspace_id=account.workspace_id,
            api_key=secrets.seal(exchanged.credentials.api_key, row=account.id),
            external_id=exchanged.workspace.id,
            external_name=exchanged.workspace.name,
        )
        await tx.emit(
            "platform_account.key_stored",
            workspace_id=account.workspace_id,
            subject=account.id,
            data={"workspace": exchanged.workspace.name},
            audience="audit",
        )


async def _note(
    database: Database,
    account: PlatformAccount,
    *,
    status: queries.Status,
    problem: Problem | None = None,
    workspaces: Sequence[queries.Workspace] | None = None,
) -> None:
    async with database.begin_system("note a platform sign-in") as tx:
        await note(tx, account, status=status, problem=problem, workspaces=workspaces)


async def note(
    tx: Tx,
    account: PlatformAccount,
    *,
    status: queries.Status,
    problem: Problem | None = None,
    workspaces: Sequence[queries.Workspace] | None = None,
) -> None:
    """What the platform said of the login; tells of it when it is news."""
    if await queries.mark(
        tx, account.id, workspace_id=account.workspace_id, status=status, problem=problem, workspaces=workspaces
    ):
        await tx.emit(
            f"platform_account.{status}",
            workspace_id=account.workspace_id,
            subject=account.id,
            data={
                "platform_type": account.platform_type,
                "platform_email": account.platform_email,
                **({"problem": problem} if problem else {}),
            },
        )


def shown_workspaces(workspaces: Sequence[PlatformWorkspace]) -> list[queries.Workspace]:
    return [queries.Workspace(each.id, each.name) for each in workspaces]


def credentials_of(account: PlatformAccount, sealed: Sealed, *, secrets: Secrets) -> Credentials:
    """What a session is opened with. The API key is there."""
    assert sealed.api_key is not None
    # A key made by an exchange is of one workspace already; one that was given may reach several.
    return Credentials(
        api_key=secrets.open(sealed.api_key, row=account.id),
        url=account.url,
        workspace=None if account.external_workspace_id else account.wanted_workspace or None,
        client_id=account.client_id,
        client_secret=secrets.open(sealed.client_secret, row=account.id) if sealed.client_secret else "",
    )
