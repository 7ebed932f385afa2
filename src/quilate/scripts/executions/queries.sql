-- Intake ---------------------------------------------------------------------------------------------------------

-- name: sandboxes
SELECT count(*) FILTER (WHERE refusal IS NULL) AS working, min(refusal) AS refusal
FROM script_workers WHERE lease_until > now();

-- name: insert_executions
WITH given AS (
    SELECT * FROM unnest(
        %(ids)s::uuid[], %(projects)s::uuid[], %(scripts)s::uuid[], %(versions)s::uuid[], %(priorities)s::smallint[],
        %(actors)s::text[], %(options)s::text[], %(formats)s::text[], %(sizes)s::bigint[], %(digests)s::text[],
        %(references)s::text[], %(origins)s::text[], %(keys)s::text[], %(requests)s::text[],
        %(awaited)s::boolean[], %(inputs)s::bytea[]
    ) AS given (
        id, project_id, script_id, version_id, priority, actor, options, format, size, digest, reference, origin,
        key, request, awaited, input
    )
),
made AS (
    INSERT INTO script_executions (
        id, project_id, script_id, version_id, priority, created_by, options, input_format, input_size, input_digest,
        input_reference, input_origin, idempotency_key, request_digest
    )
    SELECT id, project_id, script_id, version_id, priority, actor, options::jsonb, format, size, digest, reference,
        origin::jsonb, key, request
    FROM given
    ON CONFLICT DO NOTHING
    RETURNING id
),
kept AS (
    INSERT INTO script_payloads (execution_id, part, data)
    SELECT given.id, 'input', given.input FROM given JOIN made USING (id) WHERE given.input IS NOT NULL
)
INSERT INTO script_queue (execution_id, project_id, priority, awaited)
SELECT given.id, given.project_id, given.priority, given.awaited FROM given JOIN made USING (id)
RETURNING execution_id, ready_at;

-- name: known_executions
SELECT e.id, e.project_id, e.idempotency_key, e.request_digest
FROM unnest(%(projects)s::uuid[], %(keys)s::text[]) AS given (project_id, key)
JOIN script_executions AS e ON e.project_id = given.project_id AND e.idempotency_key = given.key;

-- name: taken_executions
SELECT id, submitted_at FROM script_executions WHERE id = ANY(%(ids)s::uuid[]);

-- name: await_execution
UPDATE script_queue SET awaited = true WHERE execution_id = %(id)s AND NOT awaited;


-- Reading --------------------------------------------------------------------------------------------------------

-- name: executions
SELECT e.id, e.project_id, e.script_id, e.version_id,
    CASE WHEN e.status = 'pending' AND q.worker IS NOT NULL THEN 'running' ELSE e.status END AS status,
    e.priority, e.options::text AS options, e.created_by, e.input_format, e.input_size, e.input_digest,
    e.input_reference, e.input_origin::text AS input_origin, e.output_format, e.output_size, e.output_digest,
    e.output_reference, e.failure_class, e.failure_message, e.failure_line, e.failure_column, e.failure_record, e.failure_rule, e.parts::text AS parts,
    e.submitted_at, coalesce(e.started_at, q.claimed_at) AS started_at, e.ended_at, e.wall_us, e.cpu_us, e.peak_memory,
    e.fuel, e.engine, e.level, coalesce(q.attempt, e.attempts) AS attempts, e.history::text AS history, e.dead,
    -- Tombstones are looked for only where there is one: an erasure empties the digest.
    CASE WHEN e.input_digest = '' THEN (SELECT erasure_id FROM script_tombstones WHERE execution_id = e.id) END AS erasure
FROM script_executions AS e
LEFT JOIN script_queue AS q ON q.execution_id = e.id
WHERE e.project_id = %(project)s
    AND (%(before)s::uuid IS NULL OR e.id < %(before)s)
    AND (%(script)s::uuid IS NULL OR e.script_id = %(script)s)
    AND (%(version)s::uuid IS NULL OR e.version_id = %(version)s)
    AND (%(since)s::timestamptz IS NULL OR e.submitted_at >= %(since)s)
    AND (%(dead)s::boolean IS NULL OR e.dead = %(dead)s)
    AND (
        %(status)s::text IS NULL
        OR e.status = %(status)s AND (e.status <> 'pending' OR q.worker IS NULL)
        OR %(status)s = 'running' AND q.worker IS NOT NULL
    )
    AND (%(export)s::text IS NULL OR EXISTS (
        SELECT 1 FROM script_exports AS x WHERE x.execution_id = e.id AND x.state = %(export)s
    ))
ORDER BY e.id DESC
LIMIT %(limit)s;

