-- depends: 0005_sandbox
-- State of the sandbox's payment gateway: what a real one would keep. Only test cards are ever here.

-- Hosted pages. A payment may get a second page when its first has expired, but only one that is open.
CREATE TABLE sandbox.gateway_pages (
    id typeid PRIMARY KEY,
    payment_id typeid NOT NULL,
    workspace_id typeid NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    purpose text NOT NULL CHECK (purpose IN ('top_up', 'save_card')),
    amount bigint NOT NULL CHECK (amount >= 0),
    currency text NOT NULL,
    description text NOT NULL,
    customer typeid,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'done', 'expired')),
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX gateway_pages_open ON sandbox.gateway_pages (payment_id) WHERE status = 'open';
CREATE INDEX gateway_pages_payment ON sandbox.gateway_pages (payment_id);
CREATE INDEX gateway_pages_workspace ON sandbox.gateway_pages (workspace_id);
CREATE INDEX gateway_pages_due ON sandbox.gateway_pages (expires_at) WHERE status = 'open';

CREATE TABLE sandbox.gateway_cards (
    id typeid PRIMARY KEY,
    customer typeid NOT NULL,
    workspace_id typeid NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    payment_id typeid NOT NULL UNIQUE,
    number text NOT NULL CHECK (number ~ '^[0-9]{16}$'),
    exp_month integer NOT NULL,
    exp_year integer NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX gateway_cards_customer ON sandbox.gateway_cards (customer);
CREATE INDEX gateway_cards_workspace ON sandbox.gateway_cards (workspace_id);

-- Charges, also declined ones of saved cards. One for each payment, so that no repetition charges twice.
CREATE TABLE sandbox.gateway_charges (
    id typeid PRIMARY KEY,
    payment_id typeid NOT NULL UNIQUE,
    workspace_id typeid NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    amount bigint NOT NULL CHECK (amount > 0),
    currency text NOT NULL,
    declined text,
    refunded bigint NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND amount),
    created_at timestamptz NOT NULL
);
CREATE INDEX gateway_charges_workspace ON sandbox.gateway_charges (workspace_id);

CREATE TABLE sandbox.gateway_refunds (
    key text COLLATE "C" PRIMARY KEY,
    id typeid NOT NULL UNIQUE,
    charge typeid NOT NULL REFERENCES sandbox.gateway_charges ON DELETE CASCADE,
    amount bigint NOT NULL CHECK (amount > 0),
    created_at timestamptz NOT NULL
);

-- What our webhook is told; `body` is what is signed. What was refused comes after what was not tried yet.
CREATE TABLE sandbox.gateway_events (
    id typeid PRIMARY KEY,
    body text NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    told_at timestamptz,
    created_at timestamptz NOT NULL
);
CREATE INDEX gateway_events_untold ON sandbox.gateway_events (tries, id) WHERE told_at IS NULL;
CREATE INDEX gateway_events_age ON sandbox.gateway_events (created_at);

CALL protect_system_table('sandbox.gateway_pages');
CALL protect_system_table('sandbox.gateway_cards');
CALL protect_system_table('sandbox.gateway_charges');
CALL protect_system_table('sandbox.gateway_refunds');
CALL protect_system_table('sandbox.gateway_events');
