"""What happens at every twin before a call with an API key is served: who calls, and how the twin misbehaves."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import FromPath, SkipValidation

from litemail.servers.sandbox import behaviour
from litemail.servers.sandbox.behaviour import Caller, Refusal, Sandbox
from litemail.servers.sandbox.store import Account, Added, Settings

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True)
class Words:
    """How a vendor says what all of them say: status and message."""

    wrong_key: tuple[int, str]
    needs_totp: tuple[int, str]
    no_paid_plan: tuple[int, str]
    too_fast: tuple[int, str]
    broken: tuple[int, str]
    nul: tuple[int, str]


@dataclass(frozen=True)
class Door:
    """One vendor's. `key_of` finds the key of a request and raises the vendor's refusal when there can be none."""

    platform_type: str
    key_of: Callable[[AnyRequest], str]
    refuse: Callable[[int, str], Refusal]
    words: Words

    async def enter(self, request: AnyRequest, workspace_id: FromPath[str]) -> "Call":
        """Lets a call with an API key in. Raises `Refusal` in the order that a vendor's layers would."""
        settings, caller = await self.identify(request, workspace_id)
        return self.admit(settings, request, caller)

    async def identify(self, request: AnyRequest, workspace_id: str) -> tuple[Settings, Caller]:
        """How this workspace's twin behaves, and whom the request's key stands for."""
        sandbox: Sandbox = request.app.state.sandbox
        self.refuse_nul(request)
        try:
            key, unusable = self.key_of(request), None
        except Refusal as refusal:
            key, unusable = "", refusal
        entry = await behaviour.entry_of(sandbox, workspace_id=workspace_id, platform_type=self.platform_type, key=key)
        if unusable is not None:
            raise unusable
        if key in ("", behaviour.WRONG):
            raise self.refuse(*self.words.wrong_key)
        if key == behaviour.NEEDS_TOTP:
            raise self.refuse(*self.words.needs_totp)
        if key == behaviour.TIMEOUT:
            raise await behaviour.never_answer(request, sandbox)
        caller = await behaviour.caller_of(
            sandbox, entry, workspace_id=workspace_id, platform_type=self.platform_type, key=key
        )
        if caller is None:
            raise self.refuse(*self.words.wrong_key)
        return entry.settings, caller

    def admit(self, settings: Settings, request: AnyRequest, caller: Caller) -> "Call":
        """Keeps the rate limit, asks for a plan, and fails as often as it was told to."""
        sandbox: Sandbox = request.app.state.sandbox
        if behaviour.comes_too_fast(sandbox, settings, who=caller.organisation.id):
            raise self.refuse(*self.words.too_fast)
        if not caller.paid:
            raise self.refuse(*self.words.no_paid_plan)
        unlucky = behaviour.is_unlucky(settings)
        if unlucky and secrets.randbelow(2):
            raise self.refuse(*self.words.broken)
        return Call(self, sandbox, settings, request, caller, spoiled=unlucky)

    def refuse_nul(self, request: AnyRequest) -> None:
        if behaviour.holds_nul(request):
            raise self.refuse(*self.words.nul)


@dataclass(frozen=True)
class Call:
    """One call that may be served."""

    door: Door
    sandbox: Sandbox
    settings: Settings
    request: AnyRequest
    caller: Caller
    spoiled: bool
    """The effect happens and the answer is lost, as when a server fails on its way back."""

    @property
    def organisation_id(self) -> str:
        return self.caller.organisation.id

    def answer(self, body: msgspec.Struct | Sequence[msgspec.Struct], *, status: int = 200) -> Response[bytes]:
        self._spoil()
        return Response(msgspec.json.encode(body), status_code=status, media_type="application/json")

    def done(self) -> Response[bytes]:
        """204, without a body."""
        self._spoil()
        return Response(b"", status_code=204, media_type="text/plain")

    async def room_for(self, email: str) -> Added:
        """What would come of adding this address now; asked before signing in to it, which takes long."""
        store, limit = self.sandbox.store, self.settings.account_limit
        if await store.find_account(self.organisation_id, email) is not None:
            return Added.EXISTS
        if limit is not None and len(await store.list_accounts(self.organisation_id, limit=limit + 1)) >= limit:
            return Added.FULL
        return Added.ADDED

    async def add(self, account: Account) -> Added:
        return await self.sandbox.store.add_account(account, limit=self.settings.account_limit)

    def _spoil(self) -> None:
        if self.spoiled:
            raise self.door.refuse(*self.door.words.broken)


Served = NamedDependency[SkipValidation[Call]]


def is_json(request: AnyRequest) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
