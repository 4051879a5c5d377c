-- depends: 0001_frame
-- Logins at sending platforms, and the jobs that connect inboxes to them.

-- `identity` tells accounts of one platform apart: an e-mail in lower case, or `key:` and a keyed hash of an API key.
-- `wanted_workspace` is what was asked for when several workspaces belong to one login; '' when nothing was.
CREATE TABLE platform_accounts (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    platform_type text NOT NULL,
    identity text COLLATE "C" NOT NULL,
    wanted_workspace text NOT NULL,
    platform_email text COLLATE "C",
    url text,
    label text,
    external_workspace_id text,
    external_workspace_name text,
    api_key bytea,
    status text NOT NULL CHECK (status IN ('unverified', 'verified', 'refused')),
    verified_at timestamptz,
    created_at timestamptz NOT NULL,
    UNIQUE (workspace_id, platform_type, identity, wanted_workspace)
);

-- `fence` grows with every run; `lease_until` is how long the present one may go on unseen, by the database's clock, and
-- null before the first run and when nothing is left to do. `version` counts the changes of the inboxes.
CREATE TABLE connections (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    platform_account_id typeid NOT NULL REFERENCES platform_accounts,
    platform_type text NOT NULL,
    inbox_type text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('live', 'sandbox')),
    status text NOT NULL CHECK (status IN
        ('queued', 'running', 'completed', 'completed_with_errors', 'failed', 'cancelled')),
    options jsonb NOT NULL,
    total integer NOT NULL CHECK (total BETWEEN 1 AND 1000),
    connected integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    action_required integer NOT NULL DEFAULT 0,
    cancelled integer NOT NULL DEFAULT 0,
    platform_password bytea,
    version bigint NOT NULL,
    fence bigint NOT NULL DEFAULT 0,
    lease_until timestamptz,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    CHECK (connected + failed + action_required + cancelled <= total),
    CHECK ((finished_at IS NULL) = (status IN ('queued', 'running')))
);
CREATE INDEX connections_workspace ON connections (workspace_id, id DESC);
CREATE INDEX connections_unfinished ON connections (id) WHERE finished_at IS NULL OR lease_until IS NOT NULL;
CREATE INDEX connections_password ON connections (created_at) WHERE platform_password IS NOT NULL;
CREATE INDEX connections_account ON connections (platform_account_id);

-- `attempted` is set before an inbox is handed to the platform, so that whoever goes on after a crash looks first.
CREATE TABLE connection_inboxes (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    connection_id typeid NOT NULL REFERENCES connections ON DELETE CASCADE,
    email text COLLATE "C" NOT NULL CHECK (email = lower(email)),
    username text,
    first_name text,
    last_name text,
    daily_limit integer,
    servers jsonb,
    mailbox_id typeid,
    password bytea,
    status text NOT NULL CHECK (status IN
        ('queued', 'verifying', 'connecting', 'confirming', 'connected', 'action_required', 'failed', 'cancelled')),
    already boolean NOT NULL DEFAULT false,
    attempted boolean NOT NULL DEFAULT false,
    ticket text,
    error jsonb,
    action text,
    version bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (connection_id, email),
    UNIQUE (connection_id, version)
);
CREATE INDEX connection_inboxes_order ON connection_inboxes (connection_id, id);
CREATE INDEX connection_inboxes_password ON connection_inboxes (connection_id) WHERE password IS NOT NULL;

CALL protect_tenant_table('platform_accounts');
CALL protect_tenant_table('connections');
CALL protect_tenant_table('connection_inboxes');
