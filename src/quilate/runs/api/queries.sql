-- What is read together shows one moment.
-- name: one_moment
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;

-- Lists ----------------------------------------------------------------------------------------------------------

-- name: list_runs
SELECT r.id, r.status, r.held, r.verdict, r.priority, r.version, r.submitted_at, r.started_at, r.ended_at,
    r.concurrency_key, s.event, s.actor, s.rerun_of, s.document->'source' AS source, s.document->'parameters' AS parameters,
    s.document->'trigger' AS trigger,
    p.subject_kind, p.subject_name, p.subject_digest, p.revision, p.branch
FROM runs AS r
JOIN run_submissions AS s ON s.run_id = r.id
LEFT JOIN run_preparations AS p ON p.run_id = r.id
WHERE r.project_id = %(project)s
    AND (%(before)s::uuid IS NULL OR r.id < %(before)s::uuid)
    AND (%(since)s::uuid IS NULL OR r.id >= %(since)s::uuid)
    AND (%(until)s::uuid IS NULL OR r.id < %(until)s::uuid)
    AND (%(status)s::text IS NULL OR r.status = %(status)s::text)
    AND (%(verdict)s::text IS NULL OR r.verdict = %(verdict)s::text)
    AND (%(event)s::text IS NULL OR s.event = %(event)s::text)
    AND (
        %(branch)s::text IS NULL
        OR coalesce(nullif(p.branch, ''), s.document #>> '{source,branch}') = %(branch)s::text
    )
ORDER BY r.id DESC
LIMIT %(limit)s;

-- The same, by the index on subjects.
-- name: list_runs_of_subject
SELECT r.id, r.status, r.held, r.verdict, r.priority, r.version, r.submitted_at, r.started_at, r.ended_at,
    r.concurrency_key, s.event, s.actor, s.rerun_of, s.document->'source' AS source, s.document->'parameters' AS parameters,
    s.document->'trigger' AS trigger,
    p.subject_kind, p.subject_name, p.subject_digest, p.revision, p.branch
FROM run_preparations AS p
JOIN runs AS r ON r.id = p.run_id
JOIN run_submissions AS s ON s.run_id = p.run_id
WHERE p.project_id = %(project)s AND p.subject_digest = %(subject)s
    AND (%(before)s::uuid IS NULL OR r.id < %(before)s::uuid)
    AND (%(since)s::uuid IS NULL OR r.id >= %(since)s::uuid)
    AND (%(until)s::uuid IS NULL OR r.id < %(until)s::uuid)
    AND (%(status)s::text IS NULL OR r.status = %(status)s::text)
    AND (%(verdict)s::text IS NULL OR r.verdict = %(verdict)s::text)
    AND (%(event)s::text IS NULL OR s.event = %(event)s::text)
    AND (
        %(branch)s::text IS NULL
        OR coalesce(nullif(p.branch, ''), s.document #>> '{source,branch}') = %(branch)s::text
    )
ORDER BY r.id DESC
LIMIT %(limit)s;

-- One run --------------------------------------------------------------------------------------------------------

-- name: run
SELECT r.id, r.status, r.held, r.verdict, r.priority, r.version, r.submitted_at, r.started_at, r.ended_at,
    r.concurrency_key, s.event, s.actor, s.rerun_of, s.document->'source' AS source, s.document->'parameters' AS parameters,
    s.document->'trigger' AS trigger,
    s.document->>'blueprint' AS asked_blueprint, s.failure,
    p.subject_kind, p.subject_name, p.subject_digest, p.revision, p.branch, p.document AS preparation,
    l.document AS plan,
    d.blueprint_id, d.blueprint_digest, d.decision_digest, d.seal_digest, d.decided_at, d.what_if
FROM runs AS r
JOIN run_submissions AS s ON s.run_id = r.id
LEFT JOIN run_preparations AS p ON p.run_id = r.id
LEFT JOIN run_plans AS l ON l.digest = r.plan_digest
LEFT JOIN decisions AS d ON d.run_id = r.id
WHERE r.id = %(run)s AND r.project_id = %(project)s;

-- name: run_exists
SELECT status, version FROM runs WHERE id = %(run)s AND project_id = %(project)s;

-- name: project_of_run
SELECT p.slug FROM runs AS r JOIN projects AS p ON p.id = r.project_id WHERE r.id = %(run)s;

-- name: submission
SELECT document::text AS document, event FROM run_submissions WHERE run_id = %(run)s AND project_id = %(project)s;

-- name: attempts
SELECT check_id, attempt, run_version, completion, result, reason, next_step, duration_ms, cached_age_seconds, final,
    evidence_digest, evidence, report <> '' AS has_report, ended_at
FROM check_attempts WHERE run_id = %(run)s
ORDER BY check_id, attempt;

-- name: attempts_of_check
SELECT check_id, attempt, run_version, completion, result, reason, next_step, duration_ms, cached_age_seconds, final,
    evidence_digest, evidence, report, report <> '' AS has_report, ended_at
FROM check_attempts WHERE run_id = %(run)s AND check_id = %(check)s
ORDER BY attempt;

-- name: finding_counts
SELECT check_id, attempt, severity, count(*) AS findings
FROM findings WHERE run_id = %(run)s
GROUP BY check_id, attempt, severity;

-- name: checks_in_flight
SELECT check_id, attempt, status, started_at, ready_at FROM check_runs WHERE run_id = %(run)s;

-- name: findings
SELECT check_id, attempt, place, fingerprint, rule, severity, message, path, line
FROM findings AS f
WHERE f.run_id = %(run)s
    AND (%(all_attempts)s OR NOT EXISTS (
        SELECT 1 FROM check_attempts AS a
        WHERE a.run_id = f.run_id AND a.check_id = f.check_id AND a.attempt > f.attempt
    ))
    AND (%(after_check)s::text IS NULL
        OR (check_id, attempt, place) > (%(after_check)s::text, %(after_attempt)s::smallint, %(after_place)s::int))
    AND (%(check)s::text IS NULL OR check_id = %(check)s::text)
    AND (%(rule)s::text IS NULL OR rule = %(rule)s::text)
    AND (%(severities)s::text[] IS NULL OR severity = ANY(%(severities)s::text[]))
    AND (%(path)s::text IS NULL OR path = %(path)s::text)
    AND (%(fingerprint)s::text IS NULL OR fingerprint = %(fingerprint)s::text)
ORDER BY check_id, attempt, place
LIMIT %(limit)s;

-- Decisions and seals --------------------------------------------------------------------------------------------

-- name: decision
SELECT d.decision_digest, d.input_digest, d.seal_digest, d.decision, d.input, d.seal, d.decided_at, p.branch
FROM decisions AS d LEFT JOIN run_preparations AS p ON p.run_id = d.run_id
WHERE d.run_id = %(run)s AND d.project_id = %(project)s;

-- What earlier runs of the same branch said, newest first.
-- name: history
SELECT d.run_id, d.verdict, d.failing
FROM decisions AS d JOIN run_preparations AS p ON p.run_id = d.run_id
WHERE d.project_id = %(project)s AND d.run_id < %(run)s AND p.branch = %(branch)s
ORDER BY d.run_id DESC
LIMIT %(limit)s;

-- name: seals_of_subject
SELECT run_id, verdict, subject_digest, blueprint_id, blueprint_digest, decision_digest, seal_digest, seal, decided_at
FROM decisions
WHERE project_id = %(project)s AND subject_digest = %(subject)s
    AND (%(before)s::uuid IS NULL OR run_id < %(before)s::uuid)
ORDER BY run_id DESC
LIMIT %(limit)s;

-- Live -----------------------------------------------------------------------------------------------------------

-- name: watched_runs
SELECT r.id, r.status, r.held, r.verdict, r.version, r.started_at, r.ended_at, s.failure
FROM runs AS r JOIN run_submissions AS s ON s.run_id = r.id
WHERE r.id = ANY(%(runs)s);

-- name: watched_attempts
SELECT a.run_id, a.check_id, a.attempt, a.run_version, a.completion, a.result, a.reason, a.next_step, a.duration_ms,
    a.cached_age_seconds, a.final, a.evidence_digest, a.evidence, a.ended_at
FROM unnest(%(runs)s::uuid[], %(versions)s::int[]) AS given (run_id, version)
JOIN check_attempts AS a ON a.run_id = given.run_id AND a.run_version > given.version
ORDER BY a.run_id, a.run_version, a.check_id, a.attempt;

-- name: watched_checks
SELECT run_id, check_id, attempt, status FROM check_runs WHERE run_id = ANY(%(runs)s) ORDER BY run_id, check_id;

-- name: watched_logs
SELECT given.run_id, given.check_id, last.attempt, last.sequence,
    r.step IS NULL OR EXISTS (
        SELECT 1 FROM check_attempts AS a
        WHERE a.run_id = given.run_id AND a.check_id = given.check_id AND a.final
    ) AS ended
FROM unnest(%(runs)s::uuid[], %(checks)s::text[]) AS given (run_id, check_id)
JOIN runs AS r ON r.id = given.run_id
LEFT JOIN LATERAL (
    SELECT l.attempt, l.sequence FROM check_logs AS l
    WHERE l.run_id = given.run_id AND l.check_id = given.check_id
    ORDER BY l.attempt DESC, l.sequence DESC LIMIT 1
) AS last ON true;

-- name: log_pieces
SELECT attempt, sequence, text FROM check_logs
WHERE run_id = %(run)s AND check_id = %(check)s AND (attempt, sequence) > (%(attempt)s::smallint, %(sequence)s::int)
ORDER BY attempt, sequence
LIMIT %(limit)s;

-- name: last_log_pieces
SELECT attempt, sequence, text FROM check_logs
WHERE run_id = %(run)s AND check_id = %(check)s
ORDER BY attempt DESC, sequence DESC
LIMIT %(limit)s;

-- name: check_is_known
SELECT EXISTS (SELECT 1 FROM check_runs WHERE run_id = %(run)s AND check_id = %(check)s)
    OR EXISTS (SELECT 1 FROM check_attempts WHERE run_id = %(run)s AND check_id = %(check)s) AS known;

-- name: plan_of_run
SELECT l.document AS plan FROM runs AS r JOIN run_plans AS l ON l.digest = r.plan_digest
WHERE r.id = %(run)s AND r.project_id = %(project)s;

-- Dead letters ---------------------------------------------------------------------------------------------------

-- name: list_dead_letters
SELECT id, run_id, check_id, reason, created_at, replayed_at, replayed_as
FROM dead_letters
WHERE project_id = %(project)s
    AND (%(before)s::uuid IS NULL OR id < %(before)s::uuid)
    AND (%(replayed)s::boolean IS NULL OR (replayed_at IS NOT NULL) = %(replayed)s::boolean)
ORDER BY id DESC
LIMIT %(limit)s;

-- name: dead_letter
SELECT d.id, d.run_id, d.check_id, d.reason, d.details, d.created_at, d.replayed_at, d.replayed_as,
    s.document AS submission
FROM dead_letters AS d LEFT JOIN run_submissions AS s ON s.run_id = d.run_id
WHERE d.id = %(letter)s AND d.project_id = %(project)s;

-- Projects -------------------------------------------------------------------------------------------------------

-- name: repository
SELECT repository_url AS repository FROM projects WHERE id = %(project)s;
