-- Intake ---------------------------------------------------------------------------------------------------------

-- name: waiting_runs
SELECT given.project_id, coalesce(p.max_queued_runs, %(most)s) AS most, counted.waiting
FROM unnest(%(projects)s::uuid[]) AS given (project_id)
LEFT JOIN projects AS p ON p.id = given.project_id
CROSS JOIN LATERAL (
    SELECT count(*) AS waiting
    FROM (
        SELECT 1 FROM runs
        WHERE runs.project_id = given.project_id AND status = 'queued' AND NOT held
        LIMIT coalesce(p.max_queued_runs, %(most)s)
    ) AS bounded
) AS counted;

-- name: insert_submissions
INSERT INTO run_submissions (
    run_id, project_id, event, actor, document, rerun_of,
    idempotency_source, idempotency_id, request_digest, traceparent
)
SELECT run_id, project_id, event, actor, document::jsonb, rerun_of, source, name, digest, trace
FROM unnest(
    %(ids)s::uuid[], %(projects)s::uuid[], %(events)s::text[], %(actors)s::text[], %(documents)s::text[],
    %(reruns)s::uuid[], %(sources)s::text[], %(names)s::text[], %(digests)s::text[], %(traces)s::text[]
) AS given (run_id, project_id, event, actor, document, rerun_of, source, name, digest, trace)
ON CONFLICT DO NOTHING
RETURNING run_id;

-- name: known_submissions
SELECT s.project_id, s.idempotency_source, s.idempotency_id, s.run_id, s.request_digest, r.status
FROM unnest(%(projects)s::uuid[], %(sources)s::text[], %(names)s::text[]) AS given (project_id, source, name)
JOIN run_submissions AS s
    ON s.project_id = given.project_id AND s.idempotency_source = given.source AND s.idempotency_id = given.name
JOIN runs AS r ON r.id = s.run_id;

-- name: taken_runs
SELECT run_id FROM run_submissions WHERE run_id = ANY(%(ids)s::uuid[]);

-- name: insert_runs
INSERT INTO runs (id, project_id, status, step, priority, concurrency_key)
SELECT id, project_id, 'queued', 'plan', priority, key
FROM unnest(%(ids)s::uuid[], %(projects)s::uuid[], %(priorities)s::smallint[], %(keys)s::text[])
    AS given (id, project_id, priority, key);

-- Reading a run --------------------------------------------------------------------------------------------------

-- name: preparations
SELECT p.run_id, p.document, r.priority, r.version, r.project_id, r.plan_digest, l.document AS plan, s.event,
    s.document ->> 'project' AS project, s.traceparent
FROM run_preparations AS p
JOIN runs AS r ON r.id = p.run_id
JOIN run_plans AS l ON l.digest = r.plan_digest
JOIN run_submissions AS s ON s.run_id = r.id
WHERE p.run_id = ANY(%(runs)s);

-- name: attempts_of_runs
SELECT run_id, check_id, attempt, completion, reason, next_step, duration_ms, cached_age_seconds, final, evidence,
    evidence_digest, report
FROM check_attempts WHERE run_id = ANY(%(runs)s);

-- name: checks_in_flight
SELECT run_id, check_id, attempt FROM check_runs WHERE run_id = ANY(%(runs)s);

-- name: cached_answers
SELECT key, attempts, extract(epoch FROM now() - created_at)::float8 AS age
FROM result_cache WHERE project_id = %(project)s AND key = ANY(%(keys)s);

-- Steps of runs --------------------------------------------------------------------------------------------------

