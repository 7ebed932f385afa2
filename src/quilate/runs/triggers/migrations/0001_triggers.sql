-- Events from outside.

-- Addresses that providers send to. Secrets are sealed by kit.secrets; after a rotation the one before stays good for a
-- while, so that nothing is lost until the provider has the new one.
CREATE TABLE inbound_hooks (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects (id),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    provider text NOT NULL CHECK (provider IN ('github', 'gitlab', 'bitbucket', 'gitea', 'mlflow', 'generic')),
    repositories text[] NOT NULL DEFAULT '{}',
    paused boolean NOT NULL DEFAULT false,
    secret bytea NOT NULL,
    previous_secret bytea,
    previous_until timestamptz,
    author text NOT NULL,
    revision integer NOT NULL DEFAULT 1 CHECK (revision > 0),
    -- Deliveries that were not taken because of their signature: nothing else of them is kept.
    refused bigint NOT NULL DEFAULT 0,
    refused_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT inbound_hooks_name UNIQUE (project_id, name),
    CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
);

-- Every event that was taken. Of its body only digest, length and facts are kept.
CREATE TABLE inbound_events (
    id uuid PRIMARY KEY,
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    project_id uuid NOT NULL,
    hook_id uuid,
    source text NOT NULL,
    event_id text NOT NULL,
    -- SHA-256 of source and id: what makes a second delivery the first one.
    identity bytea NOT NULL CHECK (octet_length(identity) = 32),
    -- Where the id is not signed: a body that was taken once is not taken again under another id.
    replay_identity bytea CHECK (octet_length(replay_identity) = 32),
    provider text NOT NULL,
    kind text NOT NULL,
    order_key text NOT NULL,
    facts jsonb NOT NULL,
    payload_digest text NOT NULL,
    payload_bytes integer NOT NULL,
    state text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'matched', 'unmatched', 'refused', 'superseded', 'failed')),
    rule text NOT NULL DEFAULT '',
    run_id uuid,
    reason text NOT NULL DEFAULT '',
    next_step text NOT NULL DEFAULT '',
    attempts smallint NOT NULL DEFAULT 0,
    replays integer NOT NULL DEFAULT 0,
    ready_at timestamptz NOT NULL DEFAULT now(),
    received_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE UNIQUE INDEX inbound_events_identity ON inbound_events (project_id, identity);
CREATE UNIQUE INDEX inbound_events_replay ON inbound_events (project_id, replay_identity)
    WHERE replay_identity IS NOT NULL;
CREATE INDEX inbound_events_pending ON inbound_events (project_id, order_key, sequence) WHERE state = 'pending';
CREATE INDEX inbound_events_of_run ON inbound_events (project_id, order_key) WHERE run_id IS NOT NULL;
CREATE INDEX inbound_events_of_project ON inbound_events (project_id, id DESC);

-- Where each subject is: by it an older push that arrives late is told from a newer one.
CREATE TABLE inbound_heads (
    project_id uuid NOT NULL,
    order_key text NOT NULL,
    commit_id text NOT NULL,
    occurred_at timestamptz,
    -- The commits that it was on before, the newest first.
    earlier text[] NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, order_key)
);

CREATE TABLE trigger_rules (
    project_id uuid PRIMARY KEY REFERENCES projects (id),
    rules jsonb NOT NULL,
    revision integer NOT NULL DEFAULT 1,
    author text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Model registries that are asked for new versions, for where no webhook can be had.
CREATE TABLE registry_polls (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects (id),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    url text NOT NULL,
    -- Sealed by kit.secrets; NULL for a registry that asks for none.
    token bytea,
    -- The hook whose deliveries this one makes up for: a version that came by one does not come by the other.
    hook_id uuid,
    interval_seconds integer NOT NULL CHECK (interval_seconds BETWEEN 10 AND 86400),
    -- Milliseconds since 1970 of the newest version that was seen, by the registry's clock.
    position bigint NOT NULL,
    next_poll timestamptz NOT NULL DEFAULT now(),
    failures integer NOT NULL DEFAULT 0,
    error text NOT NULL DEFAULT '',
    polled_at timestamptz,
    author text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT registry_polls_name UNIQUE (project_id, name)
);
CREATE INDEX registry_polls_due ON registry_polls (next_poll);

-- How far the service's own outgoing events have been read for those that begin runs.
CREATE TABLE inbound_positions (
    reader text PRIMARY KEY,
    sequence bigint NOT NULL
);
INSERT INTO inbound_positions (reader, sequence)
SELECT 'triggers', coalesce(max(sequence), 0) FROM outgoing_events;
