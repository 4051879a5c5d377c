"""Platform accounts as people keep them: stored once the platform has let us in, changed, looked at, deleted.

Verifying speaks to the platform, so it stands between two transactions: `prepare_*` finds what is wrong without asking
anybody, `verify` asks, `store_*` writes.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from litemail.kit import ids
from litemail.kit.actor import Mode
from litemail.kit.db import Tx
from litemail.kit.errors import Error, Invalid, Kind
from litemail.kit.outbound import OutboundError
from litemail.kit.pagination import Page, PageRequest, page
from litemail.kit.secrets import Secrets
from litemail.platforms import given as rules
from litemail.platforms import queries
from litemail.platforms.doors import Doors
from litemail.platforms.given import GivenAccount
from litemail.platforms.queries import PlatformAccount, Workspace
from litemail.platforms.service import check_offered, credentials_of, identity_of, note, shown_workspaces
from litemail.providers.platform import (
    Adapter,
    Credentials,
    Login,
    PlatformWorkspace,
    RateLimited,
    Registry,
    TryAgain,
    Unavailable,
)

VERIFY_WITHIN = 10.0
_NOT_NOW = "Nothing was stored or changed. Send it again in a moment; if it lasts, look at the platform's status page."


class AccountNotFound(Error):
    kind = Kind.NOT_FOUND
    code = "platform_account.not_found"
    message = "There is no platform account {account_id} in this workspace."
    action = "List the platform accounts with GET /v1/exports/accounts."


class AccountExists(Error):
    kind = Kind.CONFLICT
    code = "platform_account.exists"
    message = "This login is stored already, as {account_id}."
    action = "Change that one with PUT /v1/exports/accounts/{account_id}, or name another workspace of the platform."


class UnavailableNow(Unavailable):
    """To somebody who waits for the answer: nobody tries again for them."""

    action = _NOT_NOW


class RateLimitedNow(RateLimited):
    action = _NOT_NOW


@dataclass(frozen=True)
class Draft:
    """An account as it will be, if the platform lets it in. `credentials` are None where a login is to be exchanged."""

    account_id: str
    adapter: Adapter
    given: GivenAccount
    credentials: Credentials | None
    login: Login | None


@dataclass(frozen=True)
class Verified:
    """What the platform let in. `workspaces` are those of the login, `chosen` the one that a key was made in."""

    draft: Draft
    credentials: Credentials
    workspaces: Sequence[PlatformWorkspace]
    chosen: PlatformWorkspace | None


async def prepare_create(tx: Tx, wanted: GivenAccount, *, platforms: Registry, secrets: Secrets) -> Draft:
    """Raises UnknownPlatform, FileOnly, NoTwin, LoginNotOffered, Invalid, AccountExists."""
    draft = _draft(ids.new_id("pfa"), wanted, mode=_mode(tx), platforms=platforms)
    found = await _find_same(tx, wanted, identity_of(wanted.platform_email, wanted.api_key, secrets=secrets))
    if found is not None:
        raise AccountExists(account_id=found.id)
    return draft


async def _find_same(tx: Tx, wanted: GivenAccount, identity: str) -> PlatformAccount | None:
    """The account that is this login already."""
    return await queries.find_by_identity(
        tx,
        workspace_id=_workspace(tx),
        platform_type=wanted.platform_type,
        identity=identity,
        wanted_workspace=wanted.workspace or "",
    )


async def prepare_update(
    tx: Tx, account_id: str, changes: GivenAccount, *, platforms: Registry, secrets: Secrets
) -> Draft:
    """What is left out of the changes stays. Raises AccountNotFound, and what `prepare_create` raises."""
    account = await get(tx, account_id)
    sealed = await queries.read_secrets(tx, account_id, workspace_id=account.workspace_id)
    login_anew = changes.platform_pass is not None and changes.api_key is None
    merged = GivenAccount(
        platform_type=account.platform_type,
        platform_email=changes.platform_email or account.platform_email,
        platform_pass=changes.platform_pass,
        api_key=changes.api_key,
        url=changes.url or account.url,
        workspace=changes.workspace or account.wanted_workspace or None,
        client_id=changes.client_id or account.client_id,
        client_secret=changes.client_secret,
        label=changes.label or account.label,
    )
    if sealed.api_key is not None and changes.api_key is None and not login_anew:
        # What is asked for anew must not be overruled by the workspace that an exchanged key is of.
        stored = credentials_of(account, sealed, secrets=secrets)
        merged = replace(merged, api_key=stored.api_key)
    if sealed.client_secret is not None and changes.client_secret is None:
        merged = replace(merged, client_secret=secrets.open(sealed.client_secret, row=account.id))
    draft = _draft(account.id, merged, mode=_mode(tx), platforms=platforms)
    kept = changes.api_key is None and not login_anew and changes.workspace is None
    if kept and account.external_workspace_id is not None and draft.credentials is not None:
        return replace(draft, credentials=replace(draft.credentials, workspace=None))
    return draft


def _draft(account_id: str, wanted: GivenAccount, *, mode: Mode, platforms: Registry) -> Draft:
    adapter = platforms.get(wanted.platform_type)
    check_offered(adapter, mode=mode, with_login=wanted.platform_pass is not None)
    faults = list(rules.faults(wanted, adapter, mode=mode))
    if faults:
        raise Invalid(details=tuple(faults))
    login = None
    if wanted.platform_email is not None and wanted.platform_pass is not None:
        login = Login(wanted.platform_email, wanted.platform_pass)
    credentials = None
    if wanted.api_key is not None:
        credentials = Credentials(
            api_key=wanted.api_key,
            url=wanted.url,
            workspace=wanted.workspace,
            client_id=wanted.client_id,
            client_secret=wanted.client_secret or "",
        )
    return Draft(account_id, adapter, wanted, credentials, login)


async def verify(draft: Draft, *, doors: Doors, mode: Mode, workspace_id: str) -> Verified:
    """Signs in at the platform, within 10 s; no transaction may be open.

    Raises BadCredentials and its like, OutboundError of an address that may not be reached, UnavailableNow,
    RateLimitedNow.
    """
    adapter, given = draft.adapter, draft.given
    where = doors.open(adapter, mode=mode, workspace_id=workspace_id, account_id=draft.account_id, url=given.url)
    try:
        async with asyncio.timeout(VERIFY_WITHIN), where as (reach, _):
            workspaces: Sequence[PlatformWorkspace] = ()
            if draft.login is not None and adapter.sign_in is not None:
                workspaces = await adapter.sign_in(draft.login, reach)
            credentials, chosen = draft.credentials, None
            if credentials is None:
                assert draft.login is not None
                assert adapter.exchange is not None
                exchanged = await adapter.exchange(
                    draft.login, reach, workspace=given.workspace, key_name=f"Litemail {draft.account_id}"
                )
                credentials = replace(exchanged.credentials, url=exchanged.credentials.url or given.url)
                chosen = exchanged.workspace
            checked = await adapter.session(credentials, reach).check()
    except TimeoutError:
        raise UnavailableNow(name=adapter.declaration.name, reason=f"no answer within {VERIFY_WITHIN:.0f} s") from None
    except RateLimited as error:
        raise RateLimitedNow(name=adapter.declaration.name, retry_after=error.retry_after) from error
    except TryAgain as error:
        reason = str(error.data["reason"])
        raise UnavailableNow(name=adapter.declaration.name, reason=reason, retry_after=error.retry_after) from error
    except OutboundError as error:
        if adapter.declaration.live is None:
            error.at("url")
        raise
    return Verified(draft, credentials, workspaces or checked, chosen)


async def store_new(tx: Tx, verified: Verified, *, secrets: Secrets) -> PlatformAccount:
    """Raises AccountExists."""
    draft = verified.draft
    wanted = draft.given
    identity = identity_of(wanted.platform_email, verified.credentials.api_key, secrets=secrets)
    inserted = await queries.insert(
        tx,
        account_id=draft.account_id,
        workspace_id=_workspace(tx),
        platform_type=wanted.platform_type,
        identity=identity,
        wanted_workspace=wanted.workspace or "",
        platform_email=wanted.platform_email,
        url=wanted.url,
        api_key=None,
    )
    if not inserted:
        raise await _exists(tx, wanted, identity)
    await tx.emit(
        "platform_account.created",
        workspace_id=_workspace(tx),
        subject=draft.account_id,
        data={"platform_type": wanted.platform_type, "platform_email": wanted.platform_email},
    )
    return await store(tx, verified, secrets=secrets)


async def _exists(tx: Tx, wanted: GivenAccount, identity: str) -> AccountExists:
    found = await _find_same(tx, wanted, identity)
    assert found is not None
    return AccountExists(account_id=found.id)


async def store(tx: Tx, verified: Verified, *, secrets: Secrets) -> PlatformAccount:
    """Raises AccountNotFound, AccountExists."""
    draft, credentials = verified.draft, verified.credentials
    wanted, workspace_id = draft.given, _workspace(tx)
    before = await get(tx, draft.account_id)
    external = verified.chosen
    if external is None and before.external_workspace_id is not None and credentials.workspace is None:
        external = PlatformWorkspace(before.external_workspace_id, before.external_workspace_name or "")
    secret = credentials.client_secret
    identity = identity_of(wanted.platform_email, credentials.api_key, secrets=secrets)
    stored = await queries.update(
        tx,
        draft.account_id,
        workspace_id=workspace_id,
        identity=identity,
        wanted_workspace=wanted.workspace or "",
        platform_email=wanted.platform_email,
        url=wanted.url,
        label=wanted.label,
        client_id=wanted.client_id,
        api_key=secrets.seal(credentials.api_key, row=draft.account_id),
        client_secret=secrets.seal(secret, row=draft.account_id) if secret else None,
        external=Workspace(external.id, external.name) if external else None,
    )
    if not stored:
        raise await _exists(tx, wanted, identity)
    await note(tx, before, status="verified", workspaces=shown_workspaces(verified.workspaces))
    after = await get(tx, draft.account_id)
    await tx.emit(
        "platform_account.key_stored",
        workspace_id=workspace_id,
        subject=draft.account_id,
        data={"workspace": after.external_workspace_name},
        audience="audit",
    )
    return after


async def get(tx: Tx, account_id: str) -> PlatformAccount:
    """Raises AccountNotFound."""
    found = None
    if ids.is_id(account_id, "pfa"):
        found = await queries.find(tx, account_id, workspace_id=_workspace(tx))
    if found is None:
        raise AccountNotFound(account_id=account_id[:80])
    return found


async def list_(tx: Tx, request: PageRequest, *, platform_type: str | None) -> Page[PlatformAccount]:
    """Newest first."""
    workspace_id = _workspace(tx)
    rows = await queries.list_(
        tx, workspace_id=workspace_id, platform_type=platform_type, limit=request.limit + 1, after=request.after
    )
    total = None
    if request.count:
        total = await queries.count(tx, workspace_id=workspace_id, platform_type=platform_type)
    return page(rows, request, key=lambda row: row.id, total=total)


async def delete(tx: Tx, account_id: str) -> PlatformAccount:
    """Erases its secrets. What was handed to it is for the caller to take back. Raises AccountNotFound."""
    account = await get(tx, account_id)
    await queries.delete(tx, account_id, workspace_id=account.workspace_id)
    await tx.emit(
        "platform_account.deleted",
        workspace_id=account.workspace_id,
        subject=account_id,
        data={"platform_type": account.platform_type, "platform_email": account.platform_email},
    )
    return account


def _workspace(tx: Tx) -> str:
    assert tx.actor is not None
    return tx.actor.workspace_id


def _mode(tx: Tx) -> Mode:
    assert tx.actor is not None
    return tx.actor.mode