-- Concurrency keys before rows, each in one order for all: whoever ends a run of a key takes both, and a transaction that
-- held a row while it waits for the key would wait for one that holds the key and wants the row.
-- name: lock_runs
WITH locked AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(1904, place)
    FROM (
        SELECT hashtext(project_id::text || ' ' || concurrency_key) AS place
        FROM runs WHERE id = ANY(%(runs)s) AND concurrency_key IS NOT NULL
        UNION
        SELECT hashtext(project_id::text || ' ' || key)
        FROM unnest(%(projects)s::uuid[], %(keys)s::text[]) AS given (project_id, key)
        ORDER BY place
    ) AS ordered
)
SELECT id, project_id, status, step, version, attempt, worker, priority, concurrency_key
FROM runs WHERE id = ANY(%(runs)s) AND (SELECT count(*) FROM locked) >= 0 ORDER BY id FOR UPDATE;

-- Written so that only the primary key can lead to the rows: the index of a worker's rows is full of dead entries, and a
-- planner that does not know the table yet would read it once for each check.
-- name: end_checks
DELETE FROM check_runs AS c
USING unnest(%(runs)s::uuid[], %(checks)s::text[], %(attempts)s::smallint[]) AS given (run_id, check_id, attempt)
WHERE c.run_id = given.run_id AND c.check_id = given.check_id AND c.attempt = given.attempt
    AND c.worker IS NOT DISTINCT FROM %(worker)s AND c.status = 'running'
RETURNING c.run_id, c.check_id, c.attempt;

-- name: write_steps
WITH attempts AS (
    INSERT INTO check_attempts (
        run_id, check_id, attempt, project_id, run_version, completion, result, reason, next_step, duration_ms,
        cached_age_seconds, final, evidence_digest, evidence, report
    )
    SELECT * FROM unnest(
        %(a_runs)s::uuid[], %(a_checks)s::text[], %(a_numbers)s::smallint[], %(a_projects)s::uuid[],
        %(a_versions)s::int[], %(a_completions)s::text[], %(a_results)s::text[], %(a_reasons)s::text[],
        %(a_next_steps)s::text[], %(a_durations)s::real[], %(a_ages)s::real[], %(a_finals)s::bool[],
        %(a_digests)s::text[], %(a_evidence)s::bytea[], %(a_reports)s::text[]
    )
),
ready AS (
    INSERT INTO check_runs (
        run_id, check_id, project_id, queue, status, priority, attempt, worker, ready_at, started_at
    )
    SELECT run_id, check_id, project_id, queue, status, priority, attempt,
        CASE WHEN status = 'running' THEN %(worker)s::uuid END,
        now() + make_interval(secs => pause * (0.5 + random() / 2)),
        CASE WHEN status = 'running' THEN now() END
    FROM unnest(
        %(r_runs)s::uuid[], %(r_checks)s::text[], %(r_projects)s::uuid[], %(r_queues)s::text[],
        %(r_statuses)s::text[], %(r_priorities)s::smallint[], %(r_numbers)s::smallint[], %(r_pauses)s::float8[]
    ) AS given (run_id, check_id, project_id, queue, status, priority, attempt, pause)
)
UPDATE runs SET
    version = given.version,
    step = given.step,
    attempt = runs.attempt + given.claims,
    worker = CASE WHEN given.claims > 0 THEN %(worker)s::uuid END,
    ready_at = now()
FROM unnest(%(s_runs)s::uuid[], %(s_versions)s::int[], %(s_steps)s::text[], %(s_claims)s::smallint[])
    AS given (id, version, step, claims)
WHERE runs.id = given.id
RETURNING runs.id, runs.attempt;

-- name: insert_findings
INSERT INTO findings (run_id, project_id, check_id, attempt, place, fingerprint, rule, severity, message, path, line)
SELECT * FROM unnest(
    %(runs)s::uuid[], %(projects)s::uuid[], %(checks)s::text[], %(attempts)s::smallint[], %(places)s::int[],
    %(fingerprints)s::text[], %(rules)s::text[], %(severities)s::text[], %(messages)s::text[], %(paths)s::text[],
    %(lines)s::int[]
);

-- name: insert_plans
INSERT INTO run_plans (digest, document)
SELECT * FROM unnest(%(digests)s::text[], %(documents)b::bytea[])
ON CONFLICT DO NOTHING;

