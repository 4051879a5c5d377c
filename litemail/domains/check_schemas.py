"""Wire shapes of DNS checks, and of what is set about DMARC and DKIM."""

from typing import Annotated, Literal

import msgspec
from pydantic import Field

from litemail.domains.checking import Checked
from litemail.domains.managed import Dmarc
from litemail.domains.queries import Policy
from litemail.domains.rotating import Begun
from litemail.domains.verdicts import Checks
from litemail.kit.clock import rfc3339
from litemail.kit.wire import RequestModel, Timestamp, checked
from litemail.protocols import address

Domains = Annotated[list[Annotated[str, Field(max_length=2000)]], Field(min_length=1, max_length=200)]
ReportAddress = Annotated[str, Field(max_length=320), checked(address.parse)]


class DnsCheck(msgspec.Struct, frozen=True):
    """What is served for a domain beside what its mail needs. `refreshing`: the servers are still being asked."""

    domain: str
    checked_at: Timestamp | None
    checks: Checks
    refreshing: bool


class DmarcSet(RequestModel):
    """`rua` are the addresses that receivers send reports to; without them we get the reports. `pct` is for how many of
    a hundred messages the policy is meant, `subdomain_policy` for mail of sub-domains, which else have `policy`.
    """

    domains: Domains
    policy: Policy
    rua: Annotated[list[ReportAddress], Field(min_length=1, max_length=5)] | None = None
    pct: Annotated[int, Field(ge=0, le=100)] = 100
    subdomain_policy: Policy | None = None
    all_or_nothing: bool = False

    def asked(self) -> Dmarc:
        return Dmarc(self.policy, self.subdomain_policy, self.pct, self.rua)


class Rotation(msgspec.Struct, frozen=True):
    """`signing` are the selectors in use now, `next` those that will be once they are served."""

    domain: str
    status: Literal["publishing"]
    signing: list[str]
    next: list[str]


def show_dns_check(found: Checked) -> DnsCheck:
    return DnsCheck(
        domain=found.domain,
        checked_at=None if found.checked_at is None else rfc3339(found.checked_at),
        checks=found.checks,
        refreshing=found.refreshing,
    )


def show_rotation(begun: Begun) -> Rotation:
    return Rotation(begun.domain, "publishing", begun.signing, begun.next)
