-- depends: 0002_domains_and_zones
-- Where the web and the mail of a domain are forwarded to, and domains that are removed and restored.

-- When the wait for a proof began: at the claim, or when the domain was restored.
ALTER TABLE domains ADD COLUMN waiting_since timestamptz NOT NULL DEFAULT now();
-- FORCE would hide the domains that are there already.
ALTER TABLE domains NO FORCE ROW LEVEL SECURITY;
UPDATE domains SET waiting_since = created_at;
ALTER TABLE domains FORCE ROW LEVEL SECURITY;
-- Other addresses of mailboxes, as `mailbox_count` counts the mailboxes.
ALTER TABLE domains ADD COLUMN alias_count integer NOT NULL DEFAULT 0 CHECK (alias_count >= 0);
CREATE INDEX domains_removed ON domains (workspace_id, name, removed_at) WHERE removed_at IS NOT NULL;

-- The zone of a removed domain waits for it to be restored. Nobody finds it: the name may be connected anew meanwhile.
ALTER TABLE zones ADD COLUMN removed boolean NOT NULL DEFAULT false;
ALTER TABLE zones ADD CHECK (NOT (removed AND served));
DROP INDEX zones_workspace;
CREATE UNIQUE INDEX zones_claim ON zones (workspace_id, name) WHERE NOT removed;

-- What else a registry would know of a name under .test: that its zone is signed, and that nobody renewed it.
ALTER TABLE sandbox.delegations ADD COLUMN ds text[] NOT NULL DEFAULT '{}';
ALTER TABLE sandbox.delegations ADD COLUMN expired boolean NOT NULL DEFAULT false;

CREATE TABLE web_forwardings (
    domain_id typeid PRIMARY KEY REFERENCES domains ON DELETE CASCADE,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    url text NOT NULL,
    permanent boolean NOT NULL,
    keep_path boolean NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX web_forwardings_workspace ON web_forwardings (workspace_id);

CREATE TABLE mail_rules (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    domain_id typeid NOT NULL REFERENCES domains ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('email_forwarding', 'catch_all')),
    target text COLLATE "C" NOT NULL CHECK (target = lower(target)),
    keep_copy boolean NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (domain_id, kind)
);

-- Addresses outside of a workspace's own domains that mail is to be forwarded to. Their owners are asked once.
CREATE TABLE forwarding_targets (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    address text COLLATE "C" NOT NULL CHECK (address = lower(address)),
    asked_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    UNIQUE (workspace_id, address)
);
CREATE INDEX forwarding_targets_asked ON forwarding_targets (workspace_id, asked_at);

-- Messages on their way to such an address. They are here, not in a file, so that any worker can send them.
CREATE TABLE forwarded_mail (
    id typeid PRIMARY KEY,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    domain_id typeid NOT NULL REFERENCES domains ON DELETE CASCADE,
    sender text NOT NULL,
    recipient text NOT NULL,
    -- Who is told when it cannot be delivered: the sender as they sent it, empty for nobody.
    bounce_to text NOT NULL,
    message bytea NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL
);
ALTER TABLE forwarded_mail ALTER COLUMN message SET STORAGE EXTERNAL;

CREATE TABLE domain_usage (
    domain_id typeid NOT NULL REFERENCES domains ON DELETE CASCADE,
    workspace_id typeid NOT NULL REFERENCES workspaces,
    day date NOT NULL,
    forwarded integer NOT NULL,
    PRIMARY KEY (domain_id, day)
);

-- Redirect servers keep all forwardings in memory and renew those that they hear of.
CREATE FUNCTION notify_redirects() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('litemail_redirects', d.name) FROM domains d WHERE d.id = coalesce(NEW.domain_id, OLD.domain_id);
    RETURN NULL;
END $$;
CREATE TRIGGER notify AFTER INSERT OR UPDATE OR DELETE ON web_forwardings
    FOR EACH ROW EXECUTE FUNCTION notify_redirects();

CREATE FUNCTION notify_redirects_of_domain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('litemail_redirects', NEW.name);
    RETURN NULL;
END $$;
CREATE TRIGGER notify_redirects AFTER UPDATE OF status, removed_at ON domains FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.removed_at IS DISTINCT FROM NEW.removed_at)
    EXECUTE FUNCTION notify_redirects_of_domain();

CALL protect_tenant_table('web_forwardings');
CALL protect_tenant_table('mail_rules');
CALL protect_tenant_table('forwarding_targets');
CALL protect_tenant_table('forwarded_mail');
CALL protect_tenant_table('domain_usage');