-- name: insert_preparations
WITH prepared AS (
    INSERT INTO run_preparations (
        run_id, project_id, subject_kind, subject_name, subject_digest, revision, branch, document
    )
    SELECT * FROM unnest(
        %(runs)s::uuid[], %(projects)s::uuid[], %(kinds)s::text[], %(names)s::text[], %(digests)s::text[],
        %(revisions)s::text[], %(branches)s::text[], %(documents)b::bytea[]
    )
    ON CONFLICT DO NOTHING
)
UPDATE runs SET plan_digest = given.plan, concurrency_key = coalesce(runs.concurrency_key, given.key)
FROM unnest(%(runs)s::uuid[], %(plans)s::text[], %(keys)s::text[]) AS given (id, plan, key)
WHERE runs.id = given.id;

-- name: insert_decisions
WITH decided AS (
    INSERT INTO decisions (
        run_id, project_id, verdict, subject_digest, blueprint_id, blueprint_digest, decision_digest, input_digest,
        seal_digest, decision, input, seal, failing, what_if
    )
    SELECT run_id, project_id, verdict, subject, blueprint, blueprint_digest, decision_digest, input_digest,
        seal_digest, decision, input, seal, failing::jsonb, what_if::jsonb
    FROM unnest(
        %(d_runs)s::uuid[], %(d_projects)s::uuid[], %(d_verdicts)s::text[], %(d_subjects)s::text[],
        %(d_blueprints)s::text[], %(d_blueprint_digests)s::text[], %(d_digests)s::text[], %(d_input_digests)s::text[],
        %(d_seal_digests)s::text[], %(d_documents)b::bytea[], %(d_inputs)b::bytea[], %(d_seals)b::bytea[],
        %(d_failing)s::text[], %(d_what_ifs)s::text[]
    ) AS given (
        run_id, project_id, verdict, subject, blueprint, blueprint_digest, decision_digest, input_digest, seal_digest,
        decision, input, seal, failing, what_if
    )
)
UPDATE runs SET
    status = given.status, step = NULL, worker = NULL, verdict = given.verdict, version = runs.version + 1,
    ended_at = now()
FROM unnest(%(runs)s::uuid[], %(statuses)s::text[], %(verdicts)s::text[]) AS given (id, status, verdict)
WHERE runs.id = given.id;

-- name: fail_runs
WITH told AS (
    UPDATE run_submissions SET failure = given.failure::jsonb
    FROM unnest(%(runs)s::uuid[], %(failures)s::text[]) AS given (run_id, failure)
    WHERE run_submissions.run_id = given.run_id
),
gone AS (
    DELETE FROM check_runs WHERE run_id = ANY(%(runs)s)
)
UPDATE runs SET
    status = 'failed', step = NULL, worker = NULL, verdict = 'UNKNOWN', version = version + 1, ended_at = now()
WHERE id = ANY(%(runs)s);

-- name: append_logs
INSERT INTO check_logs (run_id, check_id, attempt, sequence, text)
SELECT * FROM unnest(%(runs)s::uuid[], %(checks)s::text[], %(attempts)s::smallint[], %(sequences)s::int[], %(texts)s::text[])
ON CONFLICT DO NOTHING;

-- name: keep_answers
INSERT INTO result_cache (project_id, key, attempts)
SELECT * FROM unnest(%(projects)s::uuid[], %(keys)s::text[], %(attempts)b::bytea[])
ON CONFLICT (project_id, key) DO UPDATE SET attempts = excluded.attempts, created_at = now();

-- Concurrency keys -----------------------------------------------------------------------------------------------

-- name: lock_concurrency_key
SELECT pg_advisory_xact_lock(1904, hashtext(%(project)s::text || ' ' || %(key)s));

-- name: name_keys
UPDATE runs SET concurrency_key = given.key
FROM unnest(%(runs)s::uuid[], %(keys)s::text[]) AS given (id, key)
WHERE runs.id = given.id AND concurrency_key IS NULL;

