-- depends: 0023_app_passwords
-- Several connections of one platform account at once.

-- Which batch (a connection or an export) is about to give an inbox to a platform account, or is waiting to see it
-- there: one at a time, since not every platform refuses an inbox that it has already.
CREATE TABLE platform_claims (
    platform_account_id typeid NOT NULL REFERENCES platform_accounts ON DELETE CASCADE,
    email text COLLATE "C" NOT NULL,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    batch_id typeid NOT NULL,
    claimed_at timestamptz NOT NULL,
    PRIMARY KEY (platform_account_id, email)
);
CREATE INDEX platform_claims_batch ON platform_claims (batch_id);
CALL protect_tenant_table('platform_claims');

-- Until when somebody is alone in making an API key out of a password: a second one would remove the first's key.
ALTER TABLE platform_accounts ADD exchange_until timestamptz;
