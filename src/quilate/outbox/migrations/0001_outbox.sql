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