-- name: others_of_key
SELECT id, held FROM runs
WHERE project_id = %(project)s AND concurrency_key = %(key)s AND step IS NOT NULL AND id <> %(run)s
ORDER BY id;

-- name: hold_run
UPDATE runs SET status = 'queued', step = 'plan', held = true, worker = NULL, version = version + 1,
    concurrency_key = %(key)s
WHERE id = %(run)s AND step IS NOT NULL;

-- name: release_held
UPDATE runs SET held = false, version = version + 1
WHERE id IN (
    SELECT DISTINCT ON (r.project_id, r.concurrency_key) r.id
    FROM unnest(%(projects)s::uuid[], %(keys)s::text[]) AS given (project_id, key)
    JOIN runs AS r ON r.project_id = given.project_id AND r.concurrency_key = given.key AND r.held
    WHERE NOT EXISTS (
        SELECT 1 FROM runs AS active
        WHERE active.project_id = r.project_id AND active.concurrency_key = r.concurrency_key
            AND active.step IS NOT NULL AND NOT active.held
    )
    ORDER BY r.project_id, r.concurrency_key, r.id
)
RETURNING id;

-- Cancellation ---------------------------------------------------------------------------------------------------

-- name: cancel_runs
UPDATE runs SET status = 'cancelled', step = NULL, worker = NULL, held = false, version = version + 1, ended_at = now()
WHERE id = ANY(%(runs)s) AND project_id = %(project)s AND step IS NOT NULL
RETURNING id, version, concurrency_key;

-- name: cancel_checks
WITH gone AS (
    DELETE FROM check_runs WHERE run_id = ANY(%(runs)s) RETURNING run_id, check_id, attempt, project_id, worker
),
recorded AS (
    INSERT INTO check_attempts (
        run_id, check_id, attempt, project_id, run_version, completion, result, reason, final
    )
    SELECT gone.run_id, check_id, attempt, project_id, version, 'cancelled', 'cancelled', %(reason)s, true
    FROM gone JOIN unnest(%(runs)s::uuid[], %(versions)s::int[]) AS given (run_id, version) USING (run_id)
)
SELECT run_id, check_id, worker FROM gone;

-- name: run_status
SELECT status FROM runs WHERE id = %(run)s AND project_id = %(project)s;

-- Recovery -------------------------------------------------------------------------------------------------------

-- name: dead_workers
DELETE FROM workers WHERE id IN (
    SELECT id FROM workers WHERE lease_until < now() FOR UPDATE SKIP LOCKED
)
RETURNING id, host, process;

-- name: return_checks
UPDATE check_runs SET
    status = 'queued', worker = NULL, started_at = NULL, attempt = attempt + 1, losses = losses + 1, ready_at = now()
WHERE worker = ANY(%(workers)s)
RETURNING run_id, check_id, project_id, queue, losses;

-- name: return_steps
UPDATE runs SET worker = NULL, losses = losses + 1, attempt = attempt + 1, version = version + 1, ready_at = now()
WHERE worker = ANY(%(workers)s)
RETURNING id AS run_id, project_id, losses;

-- Rows whose worker is not even known any more, for example after a restore.
-- name: orphans
SELECT DISTINCT worker FROM (
    SELECT worker FROM check_runs WHERE worker IS NOT NULL
    UNION ALL
    SELECT worker FROM runs WHERE worker IS NOT NULL
) AS claimed
WHERE NOT EXISTS (SELECT 1 FROM workers WHERE workers.id = claimed.worker);

-- name: make_partitions
SELECT make_month_partitions(3) AS made;

-- A run is held for another of its key; should the word that lets it go on be lost, this finds it.
-- name: forgotten_held
SELECT DISTINCT project_id, concurrency_key AS key FROM runs AS r
WHERE held AND step IS NOT NULL AND concurrency_key IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM runs AS active
    WHERE active.project_id = r.project_id AND active.concurrency_key = r.concurrency_key
        AND active.step IS NOT NULL AND NOT active.held
);

