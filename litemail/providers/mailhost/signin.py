"""Whether an inbox can be used with a given password: signing in to its IMAP and to its SMTP, as a platform will."""

import asyncio
import base64

from litemail.kit import outbound
from litemail.kit.errors import Error, Kind
from litemail.kit.outbound import Guard
from litemail.providers.mailhost import imap, smtp
from litemail.providers.mailhost.dialogue import Closed, NoPasswords, NoStartTls, Refused, Trouble, TurnedAway
from litemail.providers.mailhost.presets import Security, Server, Servers, provider_of, remedies
from litemail.providers.mailhost.refusals import Reason, reason_of

_LONGEST_QUOTE = 200
_SHORTEST_SECRET = 4


class SignInFailed(Error):
    """Base. `stage` is `imap` or `smtp`. Unreachable is tried again; every other subclass needs the owner first."""

    kind = Kind.INVALID
    code = "inbox.sign_in_failed"
    action = "{remedy}"


class BadCredentials(SignInFailed):
    code = "inbox.bad_credentials"
    message = "{host} refused user name or password: {said}"


class AppPasswordRequired(SignInFailed):
    code = "inbox.app_password_required"
    message = "{host} wants an app password: {said}"


class ImapDisabled(SignInFailed):
    code = "inbox.imap_disabled"
    message = "IMAP is switched off for this inbox: {said}"


class BasicAuthDisabled(SignInFailed):
    code = "inbox.basic_auth_disabled"
    message = "{host} takes no passwords for this inbox: {said}"


class TlsFailed(SignInFailed):
    code = "inbox.tls_failed"
    message = "No secure connection to {host} port {port}: {said}"


class Unreachable(SignInFailed):
    """For the moment: down, busy, slow. Trying again later is right."""

    kind = Kind.UNAVAILABLE
    code = "inbox.host_unreachable"
    message = "{host} port {port} cannot be used at the moment: {said}"
    retryable = True


class WrongServer(SignInFailed):
    """For good: no such host, a forbidden address or port, or no mail server there. The settings must change."""

    code = "inbox.host_unreachable"
    message = "{host} port {port} is not a server that can be used: {said}"


_BY_REASON: dict[Reason, type[SignInFailed]] = {
    Reason.BAD_CREDENTIALS: BadCredentials,
    Reason.APP_PASSWORD_REQUIRED: AppPasswordRequired,
    Reason.IMAP_DISABLED: ImapDisabled,
    Reason.BASIC_AUTH_DISABLED: BasicAuthDisabled,
    Reason.BUSY: Unreachable,
}


async def sign_in(
    *,
    address: str,
    username: str | None = None,
    password: str,
    servers: Servers,
    guard: Guard,
    timeout: float = 30.0,  # noqa: ASYNC109  it is told to the user, and also limits lookups
    ehlo: str = "localhost",
) -> None:
    """Signs in to the inbox's IMAP, then to its SMTP, once each; sends no message; returns when both accept.

    One after the other, so that a wrong password counts as one failed attempt at the provider. `username` is the
    address unless given, `timeout` is seconds for all of it, `ehlo` the name that we give ourselves (RFC 5321 section
    4.1.1.1). Raises SignInFailed, with `stage`; and OutsideHost in a sandbox.
    """
    name = username or address
    deadline = asyncio.get_running_loop().time() + timeout
    for stage, server in (("imap", servers.imap), ("smtp", servers.smtp)):
        attempt = _Attempt(stage, server, name, password, timeout)
        failure = await attempt.run(guard=guard, deadline=deadline, ehlo=ehlo)
        # Raised here, outside any handler: an exception in its context may hold what a server echoed of the password.
        if failure is not None:
            raise failure


