"""The types of events: facts that happened, written in the transaction of the change."""

TYPES: dict[str, str] = {
    "domain.connected": "A name was claimed; its name servers are known now.",
    "domain.verified": "A domain was proved to be its owner's; its zone is served.",
    "domain.activated": "A domain can be used: it is delegated to us and its zone is served.",
    "domain.failed": "A domain was given up, because it was not delegated in time.",
    "dns.record_created": "A DNS record was created.",
    "dns.record_updated": "A DNS record was changed.",
    "dns.record_deleted": "A DNS record was deleted.",
    "platform_account.created": "A login at a sending platform was stored.",
    "platform_account.verified": "A sending platform accepted a stored login.",
    "platform_account.refused": "A sending platform refused a stored login.",
    "platform_account.key_stored": "A platform password was exchanged for an API key.",
    "connection.created": "Inboxes were handed in to be connected to a sending platform.",
    "connection.completed": "Every inbox of a connection is decided; the data has the counts.",
    "connection.cancelled": "A connection was cancelled.",
    "connection.retried": "The failed inboxes of a connection are tried again.",
    "inbox.connected": "An inbox is connected to a sending platform.",
    "inbox.failed": "An inbox could not be connected; the data says why.",
}
"""Each type and what it says. `public` ones reach webhooks, live updates and the audit log, `audit` ones only that."""
