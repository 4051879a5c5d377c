"""What mail servers say when they refuse a sign-in, and what it means.

The texts are facts seen at the real servers; beside each stands a public place where it can be read.
"""

import re
from enum import StrEnum
from types import MappingProxyType

import msgspec


class Reason(StrEnum):
    """Why a sign-in was refused."""

    BAD_CREDENTIALS = "bad_credentials"
    APP_PASSWORD_REQUIRED = "app_password_required"  # noqa: S105  a name, not a password
    IMAP_DISABLED = "imap_disabled"
    BASIC_AUTH_DISABLED = "basic_auth_disabled"
    BUSY = "busy"


# Order matters: the first that matches decides. What is particular stands before what is general.
_RULES: tuple[tuple[Reason, str], ...] = (
    # Gmail IMAP: [ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833
    #   https://github.com/LukeSmithxyz/mutt-wizard/issues/831
    # Gmail SMTP: 534-5.7.9 Application-specific password required.  https://github.com/bberkay/openmail/issues/1
    (Reason.APP_PASSWORD_REQUIRED, r"application[- ]specific password|InvalidSecondFactor|app password"),
    # Gmail IMAP: [ALERT] Please log in via your web browser: https://support.google.com/mail/accounts/answer/78754
    #   https://github.com/abjennings/gmail-backup/issues/9 (an app password is the way round)
    # Gmail IMAP: * NO [WEBALERT https://accounts.google.com/...] Web login required.
    #   https://github.com/smiley22/S22.Imap/issues/116
    # Gmail SMTP: 534-5.7.9 Please log in with your web browser and then try again. ... ?p=WebLoginRequired
    #   https://github.com/kootenpv/yagmail/issues/111
    # Gmail SMTP: 534-5.7.14 <https://accounts.google.com/signin/continue?...> Please log in via your web browser
    #   https://github.com/node-red/node-red-nodes/issues/284
    (Reason.APP_PASSWORD_REQUIRED, r"log ?in via your web browser: ?https?://support\.google"),
    (Reason.APP_PASSWORD_REQUIRED, r"WEBALERT|web login required|WebLoginRequired"),
    (Reason.APP_PASSWORD_REQUIRED, r"5\.7\.14\b.*google"),
    # Gmail IMAP: [ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page and enable
    #   your account for IMAP access. (Failure); [ALERT] IMAP access is disabled for your domain.
    #   Both are matched in https://github.com/mozilla-b2g/gaia-email-libs-and-more
    (Reason.IMAP_DISABLED, r"not enabled for IMAP|IMAP access is disabled"),
    # Zoho IMAP: [ALERT] You are yet to enable IMAP for your account. Please contact your administrator (Failure)
    #   https://github.com/closeio/sync-engine, tests/auth/test_utils.py
    (Reason.IMAP_DISABLED, r"yet to enable IMAP"),
    # Microsoft IMAP: User is authenticated but not connected. Said to the command after a LOGIN that was OK, for a
    #   mailbox that may not use IMAP.  https://github.com/mscdex/node-imap/issues/689
    (Reason.IMAP_DISABLED, r"authenticated but not connected"),
    # Microsoft IMAP: Basic authentication is disabled.  https://github.com/holon-run/uxc/issues/445
    # Microsoft SMTP: 535 5.7.139 Authentication unsuccessful, basic authentication is disabled.
    #   https://github.com/rpremraj/mailR/issues/107
    (Reason.BASIC_AUTH_DISABLED, r"basic auth(?:entication)? is disabled"),
    # Microsoft SMTP: 535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant (or
    #   the Mailbox). Visit https://aka.ms/smtp_auth_disabled  https://github.com/simonrob/email-oauth2-proxy/issues/193
    (Reason.BASIC_AUTH_DISABLED, r"SmtpClientAuthentication is disabled|smtp_auth_disabled"),
    # Microsoft SMTP: 535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults
    #   policy; ... the request did not meet the criteria to be authenticated successfully
    #   https://github.com/nodemailer/nodemailer/issues/1617
    (Reason.BASIC_AUTH_DISABLED, r"security defaults policy|did not meet the criteria to be authenticated"),
    # Yahoo SMTP answers this to the account's own password, at the first try too: an app password is the way round.
    #   535 5.7.0 (#AUTH005) Too many bad auth attempts.  https://github.com/nedimf/maildroid/issues/17
    (Reason.APP_PASSWORD_REQUIRED, r"#AUTH005"),
    # Dovecot: [UNAVAILABLE] Temporary authentication failure. RFC 5530 section 3 for the codes.
    (Reason.BUSY, r"\[(?:UNAVAILABLE|LIMIT|INUSE|SERVERBUG)\]"),
    # Microsoft SMTP, wrong password: 535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.
    #   https://github.com/freescout-help-desk/freescout/issues/4930
    # Yahoo: (#MBR1212) Incorrect username or password.  https://github.com/PHPMailer/PHPMailer/issues/1287
    # Yahoo IMAP: [AUTHENTICATIONFAILED] LOGIN Invalid credentials
    #   https://github.com/moralmunky/Home-Assistant-Mail-And-Packages/issues/242
    # Gmail IMAP: [AUTHENTICATIONFAILED] Invalid credentials (Failure)
    #   https://github.com/andreiaugustin/gmail_extractor/issues/4
    # Zoho IMAP: [AUTHENTICATIONFAILED] Invalid credentials(Failure)
    #   https://github.com/Foundry376/Mailspring/issues/1334
    # Dovecot: [AUTHENTICATIONFAILED] Authentication failed.
    #   https://github.com/docker-mailserver/docker-mailserver/issues/1732; RFC 5530 section 3 for the code
    # Postfix: 535 5.7.8 Error: authentication failed:  RFC 4954 section 6
    (
        Reason.BAD_CREDENTIALS,
        r"\[AUTHENTICATIONFAILED\]|\[AUTHORIZATIONFAILED\]|\[EXPIRED\]|credentials were incorrect",
    ),
    (Reason.BAD_CREDENTIALS, r"incorrect (?:user ?name|login|authentication)|(?:invalid|bad) (?:credentials|login)"),
    # Gmail SMTP: 535-5.7.8 Username and Password not accepted.
    #   https://github.com/dawidd6/action-send-mail/issues/205
    (Reason.BAD_CREDENTIALS, r"username and password not accepted|\b5\.7\.8\b"),
    # Microsoft IMAP: LOGIN failed.  https://github.com/mjs/imapclient/issues/602
    # Microsoft IMAP: AUTHENTICATE failed.  https://github.com/Webklex/php-imap/issues/302
    # Exchange: 535 5.7.3 Authentication unsuccessful  https://github.com/PHPMailer/PHPMailer/issues/992
    # Zoho SMTP: 535 Authentication Failed  https://github.com/nodemailer/nodemailer/issues/456
    (Reason.BAD_CREDENTIALS, r"\b(?:LOGIN|AUTHENTICATE|authentication) (?:failed|unsuccessful)"),
    # Gmail IMAP: [ALERT] Too many simultaneous connections. (Failure)  https://github.com/zone-eu/wildduck/issues/35
    # Dovecot: Maximum number of connections from user+IP exceeded  https://github.com/mscdex/node-imap/issues/606
    (Reason.BUSY, r"too many (?:simultaneous|concurrent|connections|login)|maximum number of connections"),
    (Reason.BUSY, r"try again later|temporar"),
)
_COMPILED = tuple((reason, re.compile(pattern, re.IGNORECASE | re.DOTALL)) for reason, pattern in _RULES)


