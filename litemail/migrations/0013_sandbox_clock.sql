-- The time of a workspace is ours plus `clock_ahead`. Only sandboxes are ever ahead. `clock_goal` is how far ahead one
-- was told to go; it gets there step by step, from one thing that falls due to the next, and is `clock_moving` until all
-- of them are done.
ALTER TABLE workspaces
    ADD COLUMN clock_ahead interval NOT NULL DEFAULT '0',
    ADD COLUMN clock_goal interval NOT NULL DEFAULT '0',
    ADD COLUMN clock_moving boolean NOT NULL DEFAULT false,
    ADD CHECK (clock_goal >= clock_ahead AND clock_ahead >= '0'),
    ADD CHECK (mode = 'sandbox' OR clock_goal = '0');
CREATE INDEX workspaces_ahead ON workspaces (id) WHERE clock_ahead > '0';
GRANT UPDATE (clock_ahead, clock_goal, clock_moving) ON workspaces TO litemail_app;
