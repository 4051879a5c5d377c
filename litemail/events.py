"""The types of events: facts that happened, written in the transaction of the change."""

TYPES: dict[str, str] = {
    "domain.connected": "A name was claimed; its name servers are known now.",
    "domain.verified": "A domain was proved to be its owner's; its zone is served.",
    "domain.activated": "A domain can be used: it is delegated to us and its zone is served.",
    "domain.failed": "A domain was given up, because it was not delegated in time.",
    "dns.record_created": "A DNS record was created.",
    "dns.record_updated": "A DNS record was changed.",
    "dns.record_deleted": "A DNS record was deleted.",
}
"""Each type and what it says. `public` ones reach webhooks, live updates and the audit log, `audit` ones only that."""
