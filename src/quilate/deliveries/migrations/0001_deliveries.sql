-- Which events deliveries were made of stands at the event: numbers come in another order than commits do, and numbers of
-- transactions mean nothing any more where a backup was restored. Events from before this line have nobody to go to.
ALTER TABLE outgoing_events ADD COLUMN fanned_out boolean NOT NULL DEFAULT true;
ALTER TABLE outgoing_events ALTER COLUMN fanned_out SET DEFAULT false;
CREATE INDEX outgoing_events_waiting ON outgoing_events (sequence) WHERE NOT fanned_out;

CREATE TABLE connections (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects (id),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    type text NOT NULL,
    settings jsonb NOT NULL,
    events text[] NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    -- Why it was switched off by the service itself.
    disabled_reason text NOT NULL DEFAULT '',
    revision integer NOT NULL DEFAULT 1,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
CREATE UNIQUE INDEX connections_name ON connections (project_id, name) WHERE deleted_at IS NULL;
COMMENT ON TABLE connections IS 'Outside systems that are told of events, and with which settings.';

CREATE TABLE connection_secrets (
    connection_id uuid NOT NULL REFERENCES connections (id),
    name text NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (connection_id, name)
);
COMMENT ON TABLE connection_secrets IS 'Encrypted for their row; see quilate.kit.secrets.';

CREATE TABLE connection_memory (
    connection_id uuid NOT NULL REFERENCES connections (id),
    key text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (connection_id, key)
);
COMMENT ON TABLE connection_memory IS 'What connectors made outside: ids of comments, tickets and the like.';

CREATE TABLE deliveries (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    connection_id uuid NOT NULL REFERENCES connections (id),
    event_id uuid NOT NULL,
    -- The order of events within a subject.
    place bigint NOT NULL,
    type text NOT NULL,
    subject text NOT NULL,
    data jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sending', 'delivered', 'dead')),
    attempts smallint NOT NULL DEFAULT 0,
    -- Fencing: only the attempt that was started last may say how it ended.
    token integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    summary text NOT NULL DEFAULT '',
    reference text NOT NULL DEFAULT '',
    error text NOT NULL DEFAULT '',
    next_step text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    UNIQUE (connection_id, event_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX deliveries_due ON deliveries (connection_id, due_at, place) WHERE state IN ('pending', 'sending');
CREATE INDEX deliveries_open ON deliveries (connection_id, subject, place) WHERE state IN ('pending', 'sending');
CREATE INDEX deliveries_of_project ON deliveries (project_id, created_at DESC, id DESC);
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE ended_at IS NOT NULL;
COMMENT ON TABLE deliveries IS 'One event to one connection: what is to be sent, and what became of it.';

CREATE TABLE delivery_attempts (
    delivery_id uuid NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    attempt smallint NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('delivered', 'nothing-to-do', 'failed', 'refused')),
    detail text NOT NULL,
    duration_ms integer NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (delivery_id, attempt)
);
