"""Files that sending platforms import mailboxes from: their columns, and what stands in them.

Where a platform publishes its columns they are its own; the others are those that several vendors of mailboxes write.
Every row has what a mail program needs. A name that begins like a formula gets an apostrophe in front, since people
open such files in spreadsheets; addresses and passwords stay as they are, since an importer takes them literally.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from litemail.kit.errors import Error, Kind
from litemail.providers.platform import PLATFORMS

LayoutName = Literal["instantly", "smartlead", "emailbison", "woodpecker", "reply_io", "lemlist", "brandjet", "generic"]
Row = tuple[str, ...]


class UnknownLayout(Error):
    kind = Kind.INVALID
    code = "export.unknown_layout"
    message = "There is no layout {layout!r}. Known ones: {known}."
    action = "Use one of these; every other platform type stands for generic."


class TooManyForLayout(Error):
    kind = Kind.INVALID
    code = "export.layout_limit"
    message = "{layout} imports at most {limit} mailboxes from one file; this selection has {count}."
    action = "Choose fewer mailboxes for each file, by domain or tag for instance, or take another layout."


class Login(msgspec.Struct, frozen=True):
    """One mailbox as it is handed out: who it is, and the app password made for this file."""

    email: str
    first_name: str
    last_name: str
    display_name: str
    password: str


class Common(msgspec.Struct, frozen=True):
    """What is the same in every row. A limit of '' is none; TLS is spoken from the first byte or after STARTTLS."""

    imap_host: str
    imap_port: str
    smtp_host: str
    smtp_port: str
    imap_implicit_tls: bool
    smtp_implicit_tls: bool
    daily_limit: str
    warmup: bool


class Layout(msgspec.Struct, frozen=True):
    name: LayoutName
    header: str
    row: Callable[[Common, Login], Row]
    most: int | None = None
    """How many mailboxes the platform takes in one file."""

    @property
    def columns(self) -> list[str]:
        return self.header.split(",")


def _yes(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def _lower(value: bool) -> str:
    return "true" if value else "false"


def _instantly(c: Common, x: Login) -> Row:
    server = (x.email, x.password, c.imap_host, c.imap_port, x.email, x.password, c.smtp_host, c.smtp_port)
    # Without a limit or an increment of its own a row gets the platform's.
    return (x.email, x.first_name, x.last_name, *server, c.daily_limit, _yes(c.warmup), "", "")


def _smartlead(c: Common, x: Login) -> Row:
    servers = (c.smtp_host, c.smtp_port, c.imap_host, c.imap_port)
    return (x.display_name, x.email, x.email, x.password, *servers, c.daily_limit)


def _emailbison(c: Common, x: Login) -> Row:
    servers = (c.imap_host, c.imap_port, c.smtp_host, c.smtp_port)
    secure = (_lower(c.smtp_implicit_tls), _lower(c.imap_implicit_tls))
    return (x.display_name, x.email, x.password, *servers, c.daily_limit, *secure)


def _woodpecker(c: Common, x: Login) -> Row:
    smtp = (x.email, x.email, x.password, c.smtp_host, c.smtp_port, x.display_name)
    return (*smtp, x.email, x.password, c.imap_host, c.imap_port)


def _reply_io(c: Common, x: Login) -> Row:
    smtp = (c.smtp_host, c.smtp_port, x.email, x.password)
    return (x.email, x.first_name, x.last_name, *smtp, c.imap_host, c.imap_port, x.email, x.password)


def _lemlist(c: Common, x: Login) -> Row:
    smtp = (x.email, x.password, c.smtp_host, c.smtp_port)
    return (x.email, x.first_name, x.last_name, *smtp, x.email, x.password, c.imap_host, c.imap_port)


def _brandjet(c: Common, x: Login) -> Row:
    # Its "Tls" asks whether the connection is encrypted at all, which ours always is.
    servers = (c.smtp_host, c.smtp_port, "true", c.imap_host, c.imap_port, "true")
    return (x.email, x.password, *servers, x.display_name, c.daily_limit, _lower(c.warmup))


def _generic(c: Common, x: Login) -> Row:
    smtp = (c.smtp_host, c.smtp_port, x.email, x.password)
    return (x.display_name, x.email, *smtp, c.imap_host, c.imap_port, x.email, x.password)


_ALL = (
    Layout(
        "instantly",
        "Email,First Name,Last Name,IMAP Username,IMAP Password,IMAP Host,IMAP Port,SMTP Username,SMTP Password,"
        "SMTP Host,SMTP Port,Daily Limit,Warmup Enabled,Warmup Limit,Warmup Increment",
        _instantly,
    ),
    Layout(
        "smartlead",
        "from_name,from_email,user_name,password,smtp_host,smtp_port,imap_host,imap_port,max_email_per_day",
        _smartlead,
    ),
    Layout(
        "emailbison",
        "Name,Email,Password,IMAP Server,IMAP Port,SMTP Server,SMTP Port,Daily Limit,SMTP Secure,IMAP Secure",
        _emailbison,
    ),
    Layout(
        "woodpecker",
        "SMTP email,SMTP login,SMTP password,SMTP server,SMTP port,SMTP from name,IMAP email,IMAP password,"
        "IMAP server,IMAP port",
        _woodpecker,
        most=200,
    ),
    Layout(
        "reply_io",
        "Email,First Name,Last Name,SMTP Host,SMTP Port,SMTP Login,SMTP Password,IMAP Host,IMAP Port,IMAP Login,"
        "IMAP Password",
        _reply_io,
    ),
    Layout(
        "lemlist",
        "email,firstName,lastName,smtpUsername,smtpPassword,smtpHost,smtpPort,imapUsername,imapPassword,imapHost,"
        "imapPort",
        _lemlist,
    ),
    Layout(
        "brandjet",
        "email,password,smtpHost,smtpPort,smtpTls,imapHost,imapPort,imapTls,fromName,dailyLimit,warmupEnabled",
        _brandjet,
        most=1000,
    ),
    Layout(
        "generic",
        "from_name,from_email,smtp_host,smtp_port,smtp_username,smtp_password,imap_host,imap_port,imap_username,"
        "imap_password",
        _generic,
    ),
)
LAYOUTS: Mapping[str, Layout] = {layout.name: layout for layout in _ALL}
_PLATFORMS = frozenset(platform.platform_type for platform in PLATFORMS)


def layout_of(name: str, *, field: str) -> Layout:
    """The layout of that name; `generic` for a platform whose columns are not known. Raises UnknownLayout."""
    if name not in LAYOUTS and name not in _PLATFORMS:
        raise UnknownLayout(layout=name[:50], known=", ".join(LAYOUTS), field=field)
    return LAYOUTS.get(name, LAYOUTS["generic"])


def check_size(layout: Layout, count: int) -> None:
    """Raises TooManyForLayout."""
    if layout.most is not None and count > layout.most:
        raise TooManyForLayout(layout=layout.name, limit=layout.most, count=count, field="layout")


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def harmless(name: str) -> str:
    """The name, not to be taken for a formula by a spreadsheet (OWASP, CSV injection)."""
    return "'" + name if name.startswith(_FORMULA) else name


_SPECIAL = re.compile(r'[",\r\n]')


def csv_name(name: str) -> str:
    """A harmless name as a cell of a CSV (RFC 4180 section 2)."""
    text = harmless(name)
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text


def csv_of(rows: Iterable[Sequence[str]]) -> bytes:
    """Rows as RFC 4180 has them, in UTF-8 without a byte order mark.

    Names come from `csv_name`. All other cells are addresses, hosts, numbers and generated passwords, in which nothing
    needs quoting; looking at each of their characters, as the csv module does, would take a third of the time.
    """
    return "".join([",".join(row) + "\r\n" for row in rows]).encode()
