-- depends: 0001_frame
-- Money: the ledger, payments on their way in, saved payment methods, auto-recharge, what gateways told us.

-- A table whose rows belong to the workspace that pays; one that bills to another sees the other's rows.
CREATE PROCEDURE protect_paying_table(name regclass) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY payer ON %s TO litemail_app USING (workspace_id = current_setting(''litemail.paying_workspace_id'', true))', name);
    EXECUTE format('CREATE POLICY system ON %s TO litemail_system USING (true)', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO litemail_app, litemail_system', name);
END $$;

-- What happens to a wallet is told to the workspace that owns it, whoever of those that it pays for did it.
CREATE POLICY payer ON events FOR INSERT TO litemail_app
    WITH CHECK (workspace_id = current_setting('litemail.paying_workspace_id', true));

-- Every workspace has the same five accounts, so that many wallets never queue on one row. Amounts are minor units.
-- Positive: money that we owe (wallet, hold) or earned (revenue). Negative: money that came in (gateway, grants).
CREATE TABLE ledger_accounts (
    workspace_id typeid NOT NULL REFERENCES workspaces,
    account text NOT NULL CHECK (account IN ('wallet', 'hold', 'revenue', 'gateway', 'grants')),
    balance bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace_id, account),
    CONSTRAINT wallet_not_below_zero CHECK (account <> 'wallet' OR balance >= 0),
    CONSTRAINT hold_not_below_zero CHECK (account <> 'hold' OR balance >= 0)
) WITH (fillfactor = 50);

-- `number` is given under the lock of the wallet: the order of numbers is the order of balances.
CREATE SEQUENCE ledger_numbers;
CREATE TABLE ledger_transactions (
    number bigint PRIMARY KEY,
    id typeid NOT NULL UNIQUE,
    workspace_id typeid NOT NULL,
    kind text NOT NULL
        CHECK (kind IN ('top_up', 'charge', 'refund', 'adjustment', 'hold', 'capture', 'release')),
    key text COLLATE "C" NOT NULL CHECK (key <> ''),
    order_id typeid,
    payment_id typeid,
    description text NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (workspace_id, key),
    CHECK (order_id IS NOT NULL OR kind NOT IN ('charge', 'hold', 'capture', 'release'))
);
CREATE INDEX ledger_transactions_page ON ledger_transactions (workspace_id, number);
CREATE INDEX ledger_transactions_order ON ledger_transactions (order_id) WHERE order_id IS NOT NULL;

-- That its transaction and account exist, the trigger of an entry looks itself.
CREATE TABLE ledger_entries (
    workspace_id typeid NOT NULL,
    account text NOT NULL,
    number bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount <> 0),
    balance_after bigint NOT NULL,
    PRIMARY KEY (workspace_id, account, number)
);
CREATE INDEX ledger_entries_transaction ON ledger_entries (number);

-- What each order holds, took and gave back: the bounds of captures and refunds.
CREATE TABLE ledger_orders (
    order_id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL,
    held bigint NOT NULL DEFAULT 0,
    captured bigint NOT NULL DEFAULT 0,
    refunded bigint NOT NULL DEFAULT 0,
    CONSTRAINT order_hold_not_below_zero CHECK (held >= 0),
    CONSTRAINT order_refund_within_capture CHECK (refunded BETWEEN 0 AND captured)
) WITH (fillfactor = 50);
CREATE INDEX ledger_orders_open ON ledger_orders (workspace_id) WHERE held > 0;

