"""PlusVibe (API v1). Inboxes are handed over in batches and found in the list after; see `plusvibe_accounts`.

Sources, where its pages (developer.plusvibe.ai) are thin: a list of calls and answers that says it was checked against
the live API (March 2026), and public clients of it. Every call but the first needs a workspace.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from litemail.providers.platform import answers
from litemail.providers.platform import plusvibe_wire as wire
from litemail.providers.platform.base import (
    Adapter,
    Capability,
    Changes,
    CredentialField,
    Credentials,
    Declaration,
    PlatformWorkspace,
    Reach,
    Site,
)
from litemail.providers.platform.errors import PlatformError, Rejected
from litemail.providers.platform.http import Answer, Caller, Method
from litemail.providers.platform.identity import require_header_safe
from litemail.providers.platform.pacing import Limits
from litemail.providers.platform.plusvibe_accounts import NAME, PAGE, PlusVibeAccounts
from litemail.providers.platform.plusvibe_login import open_login_session

Shape = TypeVar("Shape")

# 5 a second are documented; what else uses the workspace needs room too.
_LIMITS = Limits(per_second=2.5, per_minute=150, concurrency=3, batch=100, look_together=1_000, confirm_within=900)
_COLOUR = "#5B6CFF"
_MOST_PAGES = 1_000
_NOT_THERE = (400, 404)


def adapter() -> Adapter:
    declaration = Declaration(
        platform_type="plusvibe",
        name=NAME,
        credentials=(
            CredentialField("api_key", "API key", "Settings → API Access"),
            CredentialField("platform_email", "E-mail", "What you sign in to PlusVibe with"),
            CredentialField("platform_pass", "Password", "Sent with each call, as PlusVibe documents it; then erased"),
            CredentialField("workspace", "Workspace", "Only for several workspaces: its name or id"),
        ),
        limits=_LIMITS,
        capabilities=frozenset(
            {
                Capability.LOGIN,
                Capability.DAILY_LIMIT,
                Capability.LIMIT_ON_ADD,
                Capability.WARMUP,
                Capability.TAGS,
                Capability.REMOVE,
                Capability.LIST,
            }
        ),
        live=Site(api="https://api.plusvibe.ai", login="https://api.plusvibe.ai"),
        refuses_duplicates=False,
        sandbox_twin=False,
        verified_live=False,
        login_capabilities=frozenset({Capability.LIMIT_ON_ADD, Capability.LIST}),
    )
    return Adapter(declaration, open_session, login_session=open_login_session)


def open_session(credentials: Credentials, reach: Reach) -> "PlusVibeSession":
    """Raises `BadCredentials` for a key that no header can carry."""
    require_header_safe(NAME, credentials.api_key)
    caller = Caller(NAME, reach, (credentials.api_key,))
    return PlusVibeSession(caller, credentials.workspace, [], {"x-api-key": credentials.api_key})


@dataclass(frozen=True)
class PlusVibeSession(PlusVibeAccounts):
    """`Session` at PlusVibe with an API key."""

    headers: Mapping[str, str]

    async def workspaces(self) -> tuple[PlatformWorkspace, ...]:
        there = await self._get("/authenticate", wire.Authenticated, {})
        return tuple(PlatformWorkspace(one.id, one.name) for one in there.workspaces)

    async def page(self, parameters: Mapping[str, str]) -> wire.Accounts:
        return await self._get("/account/list", wire.Accounts, parameters)

    async def hand_over(self, caller: Caller, accounts: list[wire.NewAccount]) -> PlatformError | None:
        body = wire.AddAccounts(await self.workspace_id(), accounts)
        answer = await self._answer("POST", "/account/bulk-add-regular-accounts", body=body, caller=caller)
        if answers.is_refused(answer):
            return answers.refusal_of(caller, answer, email=accounts[0].email)
        caller.parse(answer, wire.Done)
        return None

    async def update(self, email: str, changes: Changes) -> None:
        if changes.first_name is not None or changes.last_name is not None:
            raise self._not_offered(f"change the name of {email}")
        if changes.daily_limit is not None:
            ids = await self._ids([email])
            body = wire.UpdateAccounts(await self.workspace_id(), ids, changes.daily_limit)
            await self._call("PUT", "/account/bulk-update", wire.Done, body=body)

    async def set_warmup(self, emails: Sequence[str], *, on: bool) -> None:
        for start in range(0, len(emails), PAGE):
            ids = await self._ids(emails[start : start + PAGE])
            body = wire.UpdateWarmup(await self.workspace_id(), ids, "ACTIVE" if on else "INACTIVE")
            answer = await self._answer("PATCH", "/account/bulk-update-warmup", body=body)
            answers.raise_for_body(self.caller, answer)
            done = self.caller.parse(answer, wire.WarmupUpdated)
            if done.updated_ids is None and done.status is None:
                raise self.caller.unexpected(answer, "neither updated_ids nor status")
            if done.updated_ids is not None and (missed := set(ids) - set(done.updated_ids)):
                raise Rejected(name=NAME, words=f"the warm-up of {len(missed)} inboxes was not switched")

    async def tag(self, emails: Sequence[str], tags: Sequence[str]) -> None:
        for label in tags if emails else ():
            tag_id = await self._tag_id(label)
            for start in range(0, len(emails), PAGE):
                ids = await self._ids(emails[start : start + PAGE])
                body = wire.AssignTag(await self.workspace_id(), ids, tag_id)
                await self._call("PUT", "/account/bulk-assign-tags", wire.Done, body=body)

    async def remove(self, email: str) -> None:
        body = wire.DeleteAccount(await self.workspace_id(), email)
        answer = await self._answer("POST", "/account/delete", body=body)
        if answer.status in _NOT_THERE and not await self.accounts([email]):
            return
        answers.raise_for_body(self.caller, answer)
        self.caller.parse(answer, wire.Done)

    async def _ids(self, emails: Sequence[str]) -> list[str]:
        """Raises `Rejected` when one is not there."""
        there = await self.accounts(emails)
        if absent := [email for email in emails if email not in there]:
            raise Rejected(name=NAME, words=f"{absent[0]} is not there")
        return [account.id or account.other_id for account in there.values()]

    async def _tag_id(self, label: str) -> str:
        found = await self._find_tag(label)
        if found is None:
            body = wire.NewTag(await self.workspace_id(), label, _COLOUR)
            answer = await self._answer("POST", "/tags/create", body=body)
            if not answers.is_refused(answer):
                return self.caller.parse(answer, wire.TagMade).tag_id
            found = await self._find_tag(label)  # somebody may have made it meanwhile
            if found is None:
                answers.raise_for_body(self.caller, answer)
                raise self.caller.unexpected(answer, "no message")
        return found

    async def _find_tag(self, label: str) -> str | None:
        workspace_id, skip = await self.workspace_id(), 0
        for _ in range(_MOST_PAGES):
            parameters = {"workspace_id": workspace_id, "skip": str(skip), "limit": str(PAGE)}
            tags = await self._get("/tags/list", list[wire.Tag], parameters)
            for tag in tags:
                if tag.name.lower() == label.lower():  # names are one in any case
                    return tag.id
            if len(tags) < PAGE:
                break
            skip += len(tags)
        return None

    async def _get(self, path: str, shape: type[Shape], parameters: Mapping[str, str]) -> Shape:
        answer = await self._answer("GET", path, parameters=parameters)
        answers.raise_for_body(self.caller, answer)
        return self.caller.parse(answer, shape)

    async def _call(self, method: Method, path: str, shape: type[Shape], *, body: msgspec.Struct) -> Shape:
        answer = await self._answer(method, path, body=body)
        answers.raise_for_body(self.caller, answer)
        return self.caller.parse(answer, shape)

    async def _answer(
        self,
        method: Method,
        path: str,
        *,
        body: msgspec.Struct | None = None,
        parameters: Mapping[str, str] | None = None,
        caller: Caller | None = None,
    ) -> Answer:
        caller = caller or self.caller
        url = f"{caller.reach.site.api}/api/v1{path}"
        answer = await caller.call(method, url, headers=self.headers, body=body, parameters=parameters or None)
        answers.raise_for_account(caller, answer)
        return answer