def reason_of(text: str) -> Reason | None:
    """What the words of a refusing server mean; None for words never seen before."""
    for reason, pattern in _COMPILED:
        if pattern.search(text):
            return reason
    return None


class Case(StrEnum):
    """The situations that a sandbox can play; an inbox password that names one asks for it."""

    BAD_CREDENTIALS = "bad_credentials"
    APP_PASSWORD_REQUIRED = "app_password_required"  # noqa: S105  a name, not a password
    SECOND_FACTOR = "second_factor"
    IMAP_DISABLED = "imap_disabled"


class Replies(msgspec.Struct, frozen=True):
    """A provider's answers in one case.

    `imap` follows the tag of the command. `smtp` are the reply's lines without line ends; None where the provider's
    SMTP takes the password all the same.
    """

    imap: str
    smtp: tuple[str, ...] | None


_GMAIL_SECOND_FACTOR = Replies(
    imap=(
        "NO [ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)"
    ),
    smtp=(
        "534-5.7.9 Application-specific password required. For more information, go to",
        "534 5.7.9  https://support.google.com/mail/?p=InvalidSecondFactor 6a1803df08f44 - gsmtp",
    ),
)
# Microsoft does not tell these apart: whoever needs a second factor may not sign in with a password at all.
_OUTLOOK_SECOND_FACTOR = Replies(
    imap="NO Basic authentication is disabled.",
    smtp=("535 5.7.139 Authentication unsuccessful, basic authentication is disabled.",),
)
# Yahoo's IMAP has one text for a wrong password and for the account's own; only its SMTP tells them apart.
_YAHOO_SECOND_FACTOR = Replies(
    imap="NO [AUTHENTICATIONFAILED] LOGIN Invalid credentials",
    smtp=("535 5.7.0 (#AUTH005) Too many bad auth attempts.",),
)
# Zoho, too, refuses the account's own password like a wrong one.
_ZOHO_REFUSED = Replies(
    imap="NO [AUTHENTICATIONFAILED] Invalid credentials(Failure)",
    smtp=("535 Authentication Failed",),
)