CREATE TABLE payments (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    purpose text NOT NULL CHECK (purpose IN ('top_up', 'recharge', 'save_card')),
    amount bigint NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'succeeded', 'failed', 'expired')),
    gateway text COLLATE "C" NOT NULL,
    -- The card that a recharge charges.
    method_id typeid,
    -- The gateway's ids of the hosted page or attempt, and of the charge that brought the money.
    reference text COLLATE "C",
    charge text COLLATE "C",
    payment_link text,
    expires_at timestamptz,
    failure jsonb,
    -- The request that asked for it, so that a repetition of the request finds it.
    request_key bytea,
    -- Made to cover a shortfall, as a 402 offers it: given again while it is open.
    offered boolean NOT NULL DEFAULT false,
    checked_at timestamptz,
    settled_at timestamptz,
    created_at timestamptz NOT NULL,
    CHECK (CASE purpose WHEN 'save_card' THEN amount = 0 ELSE amount > 0 END),
    CHECK ((purpose = 'recharge') = (method_id IS NOT NULL))
);
CREATE INDEX payments_page ON payments (workspace_id, id DESC);
CREATE UNIQUE INDEX payments_request ON payments (workspace_id, request_key) WHERE request_key IS NOT NULL;
CREATE UNIQUE INDEX payments_one_recharge ON payments (workspace_id) WHERE purpose = 'recharge' AND status = 'pending';
CREATE INDEX payments_charge ON payments (gateway, charge) WHERE charge IS NOT NULL;
CREATE INDEX payments_open ON payments (coalesce(checked_at, created_at)) WHERE status = 'pending';

