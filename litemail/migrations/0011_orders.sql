-- Orders, the price list, and subscriptions with their slots.

-- Every intention to spend. The workspace is the one that pays; `ordered_by` the one that it was ordered in.
CREATE TABLE orders (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    ordered_by typeid NOT NULL REFERENCES workspaces,
    key text COLLATE "C" NOT NULL UNIQUE,
    kind text COLLATE "C" NOT NULL CHECK (kind ~ '^[a-z][a-z_]*$'),
    status text NOT NULL CHECK (status IN ('awaiting_payment', 'confirmed', 'fulfilling', 'fulfilled',
                                           'partially_fulfilled', 'failed', 'cancelled')),
    lines jsonb NOT NULL CHECK (jsonb_array_length(lines) > 0),
    items jsonb NOT NULL CHECK (jsonb_array_length(items) > 0),
    total bigint NOT NULL CHECK (total >= 0),
    captured bigint NOT NULL DEFAULT 0 CHECK (captured >= 0),
    released bigint NOT NULL DEFAULT 0 CHECK (released >= 0),
    refunded bigint NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND captured),
    payment_id typeid UNIQUE,
    user_id text,
    key_id text COLLATE "C",
    created_at timestamptz NOT NULL,
    CHECK (CASE status WHEN 'fulfilled' THEN captured = total AND released = 0
                       WHEN 'partially_fulfilled' THEN captured + released = total
                       WHEN 'failed' THEN captured = 0 AND released = total
                       WHEN 'cancelled' THEN captured = 0 AND released = total
                       ELSE captured = 0 AND released = 0 END)
);
CREATE INDEX orders_page ON orders (workspace_id, id DESC);
CREATE INDEX orders_ordered_by ON orders (ordered_by, id DESC);
CREATE INDEX orders_open ON orders (id) WHERE status IN ('confirmed', 'fulfilling');
CREATE INDEX orders_of_key ON orders (key_id) WHERE key_id IS NOT NULL;

-- Each refund of an order, so that none is given twice.
CREATE TABLE order_refunds (
    order_id typeid NOT NULL REFERENCES orders,
    key text COLLATE "C" NOT NULL,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    amount bigint NOT NULL CHECK (amount > 0),
    reason text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, key)
);

-- The price list. A change of a plan is a new version, which says who made it; the newest one is sold, if it is sold at
-- all.
CREATE TABLE plans (
    id text COLLATE "C" NOT NULL CHECK (id ~ '^[a-z][a-z0-9_-]{0,39}$'),
    version integer NOT NULL CHECK (version > 0),
    name text NOT NULL,
    included_mailboxes integer NOT NULL CHECK (included_mailboxes >= 0),
    month bigint NOT NULL CHECK (month >= 0),
    quarter bigint NOT NULL CHECK (quarter >= 0),
    year bigint NOT NULL CHECK (year >= 0),
    addon_month bigint NOT NULL CHECK (addon_month >= 0),
    addon_quarter bigint NOT NULL CHECK (addon_quarter >= 0),
    addon_year bigint NOT NULL CHECK (addon_year >= 0),
    sold boolean NOT NULL DEFAULT true,
    set_by text NOT NULL DEFAULT 'the default price list',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, version)
);
INSERT INTO plans (id, version, name, included_mailboxes, month, quarter, year, addon_month, addon_quarter, addon_year)
VALUES ('starter', 1, 'Starter', 10, 3700, 9990, 37000, 370, 999, 3700),
       ('growth', 1, 'Growth', 30, 9900, 26730, 99000, 330, 891, 3300),
       ('pro', 1, 'Pro', 100, 29900, 80730, 299000, 300, 810, 3000);

-- Running contracts. `quantity` is what the plan includes plus the add-ons; `used` slots hold a mailbox each, and
-- `removals` of those go at the renewal. `next_*` is a change that waits for the renewal; when it was asked for,
-- `next_removals` were planned already. `due_at`: when something has to happen, in the time of the workspace.
CREATE TABLE subscriptions (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    plan_id text COLLATE "C" NOT NULL,
    plan_version integer NOT NULL,
    interval text NOT NULL CHECK (interval IN ('month', 'quarter', 'year')),
    addon_mailboxes integer NOT NULL CHECK (addon_mailboxes >= 0),
    quantity integer NOT NULL CHECK (quantity >= addon_mailboxes),
    used integer NOT NULL DEFAULT 0 CHECK (used BETWEEN 0 AND quantity),
    removals integer NOT NULL DEFAULT 0 CHECK (removals BETWEEN 0 AND used),
    status text NOT NULL CHECK (status IN ('active', 'past_due', 'suspended', 'cancelled')),
    anchor_day smallint NOT NULL CHECK (anchor_day BETWEEN 1 AND 31),
    current_period_start timestamptz NOT NULL,
    current_period_end timestamptz NOT NULL CHECK (current_period_end > current_period_start),
    cancel_at_period_end boolean NOT NULL DEFAULT false,
    next_plan_id text COLLATE "C",
    next_plan_version integer,
    next_interval text CHECK (next_interval IN ('month', 'quarter', 'year')),
    next_addon_mailboxes integer CHECK (next_addon_mailboxes >= 0),
    next_removals integer NOT NULL DEFAULT 0 CHECK (next_removals >= 0),
    failed_attempts smallint NOT NULL DEFAULT 0,
    due_at timestamptz,
    created_at timestamptz NOT NULL,
    FOREIGN KEY (plan_id, plan_version) REFERENCES plans,
    FOREIGN KEY (next_plan_id, next_plan_version) REFERENCES plans,
    CHECK (num_nulls(next_plan_id, next_plan_version, next_interval, next_addon_mailboxes) IN (0, 4)),
    CHECK ((status = 'cancelled') = (due_at IS NULL)),
    CHECK (status <> 'cancelled' OR used = 0)
);
CREATE INDEX subscriptions_page ON subscriptions (workspace_id, id DESC);
CREATE INDEX subscriptions_due ON subscriptions (due_at);

-- Sandboxes that are there already get the plan that new ones begin with. An id is that of its workspace with another
-- prefix. FORCE would hide them.
ALTER TABLE workspaces NO FORCE ROW LEVEL SECURITY;
INSERT INTO subscriptions (id, workspace_id, plan_id, plan_version, interval, addon_mailboxes, quantity, status, anchor_day,
                           current_period_start, current_period_end, due_at, created_at)
SELECT 'sub_' || split_part(id, '_', 2), id, 'pro', 1, 'month', 0, 100, 'active', extract(day FROM now()),
       date_trunc('milliseconds', now()), date_trunc('milliseconds', now()) + interval '1 month',
       date_trunc('milliseconds', now()) + interval '1 month', date_trunc('milliseconds', now())
FROM workspaces WHERE mode = 'sandbox';
ALTER TABLE workspaces FORCE ROW LEVEL SECURITY;

CALL protect_paying_table('orders');
CALL protect_paying_table('order_refunds');
CALL protect_tenant_table('subscriptions');
REVOKE DELETE ON orders FROM litemail_app, litemail_system;
REVOKE UPDATE, DELETE ON order_refunds FROM litemail_app, litemail_system;

CALL protect_system_table('plans');
CREATE POLICY everybody ON plans FOR SELECT TO litemail_app USING (true);
GRANT SELECT ON plans TO litemail_app;
REVOKE UPDATE, DELETE ON plans FROM litemail_system;
