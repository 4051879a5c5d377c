"""The states of a connection (RFC 3501 3): the engine's, with our sign-in, our FETCH and our errors."""

import asyncio
import logging
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from ssl import SSLContext
from typing import cast

from pymap.concurrent import Subsystem
from pymap.config import BackendCapability, IMAPConfig
from pymap.exceptions import AuthorizationFailure, CloseConnection, NotSupportedError
from pymap.imap.state import ConnectionState
from pymap.interfaces.login import LoginInterface
from pymap.interfaces.session import SessionInterface
from pymap.parsing import Params
from pymap.parsing.command import Command
from pymap.parsing.command.nonauth import AuthenticateCommand, LoginCommand, StartTLSCommand
from pymap.parsing.command.select import CloseCommand, FetchCommand, IdleCommand
from pymap.parsing.commands import Commands, InvalidCommand
from pymap.parsing.response import (
    CommandResponse,
    ResponseBad,
    ResponseBye,
    ResponseCode,
    ResponseNo,
    ResponseOk,
    UntaggedResponse,
)
from pymap.selected import SelectedMailbox
from pysasl import SASLAuth
from pysasl.creds.plain import PlainCredentials
from pysasl.creds.server import ServerCredentials
from pysasl.hashing import BuiltinHash
from pysasl.mechanism.plain import PlainMechanism

from litemail.kit.errors import Error, Kind
from litemail.servers.imap import maildir
from litemail.servers.imap.account import Account, Limits, SignInRefused
from litemail.servers.imap.commands import NamespaceCommand, OurCommands, UnselectCommand
from litemail.servers.imap.fetch import is_supported
from litemail.servers.imap.responses import FetchOk
from litemail.servers.imap.selected import Selected
from litemail.servers.imap.session import Session
from litemail.servers.imap.store import Store

_log = logging.getLogger(__name__)

_CODES = {
    Kind.INVALID: b"CANNOT",
    Kind.NOT_FOUND: b"NONEXISTENT",
    Kind.CONFLICT: b"ALREADYEXISTS",
    Kind.FORBIDDEN: b"NOPERM",
    Kind.TOO_LARGE: b"TOOBIG",
    Kind.RATE_LIMITED: b"LIMIT",
    Kind.UNAVAILABLE: b"UNAVAILABLE",
}

SignIn = Callable[[str, str], Awaitable[Account]]


class Config(IMAPConfig):
    """What the engine asks its configuration for, without its command line, environment and DNS look-ups."""

    def __init__(self, limits: Limits, ssl_context: SSLContext) -> None:
        super().__init__(
            Namespace(passlib_cfg=None, proxy_protocol=None),
            host=None,
            port=0,
            ssl_context=ssl_context,
            hash_context=BuiltinHash(),
            cpu_subsystem=Subsystem.for_asyncio(),
            max_append_len=limits.literal,
            reject_dnsbl=False,
        )
        self._commands = OurCommands()
        self.plain = SASLAuth([PlainMechanism(b"PLAIN")])
        self.before_sign_in = Params(max_append_len=limits.literal_before_sign_in)
        self._after_sign_in = Params(max_append_len=limits.literal)

    @property
    def backend_capability(self) -> BackendCapability:
        return BackendCapability(
            idle=True, object_id=False, multi_append=False, custom=[b"NAMESPACE", b"SPECIAL-USE", b"UNSELECT"]
        )

    @property
    def commands(self) -> Commands:
        return self._commands

    @property
    def parsing_params(self) -> Params:
        return self._after_sign_in

    @property
    def initial_auth(self) -> SASLAuth:
        return SASLAuth([])

    @property
    def tls_auth(self) -> SASLAuth:
        return self.plain

    @property
    def greeting(self) -> bytes:
        return b"Litemail ready."

    @property
    def initial_capability(self) -> Sequence[bytes]:
        return [b"LITERAL+", b"ID", b"STARTTLS"]

    @property
    def login_capability(self) -> Sequence[bytes]:
        limit = b"APPENDLIMIT=%d" % (self._after_sign_in.max_append_len or 0)
        return [b"UIDPLUS", b"MOVE", b"CHILDREN", limit, *self.backend_capability]


class Password(PlainCredentials):
    """What AUTHENTICATE PLAIN carried."""

    @property
    def password(self) -> str:
        return self._secret


