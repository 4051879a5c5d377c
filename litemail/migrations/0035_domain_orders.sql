-- depends: 0011_orders 0025_registrar
-- Domains that are bought and renewed through orders.

-- What is held at a registrar; it expires and is renewed in the time of the workspace. `renewal_due_at` is the next
-- moment at which something has to happen for that. `moving_since`: its auth code was handed out.
ALTER TABLE domains
    ADD COLUMN registrar text,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN auto_renew boolean,
    ADD COLUMN renewal_price bigint CHECK (renewal_price >= 0),
    ADD COLUMN renewal_due_at timestamptz,
    ADD COLUMN moving_since timestamptz,
    ADD COLUMN delegated boolean NOT NULL DEFAULT false,
    ADD CHECK ((source = 'purchased') = (registrar IS NOT NULL)),
    ADD CHECK (num_nulls(registrar, expires_at, auto_renew, renewal_price) IN (0, 4));
CREATE INDEX domains_renewal ON domains (renewal_due_at) WHERE renewal_due_at IS NOT NULL;
CREATE INDEX domains_undelegated ON domains (id) WHERE registrar IS NOT NULL AND NOT delegated;
CREATE INDEX domains_moving ON domains (id) WHERE moving_since IS NOT NULL;

-- Whose a name in our accounts is, from the moment before it is bought. No name has two owners, so whoever finds it in
-- an account after a crash knows whether it was bought for them.
CREATE TABLE registrar_names (
    registrar text NOT NULL,
    name text COLLATE "C" NOT NULL,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    order_id typeid NOT NULL REFERENCES orders,
    PRIMARY KEY (registrar, name)
);
CREATE INDEX registrar_names_workspace ON registrar_names (workspace_id);
CALL protect_tenant_table('registrar_names');

-- Each name of an order, and how far it is. `cost` is the most that the registrar may take for it, `renewal_price` what
-- customers pay for a further year. A renewal adds years to a term that ends at `expires_at`.
CREATE TABLE domain_orders (
    order_id typeid NOT NULL REFERENCES orders,
    name text COLLATE "C" NOT NULL,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    kind text NOT NULL CHECK (kind IN ('purchase', 'renewal')),
    registrar text NOT NULL,
    years integer NOT NULL CHECK (years BETWEEN 1 AND 10),
    cost bigint NOT NULL CHECK (cost >= 0),
    renewal_price bigint NOT NULL CHECK (renewal_price >= 0),
    auto_renew boolean NOT NULL,
    expires_at timestamptz CHECK ((kind = 'renewal') = (expires_at IS NOT NULL)),
    status text NOT NULL DEFAULT 'ordered' CHECK (status IN ('ordered', 'done', 'failed')),
    operation text,
    failure jsonb CHECK ((status = 'failed') = (failure IS NOT NULL)),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, name)
);
-- No term is prolonged by two orders.
CREATE UNIQUE INDEX domain_orders_term ON domain_orders (name, expires_at)
    WHERE kind = 'renewal' AND status <> 'failed';
CREATE INDEX domain_orders_workspace ON domain_orders (workspace_id);
CALL protect_tenant_table('domain_orders');
