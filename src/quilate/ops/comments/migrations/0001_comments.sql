-- Commands in comments: kept in the transaction that settles their event, acted on afterwards, since the forge has to be
-- asked what its commenter may do.
CREATE TABLE comment_commands (
    event_id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects (id),
    provider text NOT NULL,
    repository text NOT NULL,
    pull_request integer NOT NULL,
    sender text NOT NULL,
    line text NOT NULL,
    -- The answer is kept before it is posted: an attempt that is repeated does nothing twice.
    answer text,
    attempts smallint NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz,
    error text NOT NULL DEFAULT ''
);
CREATE INDEX comment_commands_due ON comment_commands (due_at) WHERE done_at IS NULL;
COMMENT ON TABLE comment_commands IS 'Commands from comments of pull requests, and what was answered.';

-- Audit entries and waivers name people of a forge by a keyed hash; who it is stands here alone and can be erased.
CREATE TABLE forge_actors (
    id text PRIMARY KEY,
    provider text NOT NULL,
    login text NOT NULL
);
