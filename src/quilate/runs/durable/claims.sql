-- Workers --------------------------------------------------------------------------------------------------------

-- name: register_worker
INSERT INTO workers (id, host, process, queues, lease_until)
VALUES (%(worker)s, %(host)s, %(process)s, %(queues)s, now() + make_interval(secs => %(lease)s));

-- name: renew_lease
UPDATE workers SET lease_until = now() + make_interval(secs => %(lease)s)
WHERE id = %(worker)s AND lease_until > now()
RETURNING id;

-- name: claimed_checks
SELECT run_id, check_id, attempt FROM check_runs WHERE worker = %(worker)s;

-- name: claimed_steps
SELECT id, attempt FROM runs WHERE worker = %(worker)s;

-- name: remove_worker
DELETE FROM workers WHERE id = %(worker)s;

-- name: release_steps
UPDATE runs SET worker = NULL, ready_at = now() WHERE worker = %(worker)s RETURNING id;

-- name: release_checks
UPDATE check_runs SET worker = NULL, status = 'queued', started_at = NULL, attempt = attempt + 1, ready_at = now()
WHERE worker = %(worker)s
RETURNING run_id, check_id;

-- name: count_losses
UPDATE check_runs AS c SET losses = c.losses + 1
FROM unnest(%(runs)s::uuid[], %(checks)s::text[], %(attempts)s::smallint[]) AS given (run_id, check_id, attempt)
WHERE c.run_id = given.run_id AND c.check_id = given.check_id AND c.attempt = given.attempt AND c.worker = %(worker)s;

-- name: release_these_checks
UPDATE check_runs AS c SET
    worker = NULL, status = 'queued', started_at = NULL, attempt = c.attempt + 1, losses = c.losses + %(losses)s,
    ready_at = now() + make_interval(secs => %(pause)s)
FROM unnest(%(runs)s::uuid[], %(checks)s::text[], %(attempts)s::smallint[]) AS given (run_id, check_id, attempt)
WHERE c.run_id = given.run_id AND c.check_id = given.check_id AND c.attempt = given.attempt AND c.worker = %(worker)s
RETURNING c.losses;

-- name: release_these_steps
UPDATE runs AS r SET
    worker = NULL, attempt = r.attempt + 1, losses = r.losses + %(losses)s,
    ready_at = now() + make_interval(secs => %(pause)s)
FROM unnest(%(runs)s::uuid[], %(attempts)s::int[]) AS given (run_id, attempt)
WHERE r.id = given.run_id AND r.attempt = given.attempt AND r.worker = %(worker)s;

-- Claims ---------------------------------------------------------------------------------------------------------

-- Projects are visited by a loose index scan; the one with the fewest running runs comes first, each in turn. The lock
-- on the project makes its limit exact; a project that another worker is just serving is left to it.
-- name: claim_runs
WITH RECURSIVE waiting AS (
    (
        SELECT project_id FROM runs
        WHERE status = 'queued' AND NOT held
        ORDER BY project_id LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT r.project_id FROM runs AS r
        WHERE r.status = 'queued' AND NOT r.held AND r.project_id > waiting.project_id
        ORDER BY r.project_id LIMIT 1
    )
    FROM waiting WHERE waiting.project_id IS NOT NULL
),
shares AS (
    SELECT w.project_id, counted.running, coalesce(p.max_concurrent_runs, %(most)s) - counted.running AS room
    FROM waiting AS w
    LEFT JOIN projects AS p ON p.id = w.project_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS running FROM runs AS r WHERE r.project_id = w.project_id AND r.status = 'running'
    ) AS counted
    WHERE w.project_id IS NOT NULL
),
served AS (
    SELECT project_id, running, room FROM shares
    WHERE room > 0 AND pg_try_advisory_xact_lock(1903, hashtext(project_id::text))
    ORDER BY running LIMIT 64
),
candidates AS (
    SELECT chosen.id
    FROM served AS s
    CROSS JOIN LATERAL (
        SELECT id, row_number() OVER (ORDER BY priority DESC, id) AS place
        FROM (
            SELECT id, priority FROM runs AS r
            WHERE r.project_id = s.project_id AND r.status = 'queued' AND NOT r.held
            ORDER BY priority DESC, id
            LIMIT least(s.room, %(limit)s)
            FOR UPDATE SKIP LOCKED
        ) AS locked
    ) AS chosen
    ORDER BY s.running + chosen.place, chosen.id
    LIMIT %(limit)s
)
UPDATE runs SET
    status = 'running', worker = %(worker)s, attempt = attempt + 1, version = version + 1,
    started_at = coalesce(started_at, now())
