"""Sign-ins to real servers on loopback, with real TLS under a CA of our own."""

import asyncio
import base64

import pytest

from litemail.providers import mailhost
from litemail.providers.mailhost import Security
from litemail.providers.mailhost.refusals import TEXTS, Case
from tests.providers.mail_peers import (
    ADDRESS,
    GMAIL,
    PASSWORD,
    Certificates,
    Imap,
    Smtp,
    custom,
    inbox,
    made_certificates,
)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return made_certificates(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("provider", mailhost.PRESETS)
async def test_accepts_a_right_password_at_every_preset(certificates: Certificates, provider: str) -> None:
    imap, smtp = Imap(), Smtp(starttls=certificates.server)
    async with inbox(certificates, imap, smtp) as box:
        await box.sign_in(mailhost.PRESETS[provider])
    assert imap.heard == [f'a2 LOGIN "{ADDRESS}" "{PASSWORD}"', "a3 NOOP", "a4 LOGOUT"]
    assert [line.split(" ")[0] for line in smtp.heard] == ["EHLO", "STARTTLS", "EHLO", "AUTH", "QUIT"]


async def test_speaks_every_security(certificates: Certificates) -> None:
    tls = certificates.server
    for security in Security:
        started = tls if security is Security.STARTTLS else None
        implicit = security is Security.TLS
        async with inbox(
            certificates, Imap(starttls=started), Smtp(starttls=started), imap_tls=implicit, smtp_tls=implicit
        ) as box:
            await box.sign_in(custom(security, security))


@pytest.mark.parametrize(
    ("password", "capabilities", "command"),
    [
        ('pa"ss\\word', "AUTH=PLAIN", 'a2 LOGIN "{address}" "pa\\"ss\\\\word"'),
        ("pässwörd", "AUTH=PLAIN SASL-IR", "a2 AUTHENTICATE PLAIN {plain}"),
        ("pässwörd", "AUTH=PLAIN", "{plain}"),
        ("password", "LOGINDISABLED AUTH=PLAIN", "{plain}"),
    ],
)
async def test_imap_carries_any_password(
    certificates: Certificates, password: str, capabilities: str, command: str
) -> None:
    imap = Imap(greeting="* OK ready", capabilities=capabilities)
    async with inbox(certificates, imap) as box:
        await box.sign_in(GMAIL, password)
    plain = base64.b64encode(f"\0{ADDRESS}\0{password}".encode()).decode()
    assert command.format(address=ADDRESS, plain=plain) in imap.heard


@pytest.mark.parametrize("auth", ["AUTH LOGIN", "AUTH=LOGIN", "AUTH XOAUTH2 PLAIN"])
async def test_smtp_uses_the_mechanism_on_offer(certificates: Certificates, auth: str) -> None:
    smtp = Smtp(starttls=certificates.server, auth=auth)
    async with inbox(certificates, smtp=smtp) as box:
        await box.sign_in(GMAIL)
    assert sum(line.startswith("AUTH") for line in smtp.heard) == 1


EXPECTED = {
    ("gmail", Case.BAD_CREDENTIALS): (mailhost.BadCredentials, "apppasswords"),
    ("gmail", Case.APP_PASSWORD_REQUIRED): (mailhost.AppPasswordRequired, "apppasswords"),
    ("gmail", Case.SECOND_FACTOR): (mailhost.AppPasswordRequired, "apppasswords"),
    ("gmail", Case.IMAP_DISABLED): (mailhost.ImapDisabled, "Forwarding and POP/IMAP"),
    ("outlook", Case.BAD_CREDENTIALS): (mailhost.BadCredentials, "consent"),
    ("outlook", Case.APP_PASSWORD_REQUIRED): (mailhost.BasicAuthDisabled, "consent"),
    ("outlook", Case.SECOND_FACTOR): (mailhost.BasicAuthDisabled, "consent"),
    ("outlook", Case.IMAP_DISABLED): (mailhost.ImapDisabled, "Manage email apps"),
    ("yahoo", Case.BAD_CREDENTIALS): (mailhost.BadCredentials, "app password"),
    ("yahoo", Case.APP_PASSWORD_REQUIRED): (mailhost.BadCredentials, "app password"),
    ("yahoo", Case.SECOND_FACTOR): (mailhost.BadCredentials, "app password"),
    ("yahoo", Case.IMAP_DISABLED): (mailhost.BadCredentials, "app password"),
    ("zoho", Case.BAD_CREDENTIALS): (mailhost.BadCredentials, "application-specific password"),
    ("zoho", Case.APP_PASSWORD_REQUIRED): (mailhost.BadCredentials, "application-specific password"),
    ("zoho", Case.SECOND_FACTOR): (mailhost.BadCredentials, "application-specific password"),
    ("zoho", Case.IMAP_DISABLED): (mailhost.ImapDisabled, "IMAP Access"),
}


@pytest.mark.parametrize(("provider", "case"), EXPECTED)
async def test_explains_what_each_provider_says_at_imap(certificates: Certificates, provider: str, case: Case) -> None:
    smtp = Smtp(starttls=certificates.server)
    async with inbox(certificates, Imap(login=TEXTS[provider][case].imap), smtp) as box:
        with pytest.raises(mailhost.SignInFailed) as caught:
            await box.sign_in(mailhost.PRESETS[provider])
    expected, action = EXPECTED[provider, case]
    problem = caught.value.problem()
    assert type(caught.value) is expected
    assert problem.stage == "imap"
    assert not problem.retryable
    assert action in str(problem.action)
    assert smtp.heard == [], "a refused password is not tried a second time"


@pytest.mark.parametrize(
    ("provider", "case", "expected"),
    [
        ("gmail", Case.BAD_CREDENTIALS, mailhost.BadCredentials),
        ("gmail", Case.APP_PASSWORD_REQUIRED, mailhost.AppPasswordRequired),
        ("outlook", Case.BAD_CREDENTIALS, mailhost.BadCredentials),
        ("outlook", Case.APP_PASSWORD_REQUIRED, mailhost.BasicAuthDisabled),
        ("yahoo", Case.BAD_CREDENTIALS, mailhost.BadCredentials),
        ("yahoo", Case.APP_PASSWORD_REQUIRED, mailhost.AppPasswordRequired),
        ("zoho", Case.BAD_CREDENTIALS, mailhost.BadCredentials),
    ],
)
async def test_explains_what_each_provider_says_at_smtp(
    certificates: Certificates, provider: str, case: Case, expected: type[mailhost.SignInFailed]
) -> None:
    reply = TEXTS[provider][case].smtp
    assert reply
    smtp = Smtp(starttls=certificates.server, reply=reply)
    async with inbox(certificates, smtp=smtp) as box:
        with pytest.raises(expected) as caught:
            await box.sign_in(mailhost.PRESETS[provider])
    assert caught.value.stage == "smtp"
    assert sum(line.startswith("AUTH") for line in smtp.heard) == 1, "one attempt, whatever is on offer"
    assert smtp.heard[-1] == "QUIT"


@pytest.mark.parametrize(
    ("imap", "expected", "retryable"),
    [
        (Imap(login="NO I do not feel like it"), mailhost.BadCredentials, False),
        (Imap(login="BAD Invalid credentials"), mailhost.BadCredentials, False),
        (Imap(login="NO [ALERT] Too many simultaneous connections. (Failure)"), mailhost.Unreachable, True),
        (Imap(login="NO [UNAVAILABLE] Temporary authentication failure."), mailhost.Unreachable, True),
        (Imap(login="* NO [WEBALERT https://accounts.google.com/x] Web login required.\r\n$ NO [ALERT] Please log in"),
         mailhost.AppPasswordRequired, False),
        (Imap(noop="BAD User is authenticated but not connected."), mailhost.ImapDisabled, False),
        (Imap(login="BAD unknown command"), mailhost.WrongServer, False),
        (Imap(login="MAYBE"), mailhost.WrongServer, False),
        (Imap(login="* BYE see you"), mailhost.Unreachable, True),
        (Imap(greeting="* BYE too busy"), mailhost.Unreachable, True),
        (Imap(greeting="* PREAUTH welcome"), mailhost.WrongServer, False),
        (Imap(greeting="220 mail ESMTP"), mailhost.WrongServer, False),
        (Imap(greeting="* OK ready", capabilities="IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2"), mailhost.WrongServer, False),
    ],
)  # fmt: skip
async def test_unusual_imap_answers_are_never_success(
    certificates: Certificates, imap: Imap, expected: type[mailhost.SignInFailed], retryable: bool
) -> None:
    async with inbox(certificates, imap) as box:
        with pytest.raises(expected) as caught:
            await box.sign_in(custom())
    assert caught.value.problem().retryable is retryable


@pytest.mark.parametrize(
    ("greeting", "auth", "reply", "expected"),
    [
        ("220 hi", "AUTH PLAIN", ("454 4.7.0 Temporary authentication failure",), mailhost.Unreachable),
        ("220 hi", "AUTH PLAIN", ("421 4.7.0 Try again later",), mailhost.Unreachable),
        ("220 hi", "AUTH PLAIN", ("502 no such command",), mailhost.WrongServer),
        ("220 hi", "AUTH PLAIN", ("250 whatever",), mailhost.WrongServer),
        ("220 hi", "AUTH PLAIN", ("not a reply",), mailhost.WrongServer),
        ("220 hi", "AUTH XOAUTH2", (), mailhost.WrongServer),
        ("220 hi", "SIZE 5", (), mailhost.WrongServer),
        ("421 too busy", "", (), mailhost.Unreachable),
        ("554 no", "", (), mailhost.Unreachable),
        ("* OK IMAP4 ready", "", (), mailhost.WrongServer),
    ],
)
async def test_unusual_smtp_answers_are_never_success(
    certificates: Certificates,
    greeting: str,
    auth: str,
    reply: tuple[str, ...],
    expected: type[mailhost.SignInFailed],
) -> None:
    smtp = Smtp(greeting=greeting, auth=auth, reply=reply, starttls=certificates.server)
    async with inbox(certificates, smtp=smtp) as box:
        with pytest.raises(expected) as caught:
            await box.sign_in(custom())
    assert caught.value.stage == "smtp"


async def test_outlook_without_password_sign_in_is_basic_auth_disabled(certificates: Certificates) -> None:
    smtp = Smtp(auth="AUTH XOAUTH2", starttls=certificates.server)
    async with inbox(certificates, smtp=smtp) as box:
        with pytest.raises(mailhost.BasicAuthDisabled):
            await box.sign_in(mailhost.PRESETS["outlook"])


async def test_200_sign_ins_at_once(certificates: Certificates) -> None:
    smtp = Smtp(starttls=certificates.server, latency=0.05)
    async with inbox(certificates, Imap(latency=0.05), smtp) as box:
        async with asyncio.timeout(20):
            await asyncio.gather(*(box.sign_in(GMAIL, seconds=20) for _ in range(200)))
    assert sum(line.startswith("AUTH") for line in smtp.heard) == 200
