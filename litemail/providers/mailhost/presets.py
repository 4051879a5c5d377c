"""Where the mail of the known providers is: hosts, ports, security; and what their users must do to let us in."""

from collections.abc import Sequence
from enum import StrEnum
from types import MappingProxyType

import msgspec

from litemail.kit.outbound import Endpoint, normal_host


class Security(StrEnum):
    """How the connection is encrypted: from its start (RFC 8314 section 3), by STARTTLS, or not at all."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


class Server(msgspec.Struct, frozen=True):
    host: str
    port: int
    security: Security


class Servers(msgspec.Struct, frozen=True):
    """The pair of servers of one inbox."""

    imap: Server
    smtp: Server


class Remedies(msgspec.Struct, frozen=True):
    """What the owner of an inbox does about each refusal, in the words of the provider's own screens."""

    bad_credentials: str
    second_factor: str
    imap_disabled: str
    basic_auth: str


# Submission is port 587 with STARTTLS for all four: Outlook offers nothing else, and one sandbox listener, which can
# speak only one kind, then stands in for all of them. Zoho's hosts are those of its US data centre; accounts of other
# data centres or with an own domain (imappro, .eu, .in, .com.au) are connected as `custom`.
PRESETS = MappingProxyType(
    {
        # https://developers.google.com/workspace/gmail/imap/imap-smtp
        "gmail": Servers(
            imap=Server("imap.gmail.com", 993, Security.TLS),
            smtp=Server("smtp.gmail.com", 587, Security.STARTTLS),
        ),
        # https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/pop3-and-imap4/pop3-and-imap4
        # https://support.microsoft.com/office/pop-imap-and-smtp-settings-8361e398-8af4-4e97-b147-6c6c4ac95353
        "outlook": Servers(
            imap=Server("outlook.office365.com", 993, Security.TLS),
            smtp=Server("smtp.office365.com", 587, Security.STARTTLS),
        ),
        # https://help.yahoo.com/kb/SLN4075.html
        "yahoo": Servers(
            imap=Server("imap.mail.yahoo.com", 993, Security.TLS),
            smtp=Server("smtp.mail.yahoo.com", 587, Security.STARTTLS),
        ),
        # https://www.zoho.com/mail/help/imap-access.html
        "zoho": Servers(
            imap=Server("imap.zoho.com", 993, Security.TLS),
            smtp=Server("smtp.zoho.com", 587, Security.STARTTLS),
        ),
    }
)

_GENERAL = Remedies(
    bad_credentials="Check user name and password, then retry with the right ones.",
    second_factor="Create an app password in the security settings of the account and use it here.",
    imap_disabled="Switch IMAP on in the settings of the mailbox, then retry.",
    basic_auth="Ask the provider or administrator to allow signing in with a password over IMAP and SMTP.",
)