-- name: dead_executions
SELECT e.id, e.project_id, e.script_id, e.version_id, e.status,
    e.priority, e.options::text AS options, e.created_by, e.input_format, e.input_size, e.input_digest,
    e.input_reference, e.input_origin::text AS input_origin, e.output_format, e.output_size, e.output_digest,
    e.output_reference, e.failure_class, e.failure_message, e.failure_line, e.failure_column, e.failure_record, e.failure_rule, e.parts::text AS parts,
    e.submitted_at, e.started_at, e.ended_at, e.wall_us, e.cpu_us, e.peak_memory,
    e.fuel, e.engine, e.level, e.attempts, e.history::text AS history, e.dead,
    CASE WHEN e.input_digest = '' THEN (SELECT erasure_id FROM script_tombstones WHERE execution_id = e.id) END AS erasure
FROM script_executions AS e
WHERE e.project_id = %(project)s AND e.dead AND (%(before)s::uuid IS NULL OR e.id < %(before)s)
ORDER BY e.id DESC
LIMIT %(limit)s;

-- name: executions_by_id
SELECT e.id, e.project_id, e.script_id, e.version_id,
    CASE WHEN e.status = 'pending' AND q.worker IS NOT NULL THEN 'running' ELSE e.status END AS status,
    e.priority, e.options::text AS options, e.created_by, e.input_format, e.input_size, e.input_digest,
    e.input_reference, e.input_origin::text AS input_origin, e.output_format, e.output_size, e.output_digest,
    e.output_reference, e.failure_class, e.failure_message, e.failure_line, e.failure_column, e.failure_record, e.failure_rule, e.parts::text AS parts,
    e.submitted_at, coalesce(e.started_at, q.claimed_at) AS started_at, e.ended_at, e.wall_us, e.cpu_us, e.peak_memory,
    e.fuel, e.engine, e.level, coalesce(q.attempt, e.attempts) AS attempts, e.history::text AS history, e.dead,
    CASE WHEN e.input_digest = '' THEN (SELECT erasure_id FROM script_tombstones WHERE execution_id = e.id) END AS erasure,
    p.data AS answer
FROM script_executions AS e
LEFT JOIN script_queue AS q ON q.execution_id = e.id
LEFT JOIN script_payloads AS p ON p.execution_id = e.id AND p.part = 'output'
WHERE e.id = ANY(%(ids)s::uuid[]);

-- Only what has ended: whoever waits asks again for the rest.
-- name: ended_among
SELECT id FROM script_executions WHERE id = ANY(%(ids)s::uuid[]) AND status <> 'pending';

-- name: payload
SELECT data FROM script_payloads WHERE execution_id = %(id)s AND part = %(part)s;

-- Cancelling, replaying --------------------------------------------------------------------------------------------

-- name: cancel_execution
WITH gone AS (
    DELETE FROM script_queue WHERE execution_id = %(id)s AND project_id = %(project)s
    RETURNING execution_id, worker, awaited, claimed_at, attempt
),
ended AS (
    UPDATE script_executions AS e SET
        status = 'cancelled', ended_at = now(), started_at = gone.claimed_at, attempts = gone.attempt,
        failure_class = 'Cancelled', failure_message = %(reason)s
    FROM gone WHERE e.id = gone.execution_id
    RETURNING e.id, e.version_id, e.script_id
)
SELECT ended.version_id, ended.script_id, gone.worker, gone.awaited,
    -- What a sandbox had used is not known any more: the time since a worker took it, of one call at most its limit.
    CASE
        WHEN gone.worker IS NULL THEN 0
        WHEN v.mode = 'whole' THEN least(held.ms, (v.limits ->> 'cpu_seconds')::float8 * 1000)
        ELSE held.ms
    END AS used_ms
FROM ended
JOIN gone ON gone.execution_id = ended.id
JOIN script_versions AS v ON v.id = ended.version_id
CROSS JOIN LATERAL (SELECT extract(epoch FROM clock_timestamp() - gone.claimed_at)::float8 * 1000 AS ms) AS held;

-- name: replay_execution
WITH again AS (
    UPDATE script_executions AS e SET
        status = 'pending', dead = false, attempts = 0, started_at = NULL, ended_at = NULL,
        history = coalesce(e.history, '[]'::jsonb) || jsonb_build_object(
            'attempt', e.attempts, 'at', e.ended_at, 'class', e.failure_class, 'message', e.failure_message,
            'replayed_by', %(actor)s::text
        ),
        failure_class = NULL, failure_message = NULL, failure_line = NULL, failure_column = NULL,
        failure_record = NULL, failure_rule = NULL, wall_us = NULL, cpu_us = NULL, peak_memory = NULL
    WHERE e.id = %(id)s AND e.project_id = %(project)s AND e.dead
    RETURNING e.id, e.project_id, e.priority, e.script_id, e.version_id
),
queued AS (
    -- No claim of a replay looks like the first one of all.
    INSERT INTO script_queue (execution_id, project_id, priority, fence)
    SELECT id, project_id, priority, 1 FROM again
)
SELECT script_id, version_id FROM again;

