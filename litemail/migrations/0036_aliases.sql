-- depends: 0003_mailboxes
-- Other addresses of a mailbox. A mailbox of the same address would come first, so there is never one. Those of a
-- removed mailbox are not active, and are so again when it is restored.

CREATE TABLE mailbox_aliases (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    mailbox_id typeid NOT NULL REFERENCES mailboxes,
    domain_id typeid NOT NULL REFERENCES domains,
    address text COLLATE "C" NOT NULL CHECK (address = lower(address)),
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX mailbox_aliases_address ON mailbox_aliases (address) WHERE active;
CREATE INDEX mailbox_aliases_mailbox ON mailbox_aliases (mailbox_id, id);

CALL protect_tenant_table('mailbox_aliases');
