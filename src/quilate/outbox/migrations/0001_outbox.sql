CREATE TABLE outgoing_events (
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    id uuid NOT NULL,
    type text NOT NULL,
    project_id uuid NOT NULL,
    subject text NOT NULL,
    data jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sequence)
);
COMMENT ON TABLE outgoing_events IS 'Events to the outside, written with the change that they tell of; kept until delivered and aged.';

-- Circuit breakers towards external systems, shared by all workers: see quilate.kit.circuit_breaker.
CREATE TABLE circuit_breakers (
    target text PRIMARY KEY CHECK (char_length(target) BETWEEN 1 AND 500),
    state text NOT NULL CHECK (state IN ('closed', 'open', 'half_open')),
    generation bigint NOT NULL CHECK (generation >= 0),
    failures integer NOT NULL CHECK (failures >= 0),
    openings integer NOT NULL CHECK (openings >= 0),
    changed_at timestamptz NOT NULL,
    retry_at timestamptz,
    CHECK ((state = 'closed') = (retry_at IS NULL))
) WITH (fillfactor = 70);
COMMENT ON TABLE circuit_breakers IS 'Which external systems are left alone after failures, and until when.';
