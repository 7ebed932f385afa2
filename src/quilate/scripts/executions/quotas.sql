-- What a project may use and has in use; counted up to its own limit.
-- name: standing
SELECT given.project_id, q.cpu_ms_per_second, q.cpu_ms_burst, q.concurrency, q.queue_length,
    coalesce(q.revision, 0) AS revision, u.cpu_ms_left, extract(epoch FROM now() - u.at)::float8 AS age_seconds,
    waiting.number AS waiting, running.number AS running
FROM unnest(%(projects)s::uuid[]) AS given (project_id)
LEFT JOIN script_quotas AS q ON q.project_id = given.project_id
LEFT JOIN script_usage AS u ON u.project_id = given.project_id
CROSS JOIN LATERAL (
    SELECT count(*) AS number FROM (
        SELECT 1 FROM script_queue AS w
        WHERE w.project_id = given.project_id AND w.worker IS NULL
        LIMIT coalesce(q.queue_length, %(most)s)
    ) AS bounded
) AS waiting
CROSS JOIN LATERAL (
    SELECT count(*) AS number FROM script_queue AS r WHERE r.worker IS NOT NULL AND r.project_id = given.project_id
) AS running;

-- name: set_quota
INSERT INTO script_quotas AS q (
    project_id, cpu_ms_per_second, cpu_ms_burst, concurrency, queue_length, changed_by
)
VALUES (%(project)s, %(cpu_ms_per_second)s, %(cpu_ms_burst)s, %(concurrency)s, %(queue_length)s, %(actor)s)
ON CONFLICT (project_id) DO UPDATE SET
    cpu_ms_per_second = excluded.cpu_ms_per_second, cpu_ms_burst = excluded.cpu_ms_burst,
    concurrency = excluded.concurrency, queue_length = excluded.queue_length,
    revision = q.revision + 1, changed_at = now(), changed_by = excluded.changed_by
RETURNING revision;

-- name: lock_quota
SELECT pg_advisory_xact_lock(1906, hashtext(%(project)s::text));

-- What has filled up until now did so at the rate that held until now.
-- name: settle_usage
UPDATE script_usage SET
    cpu_ms_left = least(
        %(burst)s, cpu_ms_left + greatest(extract(epoch FROM clock_timestamp() - at)::float8, 0) * %(rate)s
    ),
    at = clock_timestamp()
WHERE project_id = %(project)s;

-- What was used is taken from a bucket that has filled up meanwhile; the first time from a full one.
-- name: use_processor
INSERT INTO script_usage AS u (project_id, cpu_ms_left, at)
SELECT given.project_id, coalesce(q.cpu_ms_burst, %(burst)s) - given.used, clock_timestamp()
FROM unnest(%(projects)s::uuid[], %(used)s::float8[]) AS given (project_id, used)
LEFT JOIN script_quotas AS q ON q.project_id = given.project_id
ORDER BY given.project_id
ON CONFLICT (project_id) DO UPDATE SET
    cpu_ms_left = least(excluded.cpu_ms_left, u.cpu_ms_left + (
        SELECT greatest(extract(epoch FROM clock_timestamp() - u.at)::float8, 0)
            * coalesce(q.cpu_ms_per_second, %(rate)s) - given.used
        FROM unnest(%(projects)s::uuid[], %(used)s::float8[]) AS given (project_id, used)
        LEFT JOIN script_quotas AS q ON q.project_id = given.project_id
        WHERE given.project_id = u.project_id
    )),
    at = clock_timestamp();
