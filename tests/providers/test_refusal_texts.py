"""What real mail servers say when they refuse, word for word, and what each means. Sources stand in `refusals`."""

import pytest

from litemail.providers.mailhost.refusals import Reason, reason_of

TEXTS = [
    # Gmail
    (
        "NO [ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833",
        Reason.APP_PASSWORD_REQUIRED,
    ),
    (
        (
            "534 5.7.9 Application-specific password required. For more information, go to 5.7.9 "
            "https://support.google.com/mail/?p=InvalidSecondFactor 6a1803df08f44 - gsmtp"
        ),
        Reason.APP_PASSWORD_REQUIRED,
    ),
    (
        "NO [ALERT] Please log in via your web browser: https://support.google.com/mail/accounts/answer/78754",
        Reason.APP_PASSWORD_REQUIRED,
    ),
    ("NO [WEBALERT https://accounts.google.com/signin/continue] Web login required.", Reason.APP_PASSWORD_REQUIRED),
    (
        (
            "534 5.7.14 <https://accounts.google.com/signin/continue> Please log in via your web browser and then "
            "try again. 5.7.14 Learn more at https://support.google.com/mail/answer/78754 - gsmtp"
        ),
        Reason.APP_PASSWORD_REQUIRED,
    ),
    ("NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)", Reason.BAD_CREDENTIALS),
    (
        (
            "535 5.7.8 Username and Password not accepted. For more information, go to 5.7.8 "
            "https://support.google.com/mail/?p=BadCredentials af79cd13be357 - gsmtp"
        ),
        Reason.BAD_CREDENTIALS,
    ),
    (
        (
            "NO [ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page and enable "
            "your account for IMAP access. (Failure)"
        ),
        Reason.IMAP_DISABLED,
    ),
    ("NO [ALERT] IMAP access is disabled for your domain. (Failure)", Reason.IMAP_DISABLED),
    ("NO [ALERT] Too many simultaneous connections. (Failure)", Reason.BUSY),
    # Outlook, Microsoft 365
    ("NO LOGIN failed.", Reason.BAD_CREDENTIALS),
    ("NO AUTHENTICATE failed.", Reason.BAD_CREDENTIALS),
    ("NO Basic authentication is disabled.", Reason.BASIC_AUTH_DISABLED),
    (
        "535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [AM0PR01CA0130.eurprd01.prod]",
        Reason.BASIC_AUTH_DISABLED,
    ),
    (
        (
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit "
            "https://aka.ms/smtp_auth_disabled for more information."
        ),
        Reason.BASIC_AUTH_DISABLED,
    ),
    (
        (
            "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. "
            "Contact your administrator."
        ),
        Reason.BASIC_AUTH_DISABLED,
    ),
    (
        (
            "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated "
            "successfully. Contact your administrator."
        ),
        Reason.BASIC_AUTH_DISABLED,
    ),
    ("535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.", Reason.BAD_CREDENTIALS),
    ("BAD User is authenticated but not connected.", Reason.IMAP_DISABLED),
    # Exchange of one's own
    ("535 5.7.3 Authentication unsuccessful", Reason.BAD_CREDENTIALS),
    # Yahoo
    ("NO [AUTHENTICATIONFAILED] LOGIN Invalid credentials", Reason.BAD_CREDENTIALS),
    ("535 5.7.0 (#MBR1212) Incorrect username or password.", Reason.BAD_CREDENTIALS),
    ("535 5.7.0 (#AUTH005) Too many bad auth attempts.", Reason.APP_PASSWORD_REQUIRED),
    # Zoho
    ("NO [AUTHENTICATIONFAILED] Invalid credentials(Failure)", Reason.BAD_CREDENTIALS),
    ("535 Authentication Failed", Reason.BAD_CREDENTIALS),
    (
        "NO [ALERT] You are yet to enable IMAP for your account. Please contact your administrator (Failure)",
        Reason.IMAP_DISABLED,
    ),
    # Dovecot and Postfix
    ("NO [AUTHENTICATIONFAILED] Authentication failed.", Reason.BAD_CREDENTIALS),
    ("NO [UNAVAILABLE] Temporary authentication failure. [mail:2026-01-29 18:41:56]", Reason.BUSY),
    (
        "NO [UNAVAILABLE] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)",
        Reason.BUSY,
    ),
    ("535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6", Reason.BAD_CREDENTIALS),
    ("454 4.7.0 Temporary authentication failure", Reason.BUSY),
    # Codes of RFC 5530
    ("NO [LIMIT] Too many sessions", Reason.BUSY),
    ("NO [INUSE] The mailbox is locked", Reason.BUSY),
    ("NO [EXPIRED] The password has expired", Reason.BAD_CREDENTIALS),
    # Nobody's
    ("NO I would rather not", None),
    ("", None),
]


@pytest.mark.parametrize(("words", "reason"), TEXTS, ids=[words[:60] for words, _ in TEXTS])
def test_the_words_of_real_servers_are_understood(words: str, reason: Reason | None) -> None:
    assert reason_of(words) is reason
