"""Takes a request in: everything that can be wrong with it is found before anything is written."""

import base64
from collections.abc import Iterator, Mapping

import msgspec
from pydantic import SecretStr

from litemail import mailboxes
from litemail import platforms as platform_accounts
from litemail.connections.queries import FreshInbox, Options
from litemail.connections.schemas import ConnectInbox, InboxGiven, MailServerGiven
from litemail.connections.servers import servers_of
from litemail.kit import ids
from litemail.kit.actor import Mode
from litemail.kit.db import Tx
from litemail.kit.errors import Detail, Error, Invalid, Kind
from litemail.kit.outbound import Guard, OutboundError
from litemail.kit.secrets import Secrets
from litemail.mailboxes import MailAccess
from litemail.platforms import PlatformAccount, url_faults
from litemail.providers.mailhost import Security, Server, Servers
from litemail.providers.platform import Adapter, Capability, Registry

CREDENTIALS_SCOPE = "mailboxes:credentials"


class CredentialsScopeMissing(Error):
    kind = Kind.FORBIDDEN
    code = "auth.scope_missing"
    message = "Connecting mailboxes of this workspace also needs the scope mailboxes:credentials."
    action = "Use an API key with that scope, or ask an owner of the workspace for a role that has it."


class Taken(msgspec.Struct, frozen=True):
    """What is to be stored."""

    account: PlatformAccount
    options: Options
    inboxes: list[FreshInbox]


async def intake(
    tx: Tx,
    order: ConnectInbox,
    *,
    platforms: Registry,
    guards: Mapping[Mode, Guard],
    mail_access: MailAccess,
    secrets: Secrets,
) -> Taken:
    """Raises CredentialsScopeMissing, UnknownPlatform, FileOnly, NoTwin, LoginNotOffered,
    MailHostNotPublic, OutsideHost and its like, or Invalid; each with all faults of its sort.
    """
    actor = tx.actor
    assert actor is not None
    ours = order.inbox_type == "litemail"
    if ours and not actor.may(CREDENTIALS_SCOPE):
        raise CredentialsScopeMissing
    adapter = platforms.get(order.platform_type)
    platform_accounts.check_offered(adapter, mode=actor.mode, with_login=order.platform_pass is not None)
    faults = [
        *_option_faults(order, adapter),
        *_url_faults(order, adapter, mode=actor.mode),
    ]
    servers = _servers(order, actor.mode, guard=guards[actor.mode], mail_access=mail_access, faults=faults)
    owned = {}
    if ours:
        emails = [inbox.email for inbox in order.inboxes]
        owned = await mailboxes.list_active(tx, emails, workspace_id=actor.workspace_id)
        faults += [
            Detail(f"inboxes[{index}].email", f"{email} is not an active mailbox of this workspace")
            for index, email in enumerate(emails)
            if email not in owned
        ]
    stored = None
    if order.platform_account_id is not None:
        stored = await platform_accounts.find(tx, order.platform_account_id)
        faults += _account_faults(order, stored)
    if faults:
        raise Invalid(details=tuple(faults))
    account = stored or await _account(tx, order, secrets=secrets)
    handed = await mailboxes.hand_to_platform_account(
        tx,
        [mailbox.id for mailbox in owned.values()],
        platform_account_id=account.id,
        label=adapter.declaration.name,
        by=actor,
        secrets=secrets,
    )
    inboxes = []
    for index, inbox in enumerate(order.inboxes):
        mailbox = owned.get(inbox.email)
        password = inbox.password.get_secret_value() if inbox.password else None
        if mailbox is not None:
            password = handed[mailbox.id]
        assert password is not None
        inboxes.append(_fresh(inbox, servers.get(index), mailbox.id if mailbox else None, password, secrets=secrets))
    options = Options(
        verify=order.options.verify,
        warmup=order.options.warmup,
        daily_limit=order.options.daily_limit,
        tags=tuple(dict.fromkeys(order.options.tags)),
    )
    return Taken(account, options, inboxes)


