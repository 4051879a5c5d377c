"""Delivery status notifications (RFC 3464): telling a sender that a message did not arrive."""

from datetime import datetime
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import SMTP
from email.utils import format_datetime

from litemail.protocols.header_fields import header_length

_HEADER_OCTETS = 20_000
_TEXT = """Your message could not be delivered to

    {recipient}

where mail for the address that you wrote to is forwarded. The reason:

    {reason}

It will not be tried again. The header of your message is attached.
"""


def bounce(
    message: bytes, *, message_id: str, reporter: str, sender: str, recipient: str, reason: str, now: datetime
) -> bytes:
    """What `sender` gets when `message` could not be delivered to `recipient`. `reporter` is our host name.

    It quotes the header only: the sender has the rest.
    """
    report = MIMEMultipart("report", report_type="delivery-status")
    report["From"] = f"Mail Delivery System <postmaster@{reporter}>"
    report["To"] = sender
    report["Subject"] = "Undelivered mail returned to sender"
    report["Date"] = format_datetime(now)
    report["Message-ID"] = f"<{message_id}@{reporter}>"
    report["Auto-Submitted"] = "auto-replied"  # RFC 3834 section 5
    report.attach(MIMEText(_TEXT.format(recipient=recipient, reason=reason), "plain", "utf-8"))
    report.attach(_status(reporter=reporter, recipient=recipient, reason=reason))
    header = message[: min(header_length(message), _HEADER_OCTETS)]
    quoted = MIMEText(header.decode("utf-8", "replace").replace("\r\n", "\n"), "rfc822-headers", "utf-8")
    report.attach(quoted)
    return report.as_bytes(policy=SMTP)


def _status(*, reporter: str, recipient: str, reason: str) -> Message:
    part = Message()
    part["Content-Type"] = "message/delivery-status"
    about_all, about_one = Message(), Message()
    about_all["Reporting-MTA"] = f"dns; {reporter}"
    about_one["Final-Recipient"] = f"rfc822; {recipient}"
    about_one["Action"] = "failed"
    about_one["Status"] = "5.0.0"
    about_one["Diagnostic-Code"] = f"smtp; {reason}"
    part.set_payload([about_all, about_one])
    return part
