-- depends: 0001_frame
-- State of the sandbox twins: what a vendor would keep. No inbox password is ever here.

CREATE SCHEMA IF NOT EXISTS sandbox;
GRANT USAGE ON SCHEMA sandbox TO litemail_app, litemail_system;

-- How a workspace told its twin of a platform to misbehave.
CREATE TABLE sandbox.settings (
    workspace_id typeid NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    platform_type text NOT NULL,
    latency_ms integer NOT NULL CHECK (latency_ms >= 0),
    error_rate double precision NOT NULL CHECK (error_rate BETWEEN 0 AND 1),
    rate_limit integer CHECK (rate_limit >= 0),
    account_limit integer CHECK (account_limit >= 0),
    down boolean NOT NULL,
    PRIMARY KEY (workspace_id, platform_type)
);

CREATE TABLE sandbox.organisations (
    id text COLLATE "C" PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    platform_type text NOT NULL,
    login text COLLATE "C" NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (workspace_id, platform_type, login)
);

-- Keys that a twin made. Revoked ones stay, so that they stay refused.
CREATE TABLE sandbox.api_keys (
    id text COLLATE "C" PRIMARY KEY,
    workspace_id typeid NOT NULL,
    organisation_id text COLLATE "C" NOT NULL REFERENCES sandbox.organisations ON DELETE CASCADE,
    name text NOT NULL,
    scopes text[] NOT NULL,
    hash bytea NOT NULL UNIQUE,
    paid boolean NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX api_keys_organisation ON sandbox.api_keys (organisation_id);

-- Inboxes that were added, each once per organisation. `data` is the vendor's own shape in JSON.
CREATE TABLE sandbox.accounts (
    organisation_id text COLLATE "C" NOT NULL REFERENCES sandbox.organisations ON DELETE CASCADE,
    email text COLLATE "C" NOT NULL CHECK (email = lower(email)),
    workspace_id typeid NOT NULL,
    data bytea NOT NULL,
    created_at timestamptz NOT NULL,
    signed_in boolean NOT NULL,
    PRIMARY KEY (organisation_id, email)
);
CREATE INDEX accounts_newest ON sandbox.accounts (organisation_id, created_at DESC, email DESC);

-- Whatever else a vendor keeps: background jobs, tags.
CREATE TABLE sandbox.things (
    organisation_id text COLLATE "C" NOT NULL REFERENCES sandbox.organisations ON DELETE CASCADE,
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    workspace_id typeid NOT NULL,
    data bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, kind, id)
);

CALL protect_tenant_table('sandbox.settings');
CALL protect_tenant_table('sandbox.organisations');
CALL protect_tenant_table('sandbox.api_keys');
CALL protect_tenant_table('sandbox.accounts');
CALL protect_tenant_table('sandbox.things');
