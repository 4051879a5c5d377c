-- depends: 0001_frame
-- Domains and their zones, and the registry of the sandbox.

-- Every pair of name servers that any claim of a name ever had, so that no other claim gets it: the owner of a name
-- proves a claim by delegating to its pair. Holds nothing of a tenant.
CREATE TABLE domain_claims (
    name text COLLATE "C" NOT NULL,
    pair text[] NOT NULL CHECK (cardinality(pair) = 2),
    PRIMARY KEY (name, pair)
);

-- Names under .test belong to the first workspace that uses them.
CREATE TABLE test_names (
    name text COLLATE "C" PRIMARY KEY CHECK (name LIKE '%.test'),
    workspace_id typeid NOT NULL REFERENCES workspaces
);

CREATE TABLE domains (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    name text COLLATE "C" NOT NULL CHECK (name = lower(name)),
    status text NOT NULL CHECK (status IN ('pending', 'verifying', 'active', 'failed', 'suspended', 'removing')),
    source text NOT NULL CHECK (source IN ('connected', 'purchased')),
    dns text NOT NULL CHECK (dns IN ('hosted')),
    name_servers text[] NOT NULL CHECK (cardinality(name_servers) = 2),
    challenge text NOT NULL,
    dmarc_policy text NOT NULL DEFAULT 'none' CHECK (dmarc_policy IN ('none', 'quarantine', 'reject')),
    mailbox_count integer NOT NULL DEFAULT 0,
    mailbox_limit integer NOT NULL,
    tags text[] NOT NULL DEFAULT '{}',
    -- What proved that the claim is its owner's, and what the parent's servers said when they were last asked.
    proof text CHECK (proof IN ('delegation', 'challenge')),
    found_name_servers text[],
    failure_code text,
    failure_message text,
    failure_action text,
    checked_at timestamptz,
    next_check_at timestamptz,
    refreshed_at timestamptz,
    removed_at timestamptz,
    created_at timestamptz NOT NULL,
    CONSTRAINT domains_mailbox_limit CHECK (mailbox_count BETWEEN 0 AND mailbox_limit)
);
CREATE UNIQUE INDEX domains_claim ON domains (workspace_id, name) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX domains_owner ON domains (name)
    WHERE status IN ('verifying', 'active', 'suspended') AND removed_at IS NULL;
CREATE INDEX domains_page ON domains (workspace_id, id DESC) WHERE removed_at IS NULL;
CREATE INDEX domains_due ON domains (next_check_at)
    WHERE status IN ('pending', 'verifying') AND removed_at IS NULL;

CREATE TABLE dkim_keys (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    domain_id typeid NOT NULL REFERENCES domains ON DELETE CASCADE,
    selector text COLLATE "C" NOT NULL,
    algorithm text NOT NULL CHECK (algorithm IN ('rsa', 'ed25519')),
    public text NOT NULL,
    private_sealed bytea NOT NULL,
    active boolean NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (domain_id, selector)
);

-- A zone is made with its domain and served once the domain's owner has proved to be that.
CREATE TABLE zones (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    domain_id typeid NOT NULL UNIQUE REFERENCES domains ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    name_servers text[] NOT NULL,
    serial bigint NOT NULL CHECK (serial BETWEEN 1 AND 4294967295),
    served boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX zones_served ON zones (name) WHERE served;
CREATE INDEX zones_workspace ON zones (workspace_id, name);

CREATE TABLE records (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    zone_id typeid NOT NULL REFERENCES zones ON DELETE CASCADE,
    type text COLLATE "C" NOT NULL
        CHECK (type IN ('A', 'AAAA', 'ALIAS', 'CAA', 'CNAME', 'MX', 'NS', 'SRV', 'TXT', 'TLSA')),
    name text COLLATE "C" NOT NULL,
    content text NOT NULL,
    ttl integer NOT NULL CHECK (ttl BETWEEN 60 AND 86400),
    priority integer CHECK (priority BETWEEN 0 AND 65535),
    managed boolean NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX records_page ON records (zone_id, id);

-- DNS servers keep all zones in memory and renew those that they hear of. Every change of records bumps the serial.
CREATE FUNCTION notify_zones() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.served THEN
        PERFORM pg_notify('litemail_zones', OLD.name);
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.served THEN
        PERFORM pg_notify('litemail_zones', NEW.name);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER notify AFTER INSERT OR UPDATE OR DELETE ON zones FOR EACH ROW EXECUTE FUNCTION notify_zones();

-- The twins of the outside world keep their state here.
CREATE SCHEMA IF NOT EXISTS sandbox;
GRANT USAGE ON SCHEMA sandbox TO litemail_app, litemail_system;

-- What a registrar would have set for a name under .test.
CREATE TABLE sandbox.delegations (
    name text COLLATE "C" PRIMARY KEY CHECK (name LIKE '%.test'),
    workspace_id typeid NOT NULL REFERENCES workspaces,
    name_servers text[] NOT NULL,
    challenge text,
    updated_at timestamptz NOT NULL
);

CREATE FUNCTION sandbox.notify_registry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('litemail_registry', coalesce(NEW.name, OLD.name));
    RETURN NULL;
END $$;
CREATE TRIGGER notify AFTER INSERT OR UPDATE OR DELETE ON sandbox.delegations
    FOR EACH ROW EXECUTE FUNCTION sandbox.notify_registry();

CALL protect_tenant_table('test_names');
CALL protect_tenant_table('domains');
CALL protect_tenant_table('dkim_keys');
CALL protect_tenant_table('zones');
CALL protect_tenant_table('records');
CALL protect_tenant_table('sandbox.delegations');
CALL protect_system_table('domain_claims');
CREATE POLICY everybody ON domain_claims TO litemail_app USING (true);
GRANT SELECT, INSERT ON domain_claims TO litemail_app;