class State(ConnectionState):
    """One connection's way from greeting to logout."""

    def __init__(
        self, config: Config, *, store: Store, sign_in: SignIn, limits: Limits, hold: Callable[[], bool]
    ) -> None:
        # Sign-in is overridden below; the engine's login interface, made for its own users and tokens, is not used.
        super().__init__(cast("LoginInterface", None), config)
        self._store = store
        self._sign_in = sign_in
        self._limits = limits
        self._hold = hold
        self._failures = 0

    @property
    def is_signed_in(self) -> bool:
        return self._session is not None

    def under_tls(self) -> None:
        """TLS is on: sign-in is allowed, STARTTLS no longer."""
        self.auth = self.config.tls_auth
        if b"STARTTLS" in self._capability:
            self._capability.remove(b"STARTTLS")

    @property
    def ours(self) -> Session:
        return cast("Session", self.session)

    async def do_greeting(self) -> CommandResponse:
        return ResponseOk(b"*", self.config.greeting, self.capability)

    async def do_command(self, cmd: Command) -> CommandResponse:
        if isinstance(cmd, InvalidCommand) and cmd.parse_exc and cmd.parse_exc.code:
            return ResponseNo(cmd.tag, cmd.message, cmd.parse_exc.code)
        try:
            return await super().do_command(cmd)
        except Error as error:
            code = _CODES.get(error.kind, b"SERVERBUG")
            return ResponseNo(cmd.tag, str(error).encode("utf-8"), ResponseCode.of(code))
        except OSError:
            _log.exception("imap: %s failed", cmd.command.decode("ascii", "replace"))
            return ResponseNo(
                cmd.tag, b"The server could not read or write the mailbox.", ResponseCode.of(b"SERVERBUG")
            )

    # Signing in

    async def do_starttls(self, cmd: StartTLSCommand) -> tuple[CommandResponse, SelectedMailbox | None]:
        if self.auth is self.config.tls_auth:
            raise NotSupportedError("TLS is on already.")
        if not self._hold():
            # Commands sent along with STARTTLS would be obeyed as if they had come under TLS (CVE-2011-0411).
            raise CloseConnection
        self.under_tls()
        return ResponseOk(cmd.tag, b"Begin TLS now."), None

    async def do_login(self, cmd: LoginCommand) -> tuple[CommandResponse, SelectedMailbox | None]:
        try:
            username, password = cmd.userid.decode("utf-8"), cmd.password.decode("utf-8")
        except UnicodeDecodeError:
            return self._refused(cmd.tag, SignInRefused("User name and password must be UTF-8.")), None
        return await self._signed_in(cmd.tag, username, password), None

    async def do_authenticate(
        self, cmd: AuthenticateCommand | LoginCommand, creds: ServerCredentials | None
    ) -> CommandResponse:
        if not isinstance(creds, Password):
            if self.auth is self.config.tls_auth:
                return ResponseNo(cmd.tag, b"Only PLAIN is supported.", ResponseCode.of(b"CANNOT"))
            return self._needs_tls(cmd.tag)
        if creds.authzid != creds.authcid:
            raise AuthorizationFailure
        return await self._signed_in(cmd.tag, creds.authcid, creds.password)

    def _needs_tls(self, tag: bytes) -> CommandResponse:
        return ResponseNo(tag, b"Send STARTTLS first.", ResponseCode.of(b"PRIVACYREQUIRED"))

    async def _signed_in(self, tag: bytes, username: str, password: str) -> CommandResponse:
        if self._session is not None:
            return ResponseBad(tag, b"Already signed in.")
        if self.auth is not self.config.tls_auth:
            return self._needs_tls(tag)
        if "\0" in username or "\0" in password:
            return self._refused(tag, SignInRefused("User name and password must not hold NUL."))
        try:
            account = await self._sign_in(username, password)
            await asyncio.to_thread(maildir.create, account.folder)
        except SignInRefused as refusal:
            return self._refused(tag, refusal)
        except EOFError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the backend raises, the client gets an answer
            if not isinstance(error, Error | TimeoutError):
                _log.exception("imap: sign-in failed")
            return ResponseNo(tag, b"Sign-in is not possible now; try again.", ResponseCode.of(b"UNAVAILABLE"))
        self._session = cast("SessionInterface", Session(self._store, account))
        self._capability.extend(self.config.login_capability)
        return ResponseOk(tag, b"Signed in.", self.capability)

    def _refused(self, tag: bytes, refusal: SignInRefused) -> CommandResponse:
        self._failures += 1
        text = refusal.text.replace("\r", " ").replace("\n", " ").encode("utf-8", "replace")
        code = refusal.response_code.encode("ascii") if refusal.response_code else None
        response = ResponseNo(tag, text, ResponseCode.of(code))
        if self._failures >= self._limits.sign_ins:
            response.add_untagged(ResponseBye(b"Too many failed sign-ins."))
        return response

    # What the engine lacks, or does at a cost that grows with the folder

    async def do_unselect(self, cmd: UnselectCommand) -> tuple[CommandResponse, SelectedMailbox | None]:
        self._selected = None
        return ResponseOk(cmd.tag, b"UNSELECT completed."), None

    async def do_close(self, cmd: CloseCommand) -> tuple[CommandResponse, SelectedMailbox | None]:
        if not self.selected.readonly:  # RFC 3501 6.4.2: no error after EXAMINE
            await self.session.expunge_mailbox(self.selected)
        self._selected = None
        return ResponseOk(cmd.tag, b"CLOSE completed."), None

    async def do_namespace(self, cmd: NamespaceCommand) -> tuple[CommandResponse, SelectedMailbox | None]:
        response = ResponseOk(cmd.tag, b"NAMESPACE completed.")
        response.add_untagged(UntaggedResponse(b'NAMESPACE (("" "%b")) NIL NIL' % maildir.DELIMITER.encode("ascii")))
        return response, None

    async def do_fetch(self, cmd: FetchCommand) -> tuple[CommandResponse, SelectedMailbox | None]:
        if not all(map(is_supported, cmd.attributes)):
            raise NotSupportedError("BINARY and OBJECTID are not supported.")
        selected = cast("Selected", self.selected)
        if not cmd.uid:
            selected.hide_expunged = True
        seen = any(attribute.set_seen for attribute in cmd.attributes)
        wanted = await self.ours.prepare_fetch(selected, cmd.sequence_set, seen=seen)
        text = cmd.command + b" completed."
        response = FetchOk(cmd.tag, text, folder=selected.folder, wanted=wanted, attributes=cmd.attributes)
        return response, selected

    async def do_idle(self, cmd: IdleCommand) -> tuple[CommandResponse, SelectedMailbox | None]:
        return ResponseOk(cmd.tag, b"IDLE completed."), None