async def _account(tx: Tx, order: ConnectInbox, *, secrets: Secrets) -> PlatformAccount:
    return await platform_accounts.find_or_create(
        tx,
        platform_type=order.platform_type,
        platform_email=order.platform_email,
        api_key=_text(order.platform_api_key),
        url=order.platform_url,
        workspace=order.platform_workspace,
        secrets=secrets,
    )


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _fresh(
    inbox: InboxGiven, servers: Servers | None, mailbox_id: str | None, password: str, *, secrets: Secrets
) -> FreshInbox:
    inbox_id = ids.new_id("cin")
    return FreshInbox(
        id=inbox_id,
        email=inbox.email,
        username=inbox.username,
        first_name=inbox.first_name,
        last_name=inbox.last_name,
        daily_limit=inbox.daily_limit,
        servers=servers,
        mailbox_id=mailbox_id,
        password=base64.b64encode(secrets.seal(password, row=inbox_id)).decode(),
    )


def _option_faults(order: ConnectInbox, adapter: Adapter) -> Iterator[Detail]:
    declaration = adapter.declaration
    name, can = declaration.name, declaration.capabilities
    if order.platform_pass is not None and adapter.login_session is not None:
        name, can = f"{name} with e-mail and password", declaration.login_capabilities
    if order.options.warmup and Capability.WARMUP not in can:
        yield Detail("options.warmup", f"{name} has no warm-up that Litemail can switch on")
    if order.options.tags and Capability.TAGS not in can:
        yield Detail("options.tags", f"{name} has no tags that Litemail can set")
    if not can & {Capability.DAILY_LIMIT, Capability.LIMIT_ON_ADD}:
        if order.options.daily_limit is not None:
            yield Detail("options.daily_limit", f"{name} has no daily limit that Litemail can set")
        for index, inbox in enumerate(order.inboxes):
            if inbox.daily_limit is not None:
                yield Detail(f"inboxes[{index}].daily_limit", f"{name} has no daily limit that Litemail can set")


def _url_faults(order: ConnectInbox, adapter: Adapter, *, mode: Mode) -> Iterator[Detail]:
    """A stored account has its URL already."""
    if order.platform_account_id is None or order.platform_url is not None:
        yield from url_faults(order.platform_url, adapter, mode=mode, field="platform_url")


def _account_faults(order: ConnectInbox, account: PlatformAccount | None) -> Iterator[Detail]:
    field = "platform_account_id"
    if account is None:
        yield Detail(field, f"there is no platform account {order.platform_account_id} in this workspace")
    elif account.platform_type != order.platform_type:
        yield Detail(field, f"this is an account at {account.platform_type}")
    elif not account.has_api_key:
        yield Detail(field, "no API key of this account is stored; send platform_email and platform_pass")


def _servers(
    order: ConnectInbox, mode: Mode, *, guard: Guard, mail_access: MailAccess, faults: list[Detail]
) -> dict[int, Servers]:
    """The servers given for `custom`, by inbox; those without any are looked for later.

    Raises MailHostNotPublic, or the guard's error with all hosts it refuses.
    """
    check = _HostCheck(guard)
    found: dict[int, Servers] = {}
    if order.inbox_type != "custom":
        preset = servers_of(order.inbox_type, mode, guard=guard, mail_access=mail_access)
        for server in (preset.imap, preset.smtp):
            check.host(server.host, server.port, field="inbox_type")
    else:
        for index, inbox in enumerate(order.inboxes):
            imap = check.server(inbox.imap, order.imap, side="imap", index=index)
            smtp = check.server(inbox.smtp, order.smtp, side="smtp", index=index)
            if imap and smtp:
                found[index] = Servers(imap, smtp)
    if check.refused:
        first = next(iter(check.refused.values()))
        details = [*faults, *(Detail(field, str(error)) for field, error in check.refused.items())]
        first.details = tuple(details)
        raise first
    return found


class _HostCheck:
    """Asks the guard once for each host and port, and keeps what it refuses by field."""

    def __init__(self, guard: Guard) -> None:
        self.refused: dict[str, OutboundError] = {}
        self._guard = guard
        self._known: dict[tuple[str, int], str | OutboundError] = {}

    def server(
        self, own: MailServerGiven | None, common: MailServerGiven | None, *, side: str, index: int
    ) -> Server | None:
        given = own or common
        if given is None:
            return None
        field = f"inboxes[{index}].{side}.host" if own else f"{side}.host"
        return Server(self.host(given.host, given.port, field=field), given.port, Security(given.security))

    def host(self, host: str, port: int, *, field: str) -> str:
        """In its one spelling."""
        if (host, port) not in self._known:
            try:
                self._known[host, port] = self._guard.check(host, port)
            except OutboundError as error:
                self._known[host, port] = error
        known = self._known[host, port]
        if isinstance(known, str):
            return known
        self.refused.setdefault(field, known)
        return host
