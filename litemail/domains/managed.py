"""The records that we keep in every hosted zone so that its mail arrives and is believed."""

from collections.abc import Sequence

from litemail.protocols import dmarc, names, spf
from litemail.protocols.dkim import txt_name
from litemail.protocols.record_types import Record, RecordType


def managed_records(*, mail_hostname: str) -> tuple[Record, ...]:
    """Where mail goes (MX), who may send it (SPF), what receivers do with other mail and whom they tell (DMARC).

    Nothing is refused by DMARC before the domain's owner asks for it: `p=none`.
    """
    reports = dmarc.report_uri(f"dmarc-reports@{mail_hostname}")
    policy = dmarc.DmarcRecord(dmarc.Policy.NONE, rua=(reports,))
    return (
        Record(RecordType.MX, "@", mail_hostname, priority=10),
        Record(RecordType.TXT, "@", str(spf.record(mx=True))),
        Record(RecordType.TXT, "_dmarc", str(policy)),
    )


def dkim_records(keys: Sequence[tuple[str, str]], *, domain: str) -> tuple[Record, ...]:
    """The key records of `(selector, TXT value)` pairs."""
    return tuple(
        Record(RecordType.TXT, names.relative(txt_name(selector, domain), domain), value) for selector, value in keys
    )