-- name: insert_dead_letters
INSERT INTO dead_letters (id, project_id, run_id, check_id, reason, details)
SELECT id, project_id, run_id, check_id, reason, details::jsonb
FROM unnest(%(ids)s::uuid[], %(projects)s::uuid[], %(runs)s::uuid[], %(checks)s::text[], %(reasons)s::text[],
    %(details)s::text[]) AS given (id, project_id, run_id, check_id, reason, details);

-- name: dead_letter
SELECT d.id, d.run_id, d.project_id, d.replayed_at, s.document::text AS document, s.event
FROM dead_letters AS d JOIN run_submissions AS s ON s.run_id = d.run_id
WHERE d.id = %(letter)s AND d.project_id = %(project)s
FOR UPDATE OF d;

-- name: mark_replayed
UPDATE dead_letters SET replayed_at = now(), replayed_as = %(run)s WHERE id = %(letter)s;

-- Planning -------------------------------------------------------------------------------------------------------

-- name: earlier_run
SELECT r.plan_digest, p.subject_digest
FROM runs AS r JOIN run_preparations AS p ON p.run_id = r.id
WHERE r.id = %(run)s AND r.project_id = %(project)s;

-- What passed at its first try: a pass after a failed attempt would look clean without that attempt. The age of what was
-- itself taken over counts from when it ran.
-- name: passed_attempts
SELECT run_id, check_id, attempt, completion, reason, next_step, duration_ms, final, evidence, evidence_digest,
    report, extract(epoch FROM now() - ended_at)::float8 + coalesce(cached_age_seconds, 0) AS cached_age_seconds
FROM check_attempts AS a
WHERE run_id = %(run)s AND project_id = %(project)s AND final AND completion = 'completed' AND result IN ('pass', 'warn')
    AND NOT EXISTS (
        SELECT 1 FROM check_attempts AS b
        WHERE b.run_id = a.run_id AND b.check_id = a.check_id AND b.attempt < a.attempt
    );

-- name: project_rules
SELECT protected_branch, default_blueprint FROM projects WHERE id = %(project)s;

-- Retention ------------------------------------------------------------------------------------------------------

-- name: forget_old_answers
DELETE FROM result_cache WHERE (project_id, key) IN (
    SELECT project_id, key FROM result_cache
    WHERE created_at < now() - make_interval(days => %(days)s)
    LIMIT %(most)s FOR UPDATE SKIP LOCKED
);

-- name: projects_with_answers
SELECT project_id FROM result_cache GROUP BY project_id HAVING count(*) > %(kept)s;

-- name: forget_oldest_answers
DELETE FROM result_cache WHERE (project_id, key) IN (
    SELECT project_id, key FROM result_cache WHERE project_id = %(project)s AND created_at <= (
        SELECT created_at FROM result_cache WHERE project_id = %(project)s
        ORDER BY created_at DESC OFFSET %(kept)s LIMIT 1
    )
    LIMIT %(most)s FOR UPDATE SKIP LOCKED
);

-- name: forget_logs
DELETE FROM check_logs WHERE (run_id, check_id, attempt, sequence) IN (
    SELECT run_id, check_id, attempt, sequence FROM check_logs AS l
    WHERE run_id < %(oldest)s AND NOT EXISTS (SELECT 1 FROM runs AS r WHERE r.id = l.run_id AND r.step IS NOT NULL)
    ORDER BY run_id LIMIT %(most)s FOR UPDATE OF l SKIP LOCKED
);

-- name: unnamed_plans
SELECT digest FROM run_plans AS p
WHERE created_at < now() - interval '1 day' AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.plan_digest = p.digest)
LIMIT %(most)s;

-- name: lock_plans
LOCK TABLE run_plans IN SHARE ROW EXCLUSIVE MODE;

-- name: forget_plans
DELETE FROM run_plans AS p
WHERE digest = ANY(%(digests)s) AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.plan_digest = p.digest);