_REMEDIES = MappingProxyType(
    {
        # https://support.google.com/accounts/answer/185833, https://support.google.com/mail/answer/7126229
        "gmail": Remedies(
            bad_credentials=(
                "Check the address, and use an app password (https://myaccount.google.com/apppasswords): "
                "Google refuses the password of the account itself."
            ),
            second_factor=(
                "Turn on 2-Step Verification, create an app password at https://myaccount.google.com/apppasswords "
                "and use it here instead of the password of the account."
            ),
            imap_disabled=(
                "Switch IMAP on in Gmail under Settings, Forwarding and POP/IMAP; in Google Workspace the "
                "administrator allows it under Apps, Gmail, End user access."
            ),
            basic_auth=_GENERAL.basic_auth,
        ),
        # https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/authenticated-client-smtp-submission
        "outlook": Remedies(
            bad_credentials=(
                "Check address and password. Microsoft also answers this way when the mailbox may not sign in with a "
                "password; then connect it with Microsoft's consent at the sending platform."
            ),
            second_factor=(
                "Create an app password at https://mysignins.microsoft.com/security-info, or connect the inbox with "
                "Microsoft's consent at the sending platform."
            ),
            imap_disabled=(
                "Switch IMAP on: in the Microsoft 365 admin center under Active users, Mail, Manage email apps; on "
                "Outlook.com under Settings, Mail, Forwarding and IMAP."
            ),
            basic_auth=(
                "Microsoft takes no passwords here. Connect the inbox with Microsoft's consent at the sending "
                "platform; for SMTP an administrator can allow Authenticated SMTP under Active users, "
                "Mail, Manage email apps."
            ),
        ),
        # https://help.yahoo.com/kb/SLN15241.html
        "yahoo": Remedies(
            bad_credentials=(
                "Use an app password (Yahoo, Account Security, Generate app password): Yahoo refuses the password of "
                "the account itself, with the same words as a wrong one."
            ),
            second_factor=(
                "Create an app password at Yahoo under Account Security, Generate app password, and use it here "
                "instead of the password of the account."
            ),
            imap_disabled=_GENERAL.imap_disabled,
            basic_auth=_GENERAL.basic_auth,
        ),
        # https://www.zoho.com/mail/help/imap-access.html
        "zoho": Remedies(
            bad_credentials=(
                "Check address and password. With two-factor sign-in Zoho takes only an application-specific password "
                "(accounts.zoho.com, Security, App passwords). Accounts outside the US data centre or with an own "
                "domain have other servers: connect them as custom."
            ),
            second_factor="Create an application-specific password at accounts.zoho.com, Security, App passwords.",
            imap_disabled=(
                "Switch IMAP on in Zoho Mail under Settings, Mail Accounts, IMAP Access. Free plans do not have it."
            ),
            basic_auth=_GENERAL.basic_auth,
        ),
    }
)

_DOMAINS = (
    ("gmail.com", "gmail"),
    ("googlemail.com", "gmail"),
    ("office365.com", "outlook"),
    ("outlook.com", "outlook"),
    ("outlook.de", "outlook"),
    ("yahoo.com", "yahoo"),
    ("zoho.com", "zoho"),
    ("zoho.eu", "zoho"),
    ("zoho.in", "zoho"),
    ("zoho.com.au", "zoho"),
    ("zoho.jp", "zoho"),
)


def provider_of(host: str) -> str | None:
    """Whose mail server a host is: a key of PRESETS, or None for somebody else's."""
    return _among(_DOMAINS, host)


def _among(domains: Sequence[tuple[str, str]], host: str) -> str | None:
    name = host.lower().rstrip(".")
    for domain, provider in domains:
        if name == domain or name.endswith(f".{domain}"):
            return provider
    return None


# https://support.google.com/a/answer/174125, https://learn.microsoft.com/microsoft-365/enterprise/external-domain-name-system-records
# and https://www.zoho.com/mail/help/adminconsole/configure-email-delivery.html. Zoho's MX outside the US are other
# hosts with other servers, which stand in no preset.
_MX = (
    ("google.com", "gmail"),
    ("googlemail.com", "gmail"),
    ("mail.protection.outlook.com", "outlook"),
    ("mx.microsoft", "outlook"),
    ("yahoodns.net", "yahoo"),
    ("zoho.com", "zoho"),
)


def provider_by_mx(host: str) -> str | None:
    """Whose mail exchanger a host is: a key of PRESETS, or None for somebody else's."""
    return _among(_MX, host)


def remedies(host: str) -> Remedies:
    """What to tell the owner of an inbox at this host."""
    return _REMEDIES.get(provider_of(host) or "", _GENERAL)


def routes(*, imap: Endpoint, smtp: Endpoint) -> dict[Endpoint, Endpoint]:
    """The presets' part of a sandbox's routing table: every known provider leads to our own two listeners.

    `imap` must speak TLS from the start and `smtp` STARTTLS, both with a certificate for `preset_hosts()`.
    """
    table: dict[Endpoint, Endpoint] = {}
    for servers in PRESETS.values():
        table[normal_host(servers.imap.host), servers.imap.port] = imap
        table[normal_host(servers.smtp.host), servers.smtp.port] = smtp
    return table


def preset_hosts() -> tuple[str, ...]:
    """The host names that a sandbox's certificate needs."""
    return tuple(host for host, _ in routes(imap=("", 0), smtp=("", 0)))
