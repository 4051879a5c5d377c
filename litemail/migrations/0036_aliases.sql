-- depends: 0003_mailboxes
-- Other addresses of a mailbox. A mailbox of the same address would come first, so there is never one.

CREATE TABLE mailbox_aliases (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    mailbox_id typeid NOT NULL REFERENCES mailboxes,
    domain_id typeid NOT NULL REFERENCES domains,
    address text COLLATE "C" NOT NULL UNIQUE CHECK (address = lower(address)),
    created_at timestamptz NOT NULL
);
CREATE INDEX mailbox_aliases_mailbox ON mailbox_aliases (mailbox_id, id);
CREATE INDEX mailbox_aliases_domain ON mailbox_aliases (domain_id);

CALL protect_tenant_table('mailbox_aliases');