-- Workers --------------------------------------------------------------------------------------------------------

-- name: register_worker
INSERT INTO script_workers (
    id, host, process, engines, sandboxes, level, attempts, missing, refusal, lease_until
)
VALUES (
    %(worker)s, %(host)s, %(process)s, %(engines)s, %(sandboxes)s, %(level)s, %(attempts)s::jsonb, %(missing)s,
    %(refusal)s, now() + make_interval(secs => %(lease)s)
);

-- name: renew_lease
UPDATE script_workers SET lease_until = now() + make_interval(secs => %(lease)s)
WHERE id = %(worker)s AND lease_until > now()
RETURNING id;

-- name: remove_worker
DELETE FROM script_workers WHERE id = %(worker)s;

-- name: live_workers
SELECT id, host, engines, sandboxes, level, attempts::text AS attempts, missing, refusal
FROM script_workers WHERE lease_until > now() ORDER BY id;

-- name: claimed
SELECT execution_id, fence FROM script_queue WHERE worker = %(worker)s;

-- Projects are visited by a loose index scan; the one with the fewest running executions comes first, each in turn. The
-- lock on the project makes its limit exact; a project that another worker is just serving is left to it.
-- name: claim
WITH RECURSIVE waiting AS (
    (SELECT project_id FROM script_queue WHERE worker IS NULL ORDER BY project_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT q.project_id FROM script_queue AS q
        WHERE q.worker IS NULL AND q.project_id > waiting.project_id
        ORDER BY q.project_id LIMIT 1
    )
    FROM waiting WHERE waiting.project_id IS NOT NULL
),
under_way AS (
    SELECT project_id, count(*) AS running FROM script_queue WHERE worker IS NOT NULL GROUP BY project_id
),
shares AS (
    SELECT w.project_id, coalesce(u.running, 0) AS running,
        coalesce(q.concurrency, %(concurrency)s) - coalesce(u.running, 0) AS room
    FROM waiting AS w
    LEFT JOIN under_way AS u ON u.project_id = w.project_id
    LEFT JOIN script_quotas AS q ON q.project_id = w.project_id
    WHERE w.project_id IS NOT NULL
),
served AS (
    SELECT project_id, running, room FROM shares
    WHERE room > 0 AND pg_try_advisory_xact_lock(1905, hashtext(project_id::text))
    ORDER BY running LIMIT 64
),
candidates AS (
    SELECT chosen.execution_id
    FROM served AS s
    CROSS JOIN LATERAL (
        SELECT execution_id, row_number() OVER (ORDER BY priority DESC, execution_id) AS place
        FROM (
            SELECT q.execution_id, q.priority FROM script_queue AS q
            WHERE q.project_id = s.project_id AND q.worker IS NULL AND q.ready_at <= now()
            ORDER BY q.priority DESC, q.execution_id
            LIMIT least(s.room, %(limit)s)
            FOR UPDATE SKIP LOCKED
        ) AS locked
    ) AS chosen
    ORDER BY s.running + chosen.place, chosen.execution_id
    LIMIT %(limit)s
),
taken AS (
    UPDATE script_queue AS q SET
        worker = %(worker)s, fence = q.fence + 1, attempt = q.attempt + 1, claimed_at = now()
    FROM candidates WHERE q.execution_id = candidates.execution_id
    RETURNING q.execution_id, q.fence, q.attempt, q.losses, q.awaited
)
SELECT e.id, e.project_id, e.script_id, e.version_id, taken.fence, taken.attempt, taken.losses, taken.awaited,
    e.options::text AS options, e.priority, e.input_format, e.input_size, e.input_digest, e.input_reference,
    e.input_origin::text AS input_origin, e.created_by, v.quarantined, p.data AS input
FROM taken
JOIN script_executions AS e ON e.id = taken.execution_id
JOIN script_versions AS v ON v.id = e.version_id
LEFT JOIN script_payloads AS p ON p.execution_id = e.id AND p.part = 'input';