class _Attempt:
    """One stage, and what is known of it for the error that it may end with."""

    def __init__(self, stage: str, server: Server, username: str, password: str, timeout: float) -> None:
        self._stage = stage
        self._server = server
        self._username = username
        self._password = password
        self._timeout = timeout

    async def run(self, *, guard: Guard, deadline: float, ehlo: str) -> Error | None:
        """The error that the stage ends with, or None."""
        if any(character in self._username + self._password for character in "\0\r\n"):
            return self._failure(BadCredentials, "line ends and NUL cannot be part of them")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(deadline):
                await self._sign_in(guard, seconds=max(deadline - loop.time(), 0.001), ehlo=ehlo)
        except outbound.OutsideHost as error:
            error.stage = self._stage
            return error.with_traceback(None)
        except outbound.OutboundError as error:
            return self._no_connection(error)
        except Trouble as trouble:
            return self._trouble(trouble)
        except TimeoutError:
            return self._failure(Unreachable, f"it did not finish within {self._timeout:g} seconds")
        except OSError:
            return self._failure(Unreachable, "the connection was lost")
        return None

    async def _sign_in(self, guard: Guard, *, seconds: float, ehlo: str) -> None:
        name, secret = self._username, self._password
        if self._stage == "imap":
            await imap.sign_in(server=self._server, username=name, password=secret, guard=guard, seconds=seconds)
        else:
            await smtp.sign_in(
                server=self._server, username=name, password=secret, guard=guard, seconds=seconds, ehlo=ehlo
            )

    def _no_connection(self, error: outbound.OutboundError) -> SignInFailed:
        if isinstance(error, outbound.TlsFailed):
            return self._failure(TlsFailed, str(error.data["reason"]))
        return self._failure(Unreachable if error.retryable else WrongServer, str(error))

    def _trouble(self, trouble: Trouble) -> SignInFailed:
        if isinstance(trouble, Refused):
            return self._refused(str(trouble))
        if isinstance(trouble, TurnedAway):
            words = str(trouble)
            return self._failure(_BY_REASON[reason_of(words) or Reason.BUSY], words)
        if isinstance(trouble, NoPasswords):
            return self._no_passwords()
        if isinstance(trouble, NoStartTls):
            return self._failure(TlsFailed, "it does not offer STARTTLS")
        if isinstance(trouble, Closed):
            return self._failure(Unreachable, "it closed the connection")
        return self._failure(WrongServer, str(trouble))

    def _refused(self, words: str) -> SignInFailed:
        reason = reason_of(words)
        temporary = self._stage == "smtp" and words.startswith("4")
        if temporary and reason in {None, Reason.BAD_CREDENTIALS}:
            reason = Reason.BUSY
        # Words never seen before: it is a refusal all the same, and the owner sees them.
        return self._failure(_BY_REASON[reason or Reason.BAD_CREDENTIALS], words)

    def _no_passwords(self) -> SignInFailed:
        if provider_of(self._server.host) == "outlook":
            return self._failure(BasicAuthDisabled, "it offers no sign-in with a password")
        if self._server.security is Security.NONE:
            return self._failure(WrongServer, "it takes no passwords without encryption")
        return self._failure(WrongServer, "it offers no sign-in with a password")

    def _failure(self, error: type[SignInFailed], said: str) -> SignInFailed:
        help_ = remedies(self._server.host)
        texts: dict[type[SignInFailed], str] = {
            BadCredentials: help_.bad_credentials,
            AppPasswordRequired: help_.second_factor,
            ImapDisabled: help_.imap_disabled,
            BasicAuthDisabled: help_.basic_auth,
            TlsFailed: "Check host, port and security; the server needs a valid certificate for its name.",
            Unreachable: "Nothing: it is tried again. If it goes on, check host and port.",
            WrongServer: f"Check host, port and security of the {self._stage.upper()} server.",
        }
        return error(
            stage=self._stage,
            host=self._server.host,
            port=self._server.port,
            said=self._quote(said),
            remedy=texts[error],
        )

    def _quote(self, words: str) -> str:
        """A server's words for people: without secrets, control characters and endless text."""
        for secret in _forms(self._username, self._password):
            words = words.replace(secret, "***")
        words = " ".join("".join(character if character.isprintable() else " " for character in words).split())
        return words if len(words) <= _LONGEST_QUOTE else words[: _LONGEST_QUOTE - 1] + "…"


def _forms(username: str, password: str) -> list[str]:
    """The password as it goes over the wire, and as a server could echo it."""
    plain = [password, password.replace("\\", "\\\\").replace('"', '\\"'), password.strip()]
    encoded = [password, f"\0{username}\0{password}", f"{username}\0{username}\0{password}"]
    forms = plain + [base64.b64encode(text.encode()).decode().rstrip("=") for text in encoded]
    # A password of a letter or two would tear every word apart, and says nothing.
    return sorted({form for form in forms if len(form) >= _SHORTEST_SECRET}, key=len, reverse=True)
