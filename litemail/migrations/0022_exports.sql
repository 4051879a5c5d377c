-- depends: 0004_platforms_and_connections
-- Platform accounts that people store, check and delete; exports of mailboxes to them and to files.

-- A deleted account stays as what connections and exports point to, without its secrets. `check_at` is when the
-- platform is asked again whether the login still works, and `problem` what it said the last time.
ALTER TABLE platform_accounts
    ADD client_id text,
    ADD client_secret bytea,
    ADD workspaces jsonb NOT NULL DEFAULT '[]',
    ADD problem jsonb,
    ADD check_at timestamptz NOT NULL DEFAULT now(),
    ADD deleted_at timestamptz,
    DROP CONSTRAINT platform_accounts_workspace_id_platform_type_identity_wante_key;
CREATE UNIQUE INDEX platform_accounts_identity
    ON platform_accounts (workspace_id, platform_type, identity, wanted_workspace) WHERE deleted_at IS NULL;
CREATE INDEX platform_accounts_due ON platform_accounts (check_at) WHERE deleted_at IS NULL AND api_key IS NOT NULL;

-- `layout` and no platform account for a file; the other way round for a platform. `fence` and `lease_until` as in
-- connections. `requested_by`: who asked for it, for the audit lines of what jobs hand over.
CREATE TABLE exports (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    mode text NOT NULL CHECK (mode IN ('live', 'sandbox')),
    destination text NOT NULL,
    layout text,
    platform_account_id typeid REFERENCES platform_accounts,
    automatic boolean NOT NULL,
    status text NOT NULL CHECK (status IN
        ('queued', 'running', 'completed', 'completed_with_errors', 'failed', 'cancelled')),
    options jsonb NOT NULL,
    requested_by jsonb NOT NULL,
    total integer NOT NULL CHECK (total > 0),
    succeeded integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    skipped integer NOT NULL DEFAULT 0,
    cancelled integer NOT NULL DEFAULT 0,
    fence bigint NOT NULL DEFAULT 0,
    lease_until timestamptz,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    revoked_at timestamptz,
    CHECK (succeeded + failed + skipped + cancelled <= total),
    CHECK ((finished_at IS NULL) = (status IN ('queued', 'running'))),
    CHECK ((layout IS NULL) <> (platform_account_id IS NULL))
);
CREATE INDEX exports_workspace ON exports (workspace_id, id DESC);
CREATE INDEX exports_unfinished ON exports (id) WHERE finished_at IS NULL OR lease_until IS NOT NULL;
CREATE INDEX exports_account ON exports (platform_account_id) WHERE finished_at IS NULL;

-- Which mailboxes an export is of, as they were chosen when it began. Rows are never deleted, and a million of them are
-- inserted at once: so no foreign keys.
CREATE TABLE export_items (
    export_id typeid NOT NULL,
    mailbox_id typeid NOT NULL,
    workspace_id typeid NOT NULL,
    status text NOT NULL CHECK (status IN
        ('queued', 'connecting', 'confirming', 'connected', 'failed', 'skipped', 'cancelled')),
    already boolean NOT NULL DEFAULT false,
    attempted boolean NOT NULL DEFAULT false,
    ticket text,
    error jsonb,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (export_id, mailbox_id)
);

-- One rule for each workspace: what becomes active and matches goes to the platform account.
CREATE TABLE automatic_exports (
    workspace_id typeid PRIMARY KEY REFERENCES workspaces,
    platform_account_id typeid NOT NULL REFERENCES platform_accounts,
    mode text NOT NULL CHECK (mode IN ('live', 'sandbox')),
    filter jsonb NOT NULL,
    options jsonb NOT NULL,
    enabled boolean NOT NULL,
    requested_by jsonb NOT NULL,
    since timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CALL protect_tenant_table('exports');
CALL protect_tenant_table('export_items');
CALL protect_tenant_table('automatic_exports');
