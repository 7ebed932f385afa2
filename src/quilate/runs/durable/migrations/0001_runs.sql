-- Runs: one row each, the state of the run and the queue of its own steps (plan, decide) at once.
CREATE TABLE runs (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    -- What a worker has to do next: make the plan, nothing while its checks run, or decide. NULL once it has ended.
    step text CHECK (step IN ('plan', 'checks', 'decide')),
    verdict text CHECK (verdict IN ('PASS', 'FAIL', 'UNKNOWN')),
    priority smallint NOT NULL DEFAULT 0,
    version integer NOT NULL DEFAULT 0,
    attempt smallint NOT NULL DEFAULT 0,
    losses smallint NOT NULL DEFAULT 0,
    worker uuid,
    ready_at timestamptz NOT NULL DEFAULT now(),
    held boolean NOT NULL DEFAULT false,
    concurrency_key text,
    plan_digest text,
    submitted_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    ended_at timestamptz,
    CHECK ((step IS NULL) = (status IN ('succeeded', 'failed', 'cancelled')))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX runs_waiting ON runs (project_id, priority DESC, id) WHERE status = 'queued' AND NOT held;
CREATE INDEX runs_running ON runs (project_id) WHERE status = 'running';
CREATE INDEX runs_steps ON runs (ready_at) WHERE status = 'running' AND step IN ('plan', 'decide') AND worker IS NULL;
CREATE INDEX runs_of_workers ON runs (worker) WHERE worker IS NOT NULL;
CREATE INDEX runs_concurrency ON runs (project_id, concurrency_key, id)
    WHERE concurrency_key IS NOT NULL AND step IS NOT NULL;
CREATE INDEX runs_of_project ON runs (project_id, id DESC);

-- What was submitted: cold, written once.
CREATE TABLE run_submissions (
    run_id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    event text NOT NULL,
    actor text NOT NULL,
    document jsonb NOT NULL,
    rerun_of uuid,
    idempotency_source text,
    idempotency_id text,
    request_digest text NOT NULL,
    traceparent text NOT NULL DEFAULT '',
    -- Why the run ended without a plan, as {"error": ..., "next_step": ...}.
    failure jsonb
);
CREATE UNIQUE INDEX run_submissions_idempotency
    ON run_submissions (project_id, idempotency_source, idempotency_id) WHERE idempotency_id IS NOT NULL;

-- What a plan was made from: blueprint text, project file text, options; many runs share one.
CREATE TABLE run_plans (
    digest text PRIMARY KEY,
    document bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The subject and the waivers as they were when the plan was made.
CREATE TABLE run_preparations (
    run_id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    subject_kind text NOT NULL,
    subject_name text NOT NULL,
    subject_digest text NOT NULL,
    revision text NOT NULL DEFAULT '',
    branch text NOT NULL DEFAULT '',
    document bytea NOT NULL
);
CREATE INDEX run_preparations_subject ON run_preparations (project_id, subject_digest);

-- Checks that may run or are running: a row is made when a check becomes ready and goes when its attempt has ended.
CREATE TABLE check_runs (
    run_id uuid NOT NULL,
    check_id text NOT NULL,
    project_id uuid NOT NULL,
    queue text NOT NULL,
    status text NOT NULL CHECK (status IN ('queued', 'running')),
    priority smallint NOT NULL,
    attempt smallint NOT NULL,
    losses smallint NOT NULL DEFAULT 0,
    worker uuid,
    ready_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    PRIMARY KEY (run_id, check_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX check_runs_ready ON check_runs (queue, project_id, priority DESC, ready_at) WHERE status = 'queued';
CREATE INDEX check_runs_of_workers ON check_runs (worker) WHERE worker IS NOT NULL;

-- History, partitioned by month: run ids are version 7 UUIDs, so their order is the order of time.
CREATE TABLE check_attempts (
    run_id uuid NOT NULL,
    check_id text NOT NULL,
    attempt smallint NOT NULL,
    project_id uuid NOT NULL,
    run_version integer NOT NULL,
    completion text NOT NULL,
    result text NOT NULL,
    reason text NOT NULL DEFAULT '',
    next_step text NOT NULL DEFAULT '',
    duration_ms real NOT NULL DEFAULT 0,
    cached_age_seconds real,
    final boolean NOT NULL,
    evidence_digest text,
    -- Evidence up to 64 KiB as JSON; longer evidence is an artifact of that digest.
    evidence bytea,
    report text NOT NULL DEFAULT '',
    ended_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, check_id, attempt)
) PARTITION BY RANGE (run_id);
CREATE TABLE check_attempts_rest PARTITION OF check_attempts DEFAULT;

CREATE TABLE findings (
    run_id uuid NOT NULL,
    project_id uuid NOT NULL,
    check_id text NOT NULL,
    attempt smallint NOT NULL,
    place integer NOT NULL,
    fingerprint text NOT NULL,
    rule text NOT NULL,
    severity text NOT NULL,
    message text NOT NULL,
    path text NOT NULL DEFAULT '',
    line integer,
    PRIMARY KEY (run_id, check_id, attempt, place)
) PARTITION BY RANGE (run_id);
CREATE TABLE findings_rest PARTITION OF findings DEFAULT;
CREATE INDEX findings_rule ON findings (project_id, rule);

CREATE TABLE check_logs (
    run_id uuid NOT NULL,
    check_id text NOT NULL,
    attempt smallint NOT NULL,
    sequence integer NOT NULL,
    text text NOT NULL,
    PRIMARY KEY (run_id, check_id, attempt, sequence)
) PARTITION BY RANGE (run_id);
CREATE TABLE check_logs_rest PARTITION OF check_logs DEFAULT;

CREATE TABLE decisions (
    run_id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('PASS', 'FAIL', 'UNKNOWN')),
    subject_digest text NOT NULL,
    blueprint_id text NOT NULL,
    blueprint_digest text NOT NULL,
    decision_digest text NOT NULL,
    input_digest text NOT NULL,
    seal_digest text NOT NULL,
    -- Documents up to 64 KiB; a longer one is NULL here and an artifact of its digest.
    decision bytea,
    input bytea,
    seal bytea NOT NULL,
    failing jsonb NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX decisions_subject ON decisions (project_id, subject_digest);
CREATE INDEX decisions_of_project ON decisions (project_id, run_id DESC);

CREATE TABLE result_cache (
    project_id uuid NOT NULL,
    key text NOT NULL,
    attempts bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, key)
);

-- A worker's one lease covers everything that it has claimed.
CREATE TABLE workers (
    id uuid PRIMARY KEY,
    host text NOT NULL,
    process integer NOT NULL,
    queues text[] NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE dead_letters (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    run_id uuid NOT NULL,
    check_id text,
    reason text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz,
    replayed_as uuid
);
CREATE INDEX dead_letters_of_project ON dead_letters (project_id, id DESC);

-- Makes the partitions of this month and of the months that follow, for every partitioned table of this slice. The
-- default partitions take what a clock far from the truth names; a month whose rows already lie there stays there.
CREATE FUNCTION make_month_partitions(months integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    made integer := 0;
    first timestamptz;
    parent text;
    low text;
    high text;
BEGIN
    PERFORM pg_advisory_xact_lock(1905, 0);
    FOR ahead IN 0..months LOOP
        first := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead)) AT TIME ZONE 'UTC';
        low := lpad(to_hex((extract(epoch FROM first) * 1000)::bigint), 12, '0');
        high := lpad(to_hex((extract(epoch FROM
            (first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC') * 1000)::bigint), 12, '0');
        FOREACH parent IN ARRAY ARRAY['check_attempts', 'findings', 'check_logs'] LOOP
            CONTINUE WHEN to_regclass(format('%s_%s', parent, to_char(first AT TIME ZONE 'UTC', 'YYYY_MM'))) IS NOT NULL;
            BEGIN
                EXECUTE format(
                    'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                    format('%s_%s', parent, to_char(first AT TIME ZONE 'UTC', 'YYYY_MM')), parent,
                    low || '00000000000000000000', high || '00000000000000000000'
                );
                made := made + 1;
            EXCEPTION WHEN check_violation THEN
                NULL;
            END;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;
SELECT make_month_partitions(3);
