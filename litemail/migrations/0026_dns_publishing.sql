-- depends: 0002_domains_and_zones
-- Domains whose DNS is at their owner's own provider, where we publish our records.

-- 'hosted', or the name of the provider.
ALTER TABLE domains DROP CONSTRAINT domains_dns_check;
-- Zones of such domains only hold what is to be published: our DNS never serves them.
ALTER TABLE zones ADD COLUMN hosted boolean NOT NULL DEFAULT true;

-- A customer's way into a DNS provider: sealed credentials that worked when they were given.
CREATE TABLE dns_accounts (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    provider text NOT NULL,
    -- A keyed hash of the credentials, so that the same ones are kept once.
    identity bytea NOT NULL,
    credentials_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (workspace_id, provider, identity)
);

-- `serial` is the zone's when it was last published; NULL when it is not. `next_try_at` is set while a job is to try;
-- with a failure and without it, the customer has to act. `replace` is leave, once, to take away what is in the way.
CREATE TABLE dns_publishings (
    domain_id typeid PRIMARY KEY REFERENCES domains ON DELETE CASCADE,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    account_id typeid NOT NULL REFERENCES dns_accounts,
    replace boolean NOT NULL,
    serial bigint,
    failed boolean NOT NULL DEFAULT false,
    tries integer NOT NULL DEFAULT 0,
    next_try_at timestamptz,
    published_at timestamptz
);
CREATE INDEX dns_publishings_account ON dns_publishings (account_id);

-- What we last wrote at the provider, value by value: all that we may ever take away there.
CREATE TABLE dns_written (
    domain_id typeid NOT NULL REFERENCES dns_publishings ON DELETE CASCADE,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    type text NOT NULL,
    name text NOT NULL,
    content text NOT NULL,
    priority integer
);
CREATE INDEX dns_written_domain ON dns_written (domain_id);

CALL protect_tenant_table('dns_accounts');
CALL protect_tenant_table('dns_publishings');
CALL protect_tenant_table('dns_written');
