CREATE TABLE audit_pending (
    arrival bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL,
    project_id uuid,
    leaf bytea NOT NULL
);
COMMENT ON TABLE audit_pending IS 'Audit entries committed with their change, waiting for the sequencer to give them their places.';
