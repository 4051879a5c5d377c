"""Wire shapes of forwarding."""

from typing import Annotated, Literal

import msgspec
from pydantic import Field

from litemail.domains.forwarding_queries import MailRule, WebForwarding
from litemail.domains.web_forwarding import Wanted
from litemail.kit.errors import Detail, Invalid
from litemail.kit.wire import RequestModel, checked
from litemail.protocols.address import parse

MOST_DOMAINS = 200
DomainGiven = Annotated[str, Field(min_length=1, max_length=2000)]
Domains = Annotated[list[DomainGiven], Field(min_length=1, max_length=MOST_DOMAINS)]
Address = Annotated[str, Field(max_length=1000), checked(parse)]


class DomainsNamed(RequestModel):
    """Names or ids."""

    domains: Domains
    all_or_nothing: bool = False


class WebForwardingSet(DomainsNamed):
    """`permanent` is 301, else 302. With `keep_path` the path and query of a visit are added to the URL."""

    url: Annotated[str, Field(min_length=1, max_length=2048)]
    permanent: bool = True
    keep_path: bool = False

    def wanted(self) -> Wanted:
        return Wanted(self.url, self.permanent, self.keep_path)


class EmailForwardingSet(DomainsNamed):
    """With `keep_copy` the mailbox keeps what is forwarded."""

    to: Address
    keep_copy: bool = True


class CatchAllSet(DomainsNamed):
    to: Address


RuleStatus = Literal["active", "pending_confirmation"]


class EmailForwarding(msgspec.Struct, frozen=True):
    """Nothing is forwarded before the owner of an address outside has confirmed."""

    to: str
    keep_copy: bool
    status: RuleStatus


class CatchAll(msgspec.Struct, frozen=True):
    to: str
    status: RuleStatus


class Forwards(msgspec.Struct, frozen=True):
    """Where the web and the mail of one domain go."""

    url: str | None = None
    email: EmailForwarding | None = None
    catch_all: CatchAll | None = None


def show_forwards(web: WebForwarding | None, rules: list[MailRule]) -> Forwards:
    by_kind = {rule.kind: rule for rule in rules}
    email, catch_all = by_kind.get("email_forwarding"), by_kind.get("catch_all")
    return Forwards(
        url=None if web is None else web.url,
        email=None if email is None else EmailForwarding(email.target, email.keep_copy, _status(email)),
        catch_all=None if catch_all is None else CatchAll(catch_all.target, _status(catch_all)),
    )


def named(body: DomainsNamed | None, query: str | None) -> DomainsNamed:
    """The domains of a DELETE: its JSON body, else `?domains=a.com,b.com`. Raises Invalid."""
    if body is not None:
        return body
    domains = [text.strip() for text in (query or "").split(",") if text.strip()]
    if not 0 < len(domains) <= MOST_DOMAINS:
        message = f"Name 1 to {MOST_DOMAINS} domains, in a JSON body or as ?domains=a.com,b.com."
        raise Invalid(details=(Detail("domains", message),))
    return DomainsNamed(domains=domains)


def _status(rule: MailRule) -> RuleStatus:
    return "pending_confirmation" if rule.pending else "active"