CREATE TABLE payment_methods (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    gateway text COLLATE "C" NOT NULL,
    customer text NOT NULL,
    reference text NOT NULL,
    brand text NOT NULL,
    last4 text NOT NULL,
    exp_month smallint,
    exp_year smallint,
    payment_id typeid NOT NULL UNIQUE REFERENCES payments,
    replaced_at timestamptz,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX payment_methods_current ON payment_methods (workspace_id) WHERE replaced_at IS NULL;

ALTER TABLE payments ADD FOREIGN KEY (method_id) REFERENCES payment_methods;
ALTER TABLE ledger_transactions ADD FOREIGN KEY (payment_id) REFERENCES payments;

CREATE TABLE auto_recharges (
    workspace_id typeid PRIMARY KEY REFERENCES workspaces,
    enabled boolean NOT NULL,
    threshold bigint NOT NULL CHECK (threshold >= 0),
    amount bigint NOT NULL CHECK (amount > 0),
    declines smallint NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    failure jsonb,
    updated_at timestamptz NOT NULL
);
CREATE INDEX auto_recharges_due ON auto_recharges (next_attempt_at) WHERE enabled AND next_attempt_at IS NOT NULL;

CREATE TABLE gateway_events (
    gateway text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    type text NOT NULL,
    fact jsonb NOT NULL,
    problem text,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (gateway, id)
);

CREATE INDEX gateway_events_refunds ON gateway_events (gateway, (fact->>'charge'))
    WHERE fact->>'type' IN ('refunded', 'refund_failed');

CALL protect_paying_table('ledger_accounts');
CALL protect_paying_table('ledger_transactions');
CALL protect_paying_table('ledger_entries');
CALL protect_paying_table('ledger_orders');
CALL protect_paying_table('payments');
CALL protect_paying_table('payment_methods');
CALL protect_paying_table('auto_recharges');
CALL protect_system_table('gateway_events');

-- The ledger grows and nothing else: balances and sums are kept by the functions below, with the owner's rights.
REVOKE ALL ON ledger_accounts, ledger_transactions, ledger_entries, ledger_orders FROM litemail_app, litemail_system;
GRANT SELECT ON ledger_accounts, ledger_transactions, ledger_entries, ledger_orders TO litemail_app, litemail_system;
GRANT INSERT ON ledger_accounts, ledger_transactions, ledger_entries TO litemail_app, litemail_system;
CREATE POLICY keeper ON ledger_accounts TO litemail_owner USING (true);
CREATE POLICY keeper ON ledger_transactions TO litemail_owner USING (true);
CREATE POLICY keeper ON ledger_entries TO litemail_owner USING (true);
CREATE POLICY keeper ON ledger_orders TO litemail_owner USING (true);

CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the ledger is never changed', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Post a transaction that corrects it.';
END $$;
CREATE TRIGGER unchanged BEFORE UPDATE OR DELETE ON ledger_transactions FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER kept BEFORE TRUNCATE ON ledger_transactions FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER unchanged BEFORE UPDATE OR DELETE ON ledger_entries FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER kept BEFORE TRUNCATE ON ledger_entries FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
-- Balances and sums move only from inside of the trigger of an entry.
CREATE TRIGGER unchanged BEFORE UPDATE ON ledger_accounts
    FOR EACH ROW WHEN (pg_trigger_depth() < 1) EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER undeleted BEFORE DELETE ON ledger_accounts FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER kept BEFORE TRUNCATE ON ledger_accounts FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER unchanged BEFORE INSERT OR UPDATE ON ledger_orders
    FOR EACH ROW WHEN (pg_trigger_depth() < 1) EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER undeleted BEFORE DELETE ON ledger_orders FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER kept BEFORE TRUNCATE ON ledger_orders FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();

CREATE FUNCTION ledger_open_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.balance := 0;
    RETURN NEW;
END $$;
CREATE TRIGGER opened BEFORE INSERT ON ledger_accounts FOR EACH ROW EXECUTE FUNCTION ledger_open_account();

-- Transactions of one workspace go one after the other, by the lock of its wallet, so they never wait crosswise.
CREATE FUNCTION ledger_lock(workspace text) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM ledger_accounts WHERE workspace_id = workspace AND account = 'wallet' FOR NO KEY UPDATE;
END $$;

-- What time it is in a workspace, also for who pays through it and may not look into it.
CREATE POLICY keeper ON workspaces FOR SELECT TO litemail_owner USING (true);
CREATE FUNCTION workspace_time(workspace text, at timestamptz) RETURNS timestamptz LANGUAGE plpgsql STABLE
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN at + (SELECT clock_ahead FROM workspaces WHERE id = workspace);
END $$;

CREATE FUNCTION ledger_begin_transaction() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM ledger_accounts WHERE workspace_id = NEW.workspace_id AND account = 'wallet' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'workspace % has no wallet', NEW.workspace_id
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'wallet_is_open';
    END IF;
    NEW.number := nextval('ledger_numbers');
    NEW.created_at := NEW.created_at + (SELECT clock_ahead FROM workspaces WHERE id = NEW.workspace_id);
    RETURN NEW;
END $$;
CREATE TRIGGER numbered BEFORE INSERT ON ledger_transactions FOR EACH ROW EXECUTE FUNCTION ledger_begin_transaction();

CREATE FUNCTION ledger_enter() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    whole ledger_transactions;
BEGIN
    SELECT * INTO whole FROM ledger_transactions WHERE number = NEW.number;
    IF NOT FOUND OR whole.workspace_id <> NEW.workspace_id THEN
        RAISE EXCEPTION 'an entry belongs to a transaction of its workspace'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'entry_is_of_transaction';
    END IF;
    UPDATE ledger_accounts SET balance = balance + NEW.amount
        WHERE workspace_id = NEW.workspace_id AND account = NEW.account RETURNING balance INTO NEW.balance_after;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no account %', NEW.account
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'account_is_open';
    END IF;
    IF whole.order_id IS NULL OR NEW.account NOT IN ('hold', 'revenue') THEN
        RETURN NEW;
    END IF;
    -- Less is only ever taken from what is there: the CHECKs would refuse it as a row of its own.
    IF NEW.amount > 0 THEN
        INSERT INTO ledger_orders AS o (order_id, workspace_id, held, captured)
            VALUES (whole.order_id, NEW.workspace_id,
                    CASE NEW.account WHEN 'hold' THEN NEW.amount ELSE 0 END,
                    CASE NEW.account WHEN 'revenue' THEN NEW.amount ELSE 0 END)
            ON CONFLICT (order_id) DO UPDATE
            SET held = o.held + excluded.held, captured = o.captured + excluded.captured
            WHERE o.workspace_id = excluded.workspace_id;
    ELSIF NEW.account = 'hold' THEN
        UPDATE ledger_orders SET held = held + NEW.amount
            WHERE order_id = whole.order_id AND workspace_id = NEW.workspace_id;
    ELSE
        UPDATE ledger_orders SET refunded = refunded - NEW.amount
            WHERE order_id = whole.order_id AND workspace_id = NEW.workspace_id;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'order % belongs to another workspace', whole.order_id
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'order_is_of_workspace';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER entered BEFORE INSERT ON ledger_entries FOR EACH ROW EXECUTE FUNCTION ledger_enter();

-- At commit, each transaction has at least two entries, which sum to zero.
CREATE FUNCTION ledger_check_transaction() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    total numeric;
    entries integer;
BEGIN
    SELECT sum(amount), count(*) INTO total, entries FROM ledger_entries WHERE number = NEW.number;
    IF entries < 2 OR total <> 0 THEN
        RAISE EXCEPTION 'transaction % has % entries that sum to %', NEW.number, entries, coalesce(total, 0)
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transaction_sums_to_zero';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON ledger_transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_check_transaction();
CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_check_transaction();

-- Posts a whole transaction in one round trip. A key that was used before posts nothing: `posted` is false and `same`
-- says whether it was for the same. A constraint that refuses is named in `refused`; nothing has happened then.
-- `available` is the wallet afterwards, null where there is none; `recharge`: it is below the threshold, and no
-- declined card is waiting for its next attempt.
CREATE FUNCTION ledger_post(
    INOUT id text, workspace text, kind text, key text, order_id text, payment_id text, description text,
    accounts text[], amounts bigint[], at timestamptz,
    OUT posted boolean, OUT same boolean, OUT refused text, OUT available bigint, OUT recharge boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    given bigint;
BEGIN
    BEGIN
        INSERT INTO ledger_transactions AS t
            (number, id, workspace_id, kind, key, order_id, payment_id, description, created_at)
            VALUES (0, id, workspace, kind, key, order_id, payment_id, description, at)
            ON CONFLICT ON CONSTRAINT ledger_transactions_workspace_id_key_key DO NOTHING
            RETURNING t.number INTO given;
        posted := FOUND;
        IF posted THEN
            INSERT INTO ledger_entries (workspace_id, account, number, amount, balance_after)
                SELECT workspace, line.account, given, line.amount, 0
                FROM unnest(accounts, amounts) AS line (account, amount);
        END IF;
    EXCEPTION WHEN check_violation OR foreign_key_violation THEN
        GET STACKED DIAGNOSTICS refused := CONSTRAINT_NAME;
        posted := false;
    END;
    same := posted;
    IF NOT posted AND refused IS NULL THEN
        SELECT t.id, t.kind = kind AND t.order_id IS NOT DISTINCT FROM order_id
                     AND t.payment_id IS NOT DISTINCT FROM payment_id
                     AND (SELECT jsonb_object_agg(e.account, e.amount) FROM ledger_entries e WHERE e.number = t.number)
                         = (SELECT jsonb_object_agg(line.account, line.amount)
                            FROM unnest(accounts, amounts) AS line (account, amount))
            INTO id, same FROM ledger_transactions t WHERE t.workspace_id = workspace AND t.key = key;
    END IF;
    SELECT a.balance, coalesce(r.enabled AND a.balance < r.threshold AND r.next_attempt_at IS NULL, false)
        INTO available, recharge
        FROM ledger_accounts a LEFT JOIN auto_recharges r ON r.workspace_id = a.workspace_id
        WHERE a.workspace_id = workspace AND a.account = 'wallet';
END $$;

-- FORCE would hide the workspaces that are there already. Nobody else sees the table until this migration is done.
ALTER TABLE workspaces NO FORCE ROW LEVEL SECURITY;
INSERT INTO ledger_accounts (workspace_id, account)
    SELECT id, unnest(ARRAY['wallet', 'hold', 'revenue', 'gateway', 'grants']) FROM workspaces;
ALTER TABLE workspaces FORCE ROW LEVEL SECURITY;
