-- name: queue_table_exists
SELECT to_regclass('check_runs') IS NOT NULL AS found

-- name: queue_depths
-- One row for each queue: what waits, what runs, and for how many seconds the oldest that may run has waited.
SELECT
    queue,
    count(*) FILTER (WHERE status = 'queued')::integer AS waiting,
    count(*) FILTER (WHERE status = 'running')::integer AS running,
    coalesce(
        extract(epoch FROM clock_timestamp() - min(ready_at) FILTER (WHERE status = 'queued')), 0
    )::double precision AS oldest_seconds
FROM check_runs
GROUP BY queue
ORDER BY queue