TEXTS = MappingProxyType(
    {
        "gmail": MappingProxyType(
            {
                Case.BAD_CREDENTIALS: Replies(
                    imap="NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)",
                    smtp=(
                        "535-5.7.8 Username and Password not accepted. For more information, go to",
                        "535 5.7.8  https://support.google.com/mail/?p=BadCredentials af79cd13be357 - gsmtp",
                    ),
                ),
                Case.APP_PASSWORD_REQUIRED: _GMAIL_SECOND_FACTOR,
                Case.SECOND_FACTOR: _GMAIL_SECOND_FACTOR,
                Case.IMAP_DISABLED: Replies(
                    imap=(
                        "NO [ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page "
                        "and enable your account for IMAP access. (Failure)"
                    ),
                    smtp=None,
                ),
            }
        ),
        "outlook": MappingProxyType(
            {
                Case.BAD_CREDENTIALS: Replies(
                    imap="NO LOGIN failed.",
                    smtp=("535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.",),
                ),
                Case.APP_PASSWORD_REQUIRED: _OUTLOOK_SECOND_FACTOR,
                Case.SECOND_FACTOR: _OUTLOOK_SECOND_FACTOR,
                # The real server accepts the LOGIN and says this, as BAD, to the next command.
                Case.IMAP_DISABLED: Replies(imap="NO User is authenticated but not connected.", smtp=None),
            }
        ),
        "yahoo": MappingProxyType(
            {
                Case.BAD_CREDENTIALS: Replies(
                    imap="NO [AUTHENTICATIONFAILED] LOGIN Invalid credentials",
                    smtp=("535 5.7.0 (#MBR1212) Incorrect username or password.",),
                ),
                Case.APP_PASSWORD_REQUIRED: _YAHOO_SECOND_FACTOR,
                Case.SECOND_FACTOR: _YAHOO_SECOND_FACTOR,
                # Yahoo's users cannot switch IMAP off.
                Case.IMAP_DISABLED: Replies(
                    imap="NO [AUTHENTICATIONFAILED] LOGIN Invalid credentials",
                    smtp=("535 5.7.0 (#MBR1212) Incorrect username or password.",),
                ),
            }
        ),
        "zoho": MappingProxyType(
            {
                Case.BAD_CREDENTIALS: _ZOHO_REFUSED,
                Case.APP_PASSWORD_REQUIRED: _ZOHO_REFUSED,
                Case.SECOND_FACTOR: _ZOHO_REFUSED,
                Case.IMAP_DISABLED: Replies(
                    imap=(
                        "NO [ALERT] You are yet to enable IMAP for your account. Please contact your administrator "
                        "(Failure)"
                    ),
                    smtp=None,
                ),
            }
        ),
    }
)
"""By provider and case: what that provider's servers answer."""
