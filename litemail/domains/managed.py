"""The records that we keep in every hosted zone so that its mail arrives and is believed."""

from collections.abc import Sequence

import msgspec

from litemail.domains.queries import Policy
from litemail.protocols import dmarc, names, spf
from litemail.protocols.dkim import txt_name
from litemail.protocols.record_types import Record, RecordType

MX_PRIORITY = 10
DMARC_NAME = "_dmarc"


class Dmarc(msgspec.Struct, frozen=True):
    """What a domain's owner asked for. Without `rua` we get the reports.

    Nothing is refused before the owner asks for it: `p=none`.
    """

    policy: Policy = "none"
    subdomain_policy: Policy | None = None
    pct: int = 100
    rua: list[str] | None = None

    def text(self, *, mail_hostname: str) -> str:
        addresses = self.rua or [f"dmarc-reports@{mail_hostname}"]
        subdomain_policy = None if self.subdomain_policy is None else dmarc.Policy(self.subdomain_policy)
        return str(
            dmarc.DmarcRecord(
                dmarc.Policy(self.policy),
                subdomain_policy=subdomain_policy,
                pct=self.pct,
                rua=tuple(map(dmarc.report_uri, addresses)),
            )
        )


NOTHING_ASKED = Dmarc()


def managed_records(*, mail_hostname: str, asked: Dmarc = NOTHING_ASKED) -> tuple[Record, ...]:
    """Where mail goes (MX), who may send it (SPF), what receivers do with other mail and whom they tell (DMARC)."""
    return (
        Record(RecordType.MX, "@", mail_hostname, priority=MX_PRIORITY),
        Record(RecordType.TXT, "@", spf_text()),
        Record(RecordType.TXT, DMARC_NAME, asked.text(mail_hostname=mail_hostname)),
    )


def spf_text() -> str:
    """Our mail host sends, nobody else does."""
    return str(spf.record(mx=True))


def dkim_records(keys: Sequence[tuple[str, str]], *, domain: str) -> tuple[Record, ...]:
    """The key records of `(selector, TXT value)` pairs."""
    return tuple(
        Record(RecordType.TXT, names.relative(txt_name(selector, domain), domain), value) for selector, value in keys
    )
