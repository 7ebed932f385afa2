-- Each block answers for many parents at once: the number of statements never depends on the number of rows.

-- name: runs_of_projects
SELECT wanted.project_id, r.id, r.status, r.verdict, r.priority, r.submitted_at, r.started_at, r.ended_at, r.event,
    r.actor, r.subject_kind, r.subject_name, r.subject_digest, r.revision, r.branch, r.blueprint, r.trigger
FROM unnest(%(projects)s::uuid[]) AS wanted (project_id)
CROSS JOIN LATERAL (
    SELECT runs.id, runs.status, runs.verdict, runs.priority, runs.submitted_at, runs.started_at, runs.ended_at,
        s.event, s.actor, p.subject_kind, p.subject_name, p.subject_digest, p.revision, p.branch,
        s.document->>'blueprint' AS blueprint, s.document->'trigger' AS trigger
    FROM runs
    JOIN run_submissions AS s ON s.run_id = runs.id
    LEFT JOIN run_preparations AS p ON p.run_id = runs.id
    WHERE runs.project_id = wanted.project_id
        AND (%(before)s::uuid IS NULL OR runs.id < %(before)s::uuid)
        AND (%(status)s::text IS NULL OR runs.status = %(status)s::text)
        AND (%(verdict)s::text IS NULL OR runs.verdict = %(verdict)s::text)
        AND (%(branch)s::text IS NULL OR p.branch = %(branch)s::text)
        AND (%(event)s::text IS NULL OR s.event = %(event)s::text)
    ORDER BY runs.id DESC
    LIMIT %(limit)s
) AS r
ORDER BY r.id DESC;

-- name: run
SELECT runs.project_id, runs.id, runs.status, runs.verdict, runs.priority, runs.submitted_at, runs.started_at,
    runs.ended_at, s.event, s.actor, p.subject_kind, p.subject_name, p.subject_digest, p.revision, p.branch,
    s.document->>'blueprint' AS blueprint, s.document->'trigger' AS trigger
FROM runs
JOIN run_submissions AS s ON s.run_id = runs.id
LEFT JOIN run_preparations AS p ON p.run_id = runs.id
WHERE runs.id = %(run)s AND runs.project_id = %(project)s;

-- name: plans_of_runs
SELECT runs.id AS run_id, l.document AS plan
FROM runs JOIN run_plans AS l ON l.digest = runs.plan_digest
WHERE runs.id = ANY(%(runs)s::uuid[]);

-- name: attempts_of_runs
SELECT run_id, check_id, attempt, result, reason, next_step, duration_ms, cached_age_seconds, final, ended_at
FROM check_attempts WHERE run_id = ANY(%(runs)s::uuid[])
ORDER BY run_id, check_id, attempt;

-- name: checks_in_flight
SELECT run_id, check_id, attempt, status FROM check_runs WHERE run_id = ANY(%(runs)s::uuid[]);

-- name: findings_of_runs
SELECT wanted.run_id, f.check_id, f.attempt, f.place, f.fingerprint, f.rule, f.severity, f.message, f.path, f.line
FROM unnest(%(runs)s::uuid[], %(checks)s::text[]) AS wanted (run_id, check_id)
CROSS JOIN LATERAL (
    SELECT check_id, attempt, place, fingerprint, rule, severity, message, path, line
    FROM findings
    WHERE findings.run_id = wanted.run_id
        AND (wanted.check_id IS NULL OR findings.check_id = wanted.check_id)
        AND (%(severities)s::text[] IS NULL OR findings.severity = ANY(%(severities)s::text[]))
        AND (%(after_check)s::text IS NULL OR (findings.check_id, findings.attempt, findings.place)
            > (%(after_check)s::text, %(after_attempt)s::smallint, %(after_place)s::int))
        AND NOT EXISTS (
            SELECT 1 FROM check_attempts AS a
            WHERE a.run_id = findings.run_id AND a.check_id = findings.check_id AND a.attempt > findings.attempt
        )
    ORDER BY check_id, attempt, place
    LIMIT %(limit)s
) AS f
ORDER BY f.check_id, f.attempt, f.place;

-- name: decisions_of_runs
SELECT run_id, verdict, subject_digest, blueprint_id, blueprint_digest, decision_digest, input_digest, seal_digest,
    decided_at, failing, what_if
FROM decisions WHERE run_id = ANY(%(runs)s::uuid[]);

-- name: documents_of_runs
SELECT run_id, decision_digest, decision FROM decisions WHERE run_id = ANY(%(runs)s::uuid[]);

-- name: waivers_of_projects
SELECT wanted.project_id, w.*
FROM unnest(%(projects)s::uuid[]) AS wanted (project_id)
CROSS JOIN LATERAL (
    SELECT id, rule, paths, reason, until, owner, requested_at, decided_by, decided_at, decision_comment, state_now
    FROM waiver_requests
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN state IN ('requested', 'approved') AND until < (now() AT TIME ZONE 'UTC')::date THEN 'expired'
            ELSE state
        END AS state_now
    ) AS current
    WHERE waiver_requests.project_id = wanted.project_id
        AND (%(before)s::uuid IS NULL OR id < %(before)s::uuid)
        AND (%(state)s::text IS NULL OR state_now = %(state)s::text)
    ORDER BY id DESC
    LIMIT %(limit)s
) AS w
ORDER BY w.id DESC;
