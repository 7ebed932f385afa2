-- What health and metrics read; each statement touches few rows, however many runs there were.

-- name: takes_writes
SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS writable;

-- name: served_queues
SELECT DISTINCT unnest(queues) AS queue FROM workers WHERE lease_until > clock_timestamp();

-- name: runs_by_status
SELECT status, count(*)::double precision AS number,
    coalesce(extract(epoch FROM clock_timestamp() - min(ready_at)), 0)::double precision AS oldest_seconds
FROM runs
WHERE status IN ('queued', 'running') AND NOT held
GROUP BY status;

-- name: workers_alive
SELECT count(*)::double precision AS number FROM workers WHERE lease_until > clock_timestamp();

-- name: recent_verdicts
-- Run ids are version 7 UUIDs, so the primary key finds the recent ones.
SELECT verdict, count(*)::double precision AS number FROM decisions WHERE run_id >= %(since)s GROUP BY verdict;

-- name: recent_runs
SELECT
    percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
        ORDER BY extract(epoch FROM ended_at - submitted_at)::double precision
    ) AS quantiles
FROM runs
WHERE id >= %(since)s AND ended_at IS NOT NULL;

-- name: recent_checks
SELECT result, count(*)::double precision AS number,
    percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY duration_ms / 1000.0) AS quantiles
FROM check_attempts
WHERE run_id >= %(since)s
GROUP BY result;

-- name: dead_letters_waiting
SELECT count(*)::double precision AS number FROM dead_letters WHERE replayed_at IS NULL;
