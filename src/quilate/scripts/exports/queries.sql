-- name: insert
INSERT INTO script_exports (execution_id, project_id)
SELECT * FROM unnest(%(ids)s::uuid[], %(projects)s::uuid[])
ON CONFLICT (execution_id) DO NOTHING;

-- name: of_executions
SELECT execution_id, state, attempts, version, run_id, object, problem, next_step,
    CASE WHEN state = 'pending' THEN ready_at END AS ready_at, ended_at
FROM script_exports WHERE execution_id = ANY(%(ids)s::uuid[]);

-- name: depth
SELECT count(*) AS pending, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_seconds
FROM script_exports WHERE state = 'pending';

-- name: claim
WITH due AS (
    SELECT execution_id FROM script_exports
    WHERE state = 'pending' AND ready_at <= now()
    ORDER BY ready_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE script_exports AS x SET attempts = x.attempts + 1, ready_at = now() + make_interval(secs => %(lease)s)
FROM due, projects AS p
WHERE x.execution_id = due.execution_id AND p.id = x.project_id
RETURNING x.execution_id, x.project_id, x.attempts, p.slug, p.name AS project_name;

-- name: renew
UPDATE script_exports SET ready_at = now() + make_interval(secs => %(lease)s)
WHERE execution_id = %(id)s AND attempts = %(attempts)s AND state = 'pending';

-- Given back as if it had not been begun.
-- name: release
UPDATE script_exports SET attempts = attempts - 1, ready_at = now()
WHERE execution_id = %(id)s AND attempts = %(attempts)s AND state = 'pending';

-- name: put_off
UPDATE script_exports SET ready_at = now() + make_interval(secs => %(pause)s), problem = %(problem)s,
    next_step = %(next_step)s, version = %(version)s, run_id = %(run)s, object = %(object)s
WHERE execution_id = %(id)s AND attempts = %(attempts)s AND state = 'pending';

-- name: end
UPDATE script_exports SET state = %(state)s, problem = %(problem)s, next_step = %(next_step)s,
    version = %(version)s, run_id = %(run)s, object = %(object)s, ended_at = now()
WHERE execution_id = %(id)s AND attempts = %(attempts)s AND state = 'pending';

-- name: begin_again
UPDATE script_exports SET state = 'pending', attempts = 0, ready_at = now(), ended_at = NULL
WHERE execution_id = %(id)s AND project_id = %(project)s AND state = 'failed';
