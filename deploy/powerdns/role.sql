-- The role that PowerDNS signs in with: it reads the views of the schema powerdns and nothing else.
-- Rendered by `litemail dataplane render powerdns`. Run it once after `litemail migrate`, as a login that may create
-- roles and is a member of litemail_owner; then give the role a password: ALTER ROLE litemail_powerdns PASSWORD '...'.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'litemail_powerdns') THEN
        CREATE ROLE litemail_powerdns LOGIN;
    END IF;
END $$;
ALTER ROLE litemail_powerdns SET default_transaction_read_only = on;
GRANT CONNECT ON DATABASE "litemail" TO litemail_powerdns;
GRANT USAGE ON SCHEMA powerdns TO litemail_powerdns;
GRANT SELECT ON ALL TABLES IN SCHEMA powerdns TO litemail_powerdns;
