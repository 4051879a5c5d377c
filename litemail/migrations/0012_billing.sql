-- Who is billed, and invoices. Both belong to the workspace that pays.

CREATE TABLE billing_details (
    workspace_id typeid PRIMARY KEY REFERENCES workspaces,
    first_name text NOT NULL,
    last_name text NOT NULL,
    company text,
    address_line_1 text NOT NULL,
    address_line_2 text,
    city text NOT NULL,
    state text,
    country text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    postal_code text NOT NULL,
    phone text CHECK (phone ~ '^\+[1-9][0-9]{1,14}$'),
    tax_id text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

-- What the operator's settings say of invoices, by the time it was first said. The newest row counts.
CREATE TABLE billing_terms (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tax_rate integer NOT NULL CHECK (tax_rate BETWEEN 0 AND 10000),  -- hundredths of a percent, contained in prices
    seller text NOT NULL,
    valid_from timestamptz NOT NULL
);

-- The last number given. Sandboxes count by themselves: the numbers of true invoices have no gaps.
CREATE TABLE invoice_numbers (
    mode text PRIMARY KEY CHECK (mode IN ('live', 'sandbox')),
    last bigint NOT NULL DEFAULT 0
);
INSERT INTO invoice_numbers (mode) VALUES ('live'), ('sandbox');

CREATE TABLE invoices (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    mode text NOT NULL REFERENCES invoice_numbers,
    number bigint CHECK (number > 0),
    kind text NOT NULL CHECK (kind IN ('invoice', 'refund')),
    order_id typeid NOT NULL,
    refund_key text NOT NULL DEFAULT '',
    refund_of typeid REFERENCES invoices,
    lines jsonb NOT NULL CHECK (jsonb_array_length(lines) > 0),
    tax_rate integer NOT NULL CHECK (tax_rate BETWEEN 0 AND 10000),
    tax bigint NOT NULL,
    total bigint NOT NULL,
    currency text NOT NULL DEFAULT 'USD',
    seller text NOT NULL,
    bill_to jsonb,
    issued_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (mode, number),
    UNIQUE (order_id, refund_key),
    CHECK (CASE kind WHEN 'invoice' THEN total > 0 AND refund_of IS NULL AND refund_key = ''
                     ELSE total < 0 AND refund_of IS NOT NULL AND refund_key <> '' END)
);
CREATE INDEX invoices_page ON invoices (workspace_id, id DESC);

-- Numbers are given when the transaction is about to commit: who would take them earlier would make every other
-- purchase wait until all the rest of its work is done.
CREATE FUNCTION number_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    given bigint;
BEGIN
    UPDATE invoice_numbers SET last = last + 1 WHERE mode = NEW.mode RETURNING last INTO STRICT given;
    UPDATE invoices SET number = given WHERE id = NEW.id;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER number AFTER INSERT ON invoices
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION number_invoice();

-- An invoice that has its number never changes and never goes.
CREATE FUNCTION refuse_invoice_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'invoices are never changed' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER unchanged BEFORE UPDATE ON invoices
    FOR EACH ROW WHEN (OLD.number IS NOT NULL) EXECUTE FUNCTION refuse_invoice_change();
CREATE TRIGGER kept BEFORE DELETE ON invoices FOR EACH ROW EXECUTE FUNCTION refuse_invoice_change();
CREATE TRIGGER kept_all BEFORE TRUNCATE ON invoices FOR EACH STATEMENT EXECUTE FUNCTION refuse_invoice_change();

CALL protect_paying_table('billing_details');
CALL protect_paying_table('invoices');
REVOKE UPDATE, DELETE ON invoices FROM litemail_app, litemail_system;
GRANT UPDATE (number) ON invoices TO litemail_app, litemail_system;

CALL protect_system_table('billing_terms');
CALL protect_system_table('invoice_numbers');
CREATE POLICY everybody ON billing_terms FOR SELECT TO litemail_app USING (true);
CREATE POLICY everybody ON invoice_numbers TO litemail_app USING (true);
GRANT SELECT ON billing_terms TO litemail_app;
GRANT SELECT, UPDATE ON invoice_numbers TO litemail_app;
REVOKE INSERT, DELETE ON invoice_numbers FROM litemail_system;
