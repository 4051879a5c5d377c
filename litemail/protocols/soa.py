"""What the SOA record of every zone of ours says (RFC 1035 3.3.13): for the server, zone files and views."""

REFRESH = 3_600
RETRY = 600
EXPIRE = 1_209_600
NEGATIVE_TTL = 300
TTL = 3_600


def mailbox(contact: str) -> tuple[str, str]:
    """The e-mail address of an SOA as its first label and the rest: dots in the local part divide no labels (8)."""
    local, _, domain = contact.rpartition("@")
    return local, domain
