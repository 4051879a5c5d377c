-- Each mailbox takes a slot of a subscription. Who suspended it, and what its state is.

ALTER TABLE mailboxes
    ADD COLUMN subscription_id typeid REFERENCES subscriptions,
    ADD COLUMN suspended_by text[] NOT NULL DEFAULT '{}' CHECK (suspended_by <@ ARRAY['owner', 'subscription']),
    DROP CONSTRAINT mailboxes_check1,
    ADD CHECK (password_hash IS NOT NULL OR status IN ('provisioning', 'failed', 'suspended', 'removed')),
    ADD CHECK (suspended_by = '{}' OR status IN ('suspended', 'removed'));

CREATE INDEX mailboxes_subscription ON mailboxes (subscription_id, id) WHERE removed_at IS NULL;
CREATE INDEX mailboxes_removed ON mailboxes (workspace_id, id DESC) WHERE removed_at IS NOT NULL;

-- The state of a mailbox that is there, of what holds it back, the strongest first.
CREATE FUNCTION mailbox_status(suspended_by text[], password_hash text, failure jsonb, removal_at timestamptz)
RETURNS text IMMUTABLE LANGUAGE sql AS $$
    SELECT CASE WHEN suspended_by <> '{}' THEN 'suspended'
                WHEN password_hash IS NULL AND failure IS NOT NULL THEN 'failed'
                WHEN password_hash IS NULL THEN 'provisioning'
                WHEN removal_at IS NOT NULL THEN 'scheduled_for_removal'
                ELSE 'active' END
$$;
