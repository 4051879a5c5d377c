-- depends: 0002_domains_and_zones
-- What is known of the DNS as others see it: targets of ALIAS records, checks; and keys that take turns.

-- The addresses behind ALIAS records whose targets are not in zones of ours, looked up again and again. What was found
-- last is served until something else is found. Holds nothing of a tenant.
CREATE TABLE alias_targets (
    name text COLLATE "C" PRIMARY KEY,
    addresses text[] NOT NULL DEFAULT '{}',
    ttl integer NOT NULL DEFAULT 60,
    looked_up_at timestamptz,
    next_look_at timestamptz NOT NULL
);
CREATE INDEX alias_targets_due ON alias_targets (next_look_at);
CREATE INDEX records_alias ON records (content) WHERE type = 'ALIAS';

-- A DKIM key waits, published, for its turn; signs; and stays published for a while for the mail that is under way.
ALTER TABLE dkim_keys ALTER COLUMN active TYPE text USING CASE WHEN active THEN 'signing' ELSE 'standby' END;
ALTER TABLE dkim_keys RENAME COLUMN active TO state;
ALTER TABLE dkim_keys ADD CONSTRAINT dkim_keys_state CHECK (state IN ('standby', 'signing', 'retiring'));
ALTER TABLE dkim_keys ADD COLUMN retire_at timestamptz;
ALTER TABLE dkim_keys ADD CHECK ((state = 'retiring') = (retire_at IS NOT NULL));
CREATE INDEX dkim_keys_retiring ON dkim_keys (retire_at) WHERE state = 'retiring';

-- Rotations that wait until the next keys are served. Gone at the switch.
CREATE TABLE dkim_rotations (
    domain_id typeid PRIMARY KEY REFERENCES domains ON DELETE CASCADE,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    started_at timestamptz NOT NULL,
    next_look_at timestamptz NOT NULL
);
CREATE INDEX dkim_rotations_due ON dkim_rotations (next_look_at);

ALTER TABLE domains
    ADD COLUMN dmarc_subdomain_policy text CHECK (dmarc_subdomain_policy IN ('none', 'quarantine', 'reject')),
    ADD COLUMN dmarc_pct integer NOT NULL DEFAULT 100 CHECK (dmarc_pct BETWEEN 0 AND 100),
    -- Addresses for reports; without them ours gets them.
    ADD COLUMN dmarc_rua text[],
    ADD COLUMN health jsonb NOT NULL
        DEFAULT '{"mx": "unknown", "spf": "unknown", "dkim": "unknown", "dmarc": "unknown"}',
    ADD COLUMN next_dns_check_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX domains_dns_check ON domains (next_dns_check_at) WHERE status = 'active' AND removed_at IS NULL;

-- The last check of what is served for a domain. `faults` are what was wrong then; they are told when they were there
-- twice in a row, and `told` until they are gone.
CREATE TABLE dns_checks (
    domain_id typeid PRIMARY KEY REFERENCES domains ON DELETE CASCADE,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    checked_at timestamptz,
    checks jsonb,
    faults text[] NOT NULL DEFAULT '{}',
    told text[] NOT NULL DEFAULT '{}',
    refreshed_at timestamptz
);

CALL protect_system_table('alias_targets');
CALL protect_tenant_table('dkim_rotations');
CALL protect_tenant_table('dns_checks');
