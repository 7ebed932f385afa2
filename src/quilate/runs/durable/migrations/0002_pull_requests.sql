-- What the change's own blueprint and project file would have decided, beside the decision that binds.
ALTER TABLE decisions ADD COLUMN what_if jsonb;
