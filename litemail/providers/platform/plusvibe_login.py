"""PlusVibe's e-mail and password, as its section "For Email Infra Provider Partner" has them: sent with each call.

There is nothing to exchange, so the password is needed until the inboxes are there, and a session made of it can only
add inboxes and list them. Whether a partner must be registered first is not said.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from litemail.providers.platform import answers
from litemail.providers.platform import plusvibe_wire as wire
from litemail.providers.platform.base import Login, PlatformWorkspace, Reach
from litemail.providers.platform.errors import BadCredentials, PlatformError
from litemail.providers.platform.http import Answer, Caller, Method
from litemail.providers.platform.plusvibe_accounts import NAME, PlusVibeAccounts

# The vendor's pages have the first, a public client that used these calls the second.
_PREFIXES = ("/api/v1", "/v1")
_MISSING = 404
_WELL = 1


def open_login_session(login: Login, reach: Reach, *, workspace: str | None) -> "PlusVibeLoginSession":
    """Reaches nothing."""
    caller = Caller(NAME, reach, (login.password,))
    return PlusVibeLoginSession(caller, workspace, [], login)


@dataclass(frozen=True)
class PlusVibeLoginSession(PlusVibeAccounts):
    """`Session` at PlusVibe with e-mail and password."""

    login: Login
    prefixes: list[str] = field(default_factory=lambda: list(_PREFIXES))
    """Those that may be the right one."""

    async def workspaces(self) -> tuple[PlatformWorkspace, ...]:
        body = wire.ListWorkspaces(self.login.email, self.login.password)
        answer = await self._answer("POST", "/webhook/partner-list-workspace", self.caller, body=body, reads=True)
        answers.raise_for_body(self.caller, answer)
        listed = self.caller.parse(answer, wire.WorkspacesListed)
        if listed.code != _WELL:
            raise BadCredentials(name=NAME, words=self.caller.shown(listed.message or f"code {listed.code}"))
        return tuple(PlatformWorkspace(one.id, one.name) for one in (*listed.data, *listed.workspaces))

    async def page(self, parameters: Mapping[str, str]) -> wire.Accounts:
        # The password belongs in this query, as documented; no log of ours shows the query of a request.
        credentials = {"pipl_username": self.login.email, "pipl_password": self.login.password}
        answer = await self._answer(
            "GET", "/webhook/partner-list-email-accounts", self.caller, parameters={**credentials, **parameters}
        )
        answers.raise_for_body(self.caller, answer)
        return self.caller.parse(answer, wire.Accounts)

    async def hand_over(self, caller: Caller, accounts: list[wire.NewAccount]) -> PlatformError | None:
        body = wire.UploadAccounts(
            workspace_id=await self.workspace_id(),
            pipl_username=self.login.email,
            pipl_password=self.login.password,
            notification_email=self.login.email,
            accounts=accounts,
        )
        answer = await self._answer("POST", "/partner-upload-regular-accounts", caller, body=body)
        if answers.is_refused(answer):
            return answers.refusal_of(caller, answer, email=accounts[0].email)
        caller.parse(answer, wire.Done)
        return None

    async def _answer(
        self,
        method: Method,
        path: str,
        caller: Caller,
        *,
        body: msgspec.Struct | None = None,
        parameters: Mapping[str, str] | None = None,
        reads: bool | None = None,
    ) -> Answer:
        while True:
            url = f"{caller.reach.site.api}{self.prefixes[0]}{path}"
            answer = await caller.call(method, url, headers={}, body=body, parameters=parameters, reads=reads)
            if answer.status != _MISSING or len(self.prefixes) == 1:
                break
            del self.prefixes[0]
        answers.raise_for_account(caller, answer)
        return answer
