-- Outputs that go somewhere: made with the end of an execution that was submitted so, carried out afterwards. What is
-- asked for stands in the execution's options.
CREATE TABLE script_exports (
    execution_id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'completed', 'failed')),
    -- Counts the claims: an end is written only where it is still that of the claim it came from.
    attempts smallint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- Of a pending one: when it may be begun; while somebody carries it out, when they have to have said something.
    ready_at timestamptz NOT NULL DEFAULT now(),
    version integer,
    run_id uuid,
    object text,
    problem text NOT NULL DEFAULT '',
    next_step text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE INDEX script_exports_due ON script_exports (ready_at) WHERE state = 'pending';
COMMENT ON TABLE script_exports IS 'Outputs of executions that become dataset versions or objects.';
