-- The runs that the figures are about: the newest decided ones of a project that were submitted within a time. Run ids
-- are version 7 UUIDs, so that a range of ids is a range of time.

-- name: releases
WITH chosen AS (
    SELECT run_id, verdict, decided_at FROM decisions
    WHERE project_id = %(project)s AND run_id >= %(first)s AND run_id < %(last)s
    ORDER BY run_id DESC LIMIT %(most)s
)
SELECT
    count(*) AS releases,
    count(*) FILTER (WHERE chosen.verdict = 'PASS') AS passed,
    count(*) FILTER (WHERE chosen.verdict = 'FAIL') AS rejected,
    count(*) FILTER (WHERE chosen.verdict = 'UNKNOWN') AS undecided,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM decided_at - submitted_at))::float8 AS p50,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM decided_at - submitted_at))::float8 AS p95
FROM chosen LEFT JOIN runs ON runs.id = chosen.run_id;

-- name: reasons
-- Check and rule of everything that kept a run from passing; the rule is empty where the check left no finding.
WITH chosen AS (
    SELECT run_id, verdict, failing FROM decisions
    WHERE project_id = %(project)s AND run_id >= %(first)s AND run_id < %(last)s
    ORDER BY run_id DESC LIMIT %(most)s
)
SELECT
    pair ->> 0 AS check_id,
    pair ->> 1 AS rule,
    count(DISTINCT run_id) FILTER (WHERE verdict = 'FAIL') AS rejected,
    count(DISTINCT run_id) FILTER (WHERE verdict = 'UNKNOWN') AS undecided
FROM chosen, jsonb_array_elements(failing) AS pair
WHERE verdict <> 'PASS'
GROUP BY 1, 2
ORDER BY rejected DESC, undecided DESC, check_id, rule
LIMIT %(listed)s;

-- name: flaky_tests
WITH chosen AS (
    SELECT run_id FROM decisions
    WHERE project_id = %(project)s AND run_id >= %(first)s AND run_id < %(last)s
    ORDER BY run_id DESC LIMIT %(most)s
), flaky AS (
    SELECT findings.check_id, findings.fingerprint, max(findings.message) AS message,
        count(DISTINCT findings.run_id) AS runs
    FROM findings JOIN chosen ON chosen.run_id = findings.run_id
    WHERE findings.project_id = %(project)s AND findings.rule = %(rule)s
    GROUP BY findings.check_id, findings.fingerprint
)
SELECT *, count(*) OVER () AS tests FROM flaky ORDER BY runs DESC, check_id, fingerprint LIMIT %(listed)s;

-- name: checks
-- Each check with the runs in which it came to an end, in which any attempt failed, and in which only a repeated
-- attempt passed.
WITH chosen AS (
    SELECT run_id FROM decisions
    WHERE project_id = %(project)s AND run_id >= %(first)s AND run_id < %(last)s
    ORDER BY run_id DESC LIMIT %(most)s
), per_run AS (
    SELECT check_attempts.run_id, check_attempts.check_id,
        bool_or(final AND completion = 'completed') AS completed,
        bool_or(result IN ('fail', 'error', 'timed_out')) AS failed,
        bool_or(final AND result IN ('pass', 'warn')) AS passed
    FROM check_attempts JOIN chosen ON chosen.run_id = check_attempts.run_id
    GROUP BY 1, 2
)
SELECT check_id,
    count(*) FILTER (WHERE completed) AS runs,
    count(*) FILTER (WHERE failed) AS failed,
    count(*) FILTER (WHERE failed AND passed) AS passed_on_retry
FROM per_run GROUP BY check_id ORDER BY runs DESC, check_id;

-- name: waivers
-- As things are now, whatever the time range.
SELECT
    count(*) FILTER (WHERE state = 'approved') AS active,
    (avg(extract(epoch FROM now() - requested_at)) FILTER (WHERE state = 'approved') / 86400)::float8 AS mean_age_days,
    (max(extract(epoch FROM now() - requested_at)) FILTER (WHERE state = 'approved') / 86400)::float8 AS oldest_age_days,
    count(*) FILTER (WHERE state = 'approved' AND until < (now() AT TIME ZONE 'UTC')::date + 30) AS ending_soon,
    count(*) FILTER (WHERE state = 'requested') AS waiting,
    (max(extract(epoch FROM now() - requested_at)) FILTER (WHERE state = 'requested') / 86400)::float8
        AS oldest_waiting_days
FROM waiver_requests
WHERE project_id = %(project)s AND state IN ('approved', 'requested') AND until >= (now() AT TIME ZONE 'UTC')::date;
