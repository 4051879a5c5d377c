-- The frame: users, workspaces, keys, events, idempotency, and the rule that keeps tenants apart.
--
-- Roles (made before this file runs): litemail_owner owns everything and changes nothing at run time; litemail_app
-- works for an actor and sees one workspace; litemail_system works for the program and sees all, by explicit policies.

CREATE DOMAIN typeid AS text COLLATE "C" CHECK (VALUE ~ '^[a-z]{2,8}_[0-7][0-9a-hjkmnp-tv-z]{25}$');

-- Row-level security of a table whose rows belong to a workspace. FORCE, because owners would bypass it.
CREATE PROCEDURE protect_tenant_table(name regclass) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY workspace ON %s TO litemail_app USING (workspace_id = current_setting(''litemail.workspace_id'', true))', name);
    EXECUTE format('CREATE POLICY system ON %s TO litemail_system USING (true)', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO litemail_app, litemail_system', name);
END $$;

-- A table that only the program itself touches.
CREATE PROCEDURE protect_system_table(name regclass) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY system ON %s TO litemail_system USING (true)', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO litemail_system', name);
END $$;

CREATE TABLE users (
    id typeid PRIMARY KEY,
    email text COLLATE "C" NOT NULL UNIQUE CHECK (email = lower(email)),
    password_hash text NOT NULL,
    first_name text NOT NULL,
    last_name text NOT NULL,
    default_workspace_id typeid,
    live_allowed boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL
);

CREATE TABLE workspaces (
    id typeid PRIMARY KEY,
    owner_id typeid NOT NULL REFERENCES users,
    name text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('live', 'sandbox')),
    billing_workspace_id typeid REFERENCES workspaces,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX workspaces_name ON workspaces (owner_id, lower(name));
ALTER TABLE users ADD FOREIGN KEY (default_workspace_id) REFERENCES workspaces;

CREATE TABLE members (
    workspace_id typeid NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    user_id typeid NOT NULL REFERENCES users,
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'editor', 'billing', 'viewer')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, user_id)
);
CREATE INDEX members_user ON members (user_id);

-- Sign-ins of people. A refresh token works once; the hash before it tells theft from a lost answer.
CREATE TABLE sessions (
    id typeid PRIMARY KEY,
    user_id typeid NOT NULL REFERENCES users,
    refresh_hash bytea NOT NULL UNIQUE,
    previous_hash bytea UNIQUE,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE api_keys (
    id typeid PRIMARY KEY,
    user_id typeid NOT NULL REFERENCES users,
    name text NOT NULL,
    prefix text NOT NULL,
    hash bytea NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    workspace_ids text[] NOT NULL CHECK (cardinality(workspace_ids) > 0),
    spend_limit bigint CHECK (spend_limit >= 0),
    expires_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz NOT NULL
);
CREATE INDEX api_keys_user ON api_keys (user_id, id);

-- Attempts that are counted against guessing; losing them in a crash does no harm.
CREATE UNLOGGED TABLE throttle (
    key bytea PRIMARY KEY,
    attempts integer NOT NULL,
    resets_at timestamptz NOT NULL
);

CREATE TABLE events (
    number bigint GENERATED ALWAYS AS IDENTITY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL,
    type text NOT NULL,
    audience text NOT NULL CHECK (audience IN ('public', 'audit')),
    subject text COLLATE "C" NOT NULL,
    data jsonb,
    before jsonb,
    user_id text,
    key_id text,
    address text,
    request_id text,
    created_at timestamptz NOT NULL
);
CREATE INDEX events_order ON events (xid, number);
CREATE INDEX events_workspace ON events (workspace_id, id DESC);

CREATE TABLE event_cursors (
    consumer text PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT '0',
    number bigint NOT NULL DEFAULT 0
);

CREATE FUNCTION notify_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('litemail_events', '');
    RETURN NULL;
END $$;
CREATE TRIGGER notify AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION notify_events();

CREATE TABLE idempotency_keys (
    workspace_id typeid NOT NULL,
    caller text COLLATE "C" NOT NULL,
    method text NOT NULL,
    path text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    body_mac bytea NOT NULL,
    status smallint NOT NULL,
    answer bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, caller, method, path, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CALL protect_tenant_table('members');
CALL protect_tenant_table('events');
CALL protect_tenant_table('idempotency_keys');
CALL protect_system_table('users');
CALL protect_system_table('workspaces');
CALL protect_system_table('sessions');
CALL protect_system_table('api_keys');
CALL protect_system_table('throttle');
CALL protect_system_table('event_cursors');

-- People see themselves, their own keys, and the workspaces that they belong to.
CREATE POLICY own ON members FOR SELECT TO litemail_app
    USING (user_id = current_setting('litemail.user_id', true));
CREATE POLICY own ON users TO litemail_app
    USING (id = current_setting('litemail.user_id', true));
CREATE POLICY own ON api_keys TO litemail_app
    USING (user_id = current_setting('litemail.user_id', true));
CREATE POLICY member ON workspaces TO litemail_app
    USING (id = current_setting('litemail.workspace_id', true)
           OR EXISTS (SELECT FROM members m WHERE m.workspace_id = workspaces.id
                      AND m.user_id = current_setting('litemail.user_id', true)))
    WITH CHECK (owner_id = current_setting('litemail.user_id', true)
                OR id = current_setting('litemail.workspace_id', true));
-- Column by column: nobody reads hashes, allows live workspaces to themselves, or changes the mode of a workspace.
GRANT SELECT (id, email, first_name, last_name, default_workspace_id, live_allowed, created_at),
      UPDATE (first_name, last_name, default_workspace_id) ON users TO litemail_app;
GRANT SELECT (id, user_id, name, prefix, scopes, workspace_ids, spend_limit, expires_at, last_used_at, created_at),
      INSERT, DELETE ON api_keys TO litemail_app;
GRANT SELECT, INSERT, UPDATE (name, billing_workspace_id), DELETE ON workspaces TO litemail_app;
