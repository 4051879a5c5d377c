-- Mailboxes, their app passwords, and what they sent by day.

CREATE TABLE mailboxes (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    domain_id typeid NOT NULL REFERENCES domains,
    email text COLLATE "C" NOT NULL CHECK (email = lower(email)),
    username text COLLATE "C" NOT NULL,
    domain text COLLATE "C" NOT NULL,
    first_name text NOT NULL,
    last_name text NOT NULL,
    display_name text NOT NULL,
    status text NOT NULL CHECK (status IN ('provisioning', 'active', 'failed', 'suspended',
                                           'scheduled_for_removal', 'removed')),
    mail_host text NOT NULL DEFAULT 'builtin' CHECK (mail_host = 'builtin'),
    signature text NOT NULL DEFAULT '',
    avatar_url text,
    tags text[] NOT NULL DEFAULT '{}',
    password_hash text,
    password_sealed bytea NOT NULL,
    removal_at timestamptz,
    removed_at timestamptz,
    failure jsonb,
    created_at timestamptz NOT NULL,
    CHECK ((status = 'removed') = (removed_at IS NOT NULL)),
    CHECK (password_hash IS NOT NULL OR status IN ('provisioning', 'failed', 'removed'))
);
CREATE UNIQUE INDEX mailboxes_address ON mailboxes (email) WHERE removed_at IS NULL;
CREATE INDEX mailboxes_page ON mailboxes (workspace_id, id DESC) WHERE removed_at IS NULL;
CREATE INDEX mailboxes_search ON mailboxes (workspace_id, email) WHERE removed_at IS NULL;
CREATE INDEX mailboxes_domain ON mailboxes (workspace_id, domain, id DESC) WHERE removed_at IS NULL;

-- A password of its own for each client; the one handed to a sending platform is made once and kept to hand it again.
CREATE TABLE app_passwords (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    mailbox_id typeid NOT NULL REFERENCES mailboxes,
    label text NOT NULL,
    platform_account_id typeid,
    hash text NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (mailbox_id, platform_account_id)
);

CREATE TABLE mailbox_usage (
    mailbox_id typeid NOT NULL REFERENCES mailboxes,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    day date NOT NULL,
    sent integer NOT NULL DEFAULT 0,
    PRIMARY KEY (mailbox_id, day)
);

CALL protect_tenant_table('mailboxes');
CALL protect_tenant_table('app_passwords');
CALL protect_tenant_table('mailbox_usage');
