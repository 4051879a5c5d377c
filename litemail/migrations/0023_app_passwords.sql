-- depends: 0003_mailboxes
-- App passwords for files, for people's own programs, and when each was last used.

ALTER TABLE app_passwords
    ADD export_id typeid,
    ADD last_used_at timestamptz,
    ADD CHECK (platform_account_id IS NULL OR export_id IS NULL);
CREATE UNIQUE INDEX app_passwords_export ON app_passwords (export_id, mailbox_id) WHERE export_id IS NOT NULL;
CREATE INDEX app_passwords_account ON app_passwords (platform_account_id) WHERE platform_account_id IS NOT NULL;