FROM candidates, run_submissions AS s
WHERE runs.id = candidates.id AND s.run_id = runs.id
RETURNING runs.id, runs.project_id, runs.priority, runs.version, runs.attempt, runs.losses, runs.step,
    runs.concurrency_key, s.event, s.actor, s.document::text AS document, s.rerun_of, s.traceparent;

-- name: claim_steps
WITH candidates AS (
    SELECT id FROM runs
    WHERE status = 'running' AND step IN ('plan', 'decide') AND worker IS NULL AND ready_at <= now()
    ORDER BY ready_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE runs SET worker = %(worker)s, attempt = attempt + 1
FROM candidates, run_submissions AS s
WHERE runs.id = candidates.id AND s.run_id = runs.id
RETURNING runs.id, runs.project_id, runs.priority, runs.version, runs.attempt, runs.losses, runs.step,
    runs.concurrency_key, s.event, s.actor, s.document::text AS document, s.rerun_of, s.traceparent;

-- The project with the fewest checks under way comes first, each project in turn.
-- name: claim_checks
WITH RECURSIVE waiting AS (
    SELECT q.queue, (
        SELECT c.project_id FROM check_runs AS c
        WHERE c.queue = q.queue AND c.status = 'queued'
        ORDER BY c.project_id LIMIT 1
    ) AS project_id
    FROM unnest(%(queues)s::text[]) AS q (queue)
    UNION ALL
    SELECT w.queue, (
        SELECT c.project_id FROM check_runs AS c
        WHERE c.queue = w.queue AND c.status = 'queued' AND c.project_id > w.project_id
        ORDER BY c.project_id LIMIT 1
    )
    FROM waiting AS w WHERE w.project_id IS NOT NULL
),
under_way AS (
    SELECT project_id, count(*) AS running FROM check_runs WHERE worker IS NOT NULL GROUP BY project_id
),
candidates AS (
    SELECT chosen.run_id, chosen.check_id
    FROM waiting AS w
    LEFT JOIN under_way AS u USING (project_id)
    CROSS JOIN LATERAL (
        SELECT run_id, check_id, row_number() OVER (ORDER BY priority DESC, ready_at) AS place
        FROM (
            SELECT run_id, check_id, priority, ready_at FROM check_runs AS c
            WHERE c.queue = w.queue AND c.project_id = w.project_id AND c.status = 'queued' AND c.ready_at <= now()
            ORDER BY priority DESC, ready_at
            LIMIT %(limit)s
            FOR UPDATE SKIP LOCKED
        ) AS locked
    ) AS chosen
    WHERE w.project_id IS NOT NULL
    ORDER BY coalesce(u.running, 0) + chosen.place, chosen.run_id
    LIMIT %(limit)s
)
UPDATE check_runs AS c SET status = 'running', worker = %(worker)s, started_at = now()
FROM candidates, runs AS r, run_submissions AS s
WHERE c.run_id = candidates.run_id AND c.check_id = candidates.check_id AND r.id = c.run_id AND s.run_id = r.id
RETURNING c.run_id, c.check_id, c.attempt, c.losses, c.project_id, r.version, r.priority, s.traceparent;