-- Only what this worker still holds counts: the row of the queue goes and the result comes in one statement.
-- name: finish
WITH given AS (
    SELECT * FROM unnest(
        %(ids)s::uuid[], %(fences)s::integer[], %(statuses)s::text[], %(formats)s::text[], %(sizes)s::bigint[],
        %(digests)s::text[], %(references)s::text[], %(classes)s::text[], %(messages)s::text[], %(lines)s::integer[],
        %(columns)s::integer[], %(records)s::bigint[], %(rules)s::text[], %(parts)s::text[], %(started)s::text[],
        %(walls)s::bigint[], %(cpus)s::bigint[], %(peaks)s::bigint[], %(fuels)s::bigint[], %(engines)s::text[],
        %(levels)s::text[], %(dead)s::boolean[], %(outputs)s::bytea[], %(consoles)s::bytea[]
    ) AS given (
        id, fence, status, format, size, digest, reference, class, message, line, col, record, rule, parts, started,
        wall, cpu, peak, fuel, engine, level, dead, output, console
    )
),
gone AS (
    DELETE FROM script_queue AS q USING given
    WHERE q.execution_id = given.id AND q.worker = %(worker)s AND q.fence = given.fence
    RETURNING q.execution_id, q.attempt, q.awaited
),
ended AS (
    UPDATE script_executions AS e SET
        status = given.status, output_format = given.format, output_size = given.size, output_digest = given.digest,
        output_reference = given.reference, failure_class = given.class, failure_message = given.message,
        failure_line = given.line, failure_column = given.col, failure_record = given.record,
        failure_rule = given.rule, parts = given.parts::jsonb, started_at = given.started::timestamptz,
        ended_at = now(), wall_us = given.wall, cpu_us = given.cpu, peak_memory = given.peak, fuel = given.fuel,
        engine = given.engine, level = given.level, attempts = gone.attempt, dead = given.dead
    FROM gone JOIN given ON given.id = gone.execution_id
    WHERE e.id = gone.execution_id
    RETURNING e.id
),
kept AS (
    INSERT INTO script_payloads (execution_id, part, data)
    SELECT gone.execution_id, part.name, part.data
    FROM gone JOIN given ON given.id = gone.execution_id
    CROSS JOIN LATERAL (VALUES ('output', given.output), ('console', given.console)) AS part (name, data)
    WHERE part.data IS NOT NULL
    ON CONFLICT (execution_id, part) DO UPDATE SET data = excluded.data
)
SELECT execution_id, awaited, now() AS ended_at, EXISTS (
    SELECT 1 FROM script_queue AS q WHERE q.worker IS NULL AND q.ready_at <= now()
) AS more FROM gone;

-- name: retry
WITH given AS (
    SELECT * FROM unnest(
        %(ids)s::uuid[], %(fences)s::integer[], %(pauses)s::float8[], %(classes)s::text[], %(messages)s::text[]
    ) AS given (id, fence, pause, class, message)
),
again AS (
    UPDATE script_queue AS q SET worker = NULL, claimed_at = NULL, ready_at = now() + make_interval(secs => given.pause)
    FROM given
    WHERE q.execution_id = given.id AND q.worker = %(worker)s AND q.fence = given.fence
    RETURNING q.execution_id, q.attempt
)
UPDATE script_executions AS e SET history = coalesce(e.history, '[]'::jsonb) || jsonb_build_object(
    'attempt', again.attempt, 'at', now(), 'class', given.class, 'message', given.message
)
FROM again JOIN given ON given.id = again.execution_id
WHERE e.id = again.execution_id
RETURNING e.id;

-- Given back as if it had not been begun.
-- name: release
UPDATE script_queue SET worker = NULL, claimed_at = NULL, attempt = greatest(attempt - 1, 0), ready_at = now()
WHERE worker = %(worker)s
RETURNING execution_id;

-- What a fault left behind counts as an attempt: nothing is begun for ever.
-- name: release_these
UPDATE script_queue AS q SET worker = NULL, claimed_at = NULL, ready_at = now()
FROM unnest(%(ids)s::uuid[], %(fences)s::integer[]) AS given (id, fence)
WHERE q.execution_id = given.id AND q.fence = given.fence AND q.worker = %(worker)s;

-- Recovery -------------------------------------------------------------------------------------------------------

-- name: dead_workers
DELETE FROM script_workers WHERE id IN (
    SELECT id FROM script_workers WHERE lease_until < now() FOR UPDATE SKIP LOCKED
)
RETURNING id;

-- Rows whose worker is not even known any more, for example after a restore.
-- name: orphans
SELECT DISTINCT q.worker FROM script_queue AS q
WHERE q.worker IS NOT NULL AND NOT EXISTS (SELECT 1 FROM script_workers AS w WHERE w.id = q.worker);

-- name: return_executions
UPDATE script_queue AS q SET
    worker = NULL, claimed_at = NULL, fence = q.fence + 1, losses = q.losses + 1, ready_at = now()
FROM script_executions AS e
WHERE q.worker = ANY(%(workers)s::uuid[]) AND e.id = q.execution_id
RETURNING q.execution_id, q.project_id, q.losses, e.version_id;

-- Figures --------------------------------------------------------------------------------------------------------

-- name: depths
SELECT count(*) FILTER (WHERE worker IS NULL) AS waiting, count(*) FILTER (WHERE worker IS NOT NULL) AS running,
    coalesce(extract(epoch FROM now() - min(ready_at) FILTER (WHERE worker IS NULL AND ready_at <= now())), 0)::float8
        AS oldest_seconds
FROM script_queue;
