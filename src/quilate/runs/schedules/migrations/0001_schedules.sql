CREATE TABLE schedules (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects (id),
    name text NOT NULL,
    cron text NOT NULL,
    time_zone text NOT NULL,
    missed text NOT NULL CHECK (missed IN ('skip', 'run_once', 'run_all')),
    most_missed smallint NOT NULL CHECK (most_missed BETWEEN 1 AND 100),
    enabled boolean NOT NULL,
    -- What is submitted: source, blueprint, priority and the rest, as JSON.
    submission jsonb NOT NULL,
    -- Who wrote it last: runs are submitted in the service's name and say whose schedule it was.
    author text NOT NULL,
    revision integer NOT NULL DEFAULT 1 CHECK (revision > 0),
    next_fire timestamptz,
    -- The database's time when next_fire was computed; later than now means that its clock was put back.
    planned_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT schedules_name UNIQUE (project_id, name),
    CHECK (enabled OR next_fire IS NULL)
) WITH (fillfactor = 80);
CREATE INDEX schedules_due ON schedules (next_fire) WHERE enabled;
CREATE INDEX schedules_of_project ON schedules (project_id, id DESC);

-- Each firing once: the row and the run are written by one transaction, together with the schedule's next firing.
CREATE TABLE schedule_firings (
    schedule_id uuid NOT NULL,
    fire_at timestamptz NOT NULL,
    project_id uuid NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('submitted', 'refused', 'skipped')),
    run_id uuid,
    reason text NOT NULL DEFAULT '',
    -- Earlier firings that this one stands for and that were not run.
    missed integer NOT NULL DEFAULT 0 CHECK (missed >= 0),
    fired_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (schedule_id, fire_at),
    CHECK ((outcome = 'submitted') = (run_id IS NOT NULL))
);
COMMENT ON TABLE schedule_firings IS 'What became of each firing of each schedule.';
