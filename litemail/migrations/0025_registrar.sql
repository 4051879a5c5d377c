-- depends: 0002_domains_and_zones 0005_sandbox
-- The sandbox's registrar: what a real one would keep.

-- The registrar of .test: the names in its account. Where they are delegated to is in sandbox.delegations.
CREATE TABLE sandbox.registrations (
    name text COLLATE "C" PRIMARY KEY CHECK (name LIKE '%.test'),
    contact jsonb NOT NULL,
    locked boolean NOT NULL DEFAULT true,
    auth_code text NOT NULL,
    registered_at timestamptz NOT NULL,
    visible_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE sandbox.registrar_operations (
    id typeid PRIMARY KEY,
    kind text NOT NULL,
    name text COLLATE "C" NOT NULL,
    ready_at timestamptz NOT NULL,
    failure text,
    created_at timestamptz NOT NULL
);
CREATE INDEX registrar_operations_name ON sandbox.registrar_operations (name, kind, ready_at);

CALL protect_system_table('sandbox.registrations');
CALL protect_system_table('sandbox.registrar_operations');
