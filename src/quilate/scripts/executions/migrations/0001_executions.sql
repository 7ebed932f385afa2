-- Executions: what was asked and what came of it. Narrow, inserted once and changed once, when it ends; the data lies in
-- script_payloads, and whether it waits or runs says script_queue.
CREATE TABLE script_executions (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    script_id uuid NOT NULL,
    version_id uuid NOT NULL,
    -- 'pending' until it ends: a row of script_queue with a worker says that it is running.
    status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'completed', 'failed', 'cancelled', 'timed_out')),
    priority smallint NOT NULL DEFAULT 0,
    created_by text NOT NULL,
    options jsonb,
    input_format text NOT NULL,
    input_size bigint NOT NULL,
    input_digest text NOT NULL,
    -- Of data that is longer than a row may hold; NULL where it lies in script_payloads.
    input_reference text,
    -- Where the data came from; NULL where it was the body of a request.
    input_origin jsonb,
    output_format text,
    output_size bigint,
    output_digest text,
    output_reference text,
    failure_class text,
    failure_message text,
    failure_line integer,
    failure_column integer,
    failure_record bigint,
    failure_rule text,
    -- Of data that was split: {"parts": n, "records_in": n, "records_out": n, "failed": [{"part": ..}, ..]}.
    parts jsonb,
    submitted_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    ended_at timestamptz,
    wall_us bigint,
    cpu_us bigint,
    peak_memory bigint,
    fuel bigint,
    engine text,
    level text,
    attempts smallint NOT NULL DEFAULT 0,
    -- Attempts that were repeated, oldest first; empty for nearly all.
    history jsonb,
    -- Its retries are used up and nobody has replayed it.
    dead boolean NOT NULL DEFAULT false,
    idempotency_key text,
    request_digest text NOT NULL
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX script_executions_of_project ON script_executions (project_id, id DESC);
CREATE INDEX script_executions_of_script ON script_executions (script_id, id DESC);
CREATE INDEX script_executions_dead ON script_executions (project_id, id DESC) WHERE dead;
CREATE UNIQUE INDEX script_executions_idempotency ON script_executions (project_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
COMMENT ON TABLE script_executions IS 'Executions of hosted scripts; rows stay, their data may be erased.';

-- Inputs, outputs and consoles, each written once: what is erased goes from here.
CREATE TABLE script_payloads (
    execution_id uuid NOT NULL,
    part text NOT NULL CHECK (part IN ('input', 'output', 'console')),
    data bytea NOT NULL,
    PRIMARY KEY (execution_id, part)
);
ALTER TABLE script_payloads ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE script_payloads IS 'Data of executions up to 256 KiB; longer data is an artifact.';

-- What waits or runs; a row goes with the end of its execution. The fence counts the claims: a result counts only
-- where worker and fence are still those of the claim that it came from.
CREATE TABLE script_queue (
    execution_id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    priority smallint NOT NULL,
    ready_at timestamptz NOT NULL DEFAULT now(),
    attempt smallint NOT NULL DEFAULT 0,
    losses smallint NOT NULL DEFAULT 0,
    fence integer NOT NULL DEFAULT 0,
    worker uuid,
    claimed_at timestamptz,
    awaited boolean NOT NULL DEFAULT false
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX script_queue_waiting ON script_queue (project_id, priority DESC, execution_id) WHERE worker IS NULL;
CREATE INDEX script_queue_claimed ON script_queue (worker) WHERE worker IS NOT NULL;
COMMENT ON TABLE script_queue IS 'Executions that wait or run, with leases and fencing.';

-- Script workers that live, and those that refuse to work since their sandbox is too weak.
CREATE TABLE script_workers (
    id uuid PRIMARY KEY,
    host text NOT NULL,
    process integer NOT NULL,
    engines text[] NOT NULL,
    sandboxes integer NOT NULL,
    level text,
    -- What was tried at the start and what came of it: [{"name": .., "refused": .., "detail": ..}].
    attempts jsonb NOT NULL DEFAULT '[]',
    missing text[] NOT NULL DEFAULT '{}',
    refusal text,
    started_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz NOT NULL
);
COMMENT ON TABLE script_workers IS 'Processes that execute scripts, and how their sandboxes are shut in.';

-- What an administrator has set for a project; what is NULL is as the service's settings say.
CREATE TABLE script_quotas (
    project_id uuid PRIMARY KEY,
    cpu_ms_per_second integer CHECK (cpu_ms_per_second BETWEEN 1 AND 10000000),
    cpu_ms_burst bigint CHECK (cpu_ms_burst BETWEEN 1 AND 1000000000),
    concurrency integer CHECK (concurrency BETWEEN 1 AND 100000),
    queue_length integer CHECK (queue_length BETWEEN 1 AND 10000000),
    revision integer NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL
);

-- The token bucket of processor time: what was left at a moment, below zero where more was used than there was.
CREATE TABLE script_usage (
    project_id uuid PRIMARY KEY,
    cpu_ms_left double precision NOT NULL,
    at timestamptz NOT NULL
) WITH (fillfactor = 50);
