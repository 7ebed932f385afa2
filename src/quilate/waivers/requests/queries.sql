-- name: insert_request
INSERT INTO waiver_requests (id, project_id, state, rule, paths, check_id, reason, until, owner)
VALUES (%(id)s, %(project)s, 'requested', %(rule)s, %(paths)s::text[], %(check)s, %(reason)s, %(until)s, %(owner)s)
ON CONFLICT (id) DO NOTHING;

-- name: today
SELECT (now() AT TIME ZONE 'UTC')::date AS today, ((now() AT TIME ZONE 'UTC')::date + interval '1 year')::date AS last;

-- name: request
SELECT *, now() AS read_at FROM waiver_requests WHERE project_id = %(project)s AND id = %(id)s;

-- name: locked_request
SELECT *, now() AS read_at FROM waiver_requests WHERE project_id = %(project)s AND id = %(id)s FOR UPDATE;

-- name: requests
-- A waiver whose last day is over is expired, whether or not its end was written down already.
SELECT *, now() AS read_at FROM waiver_requests
WHERE project_id = %(project)s
    AND (%(before)s::uuid IS NULL OR id < %(before)s)
    AND (%(rule)s::text IS NULL OR rule = %(rule)s)
    AND (
        %(state)s::text IS NULL
        OR CASE
            WHEN state IN ('requested', 'approved') AND until < (now() AT TIME ZONE 'UTC')::date THEN 'expired'
            ELSE state
        END = %(state)s
    )
ORDER BY id DESC LIMIT %(limit)s;

-- name: decide
UPDATE waiver_requests
SET state = %(state)s, decided_by = %(person)s, decided_at = now(), decision_comment = %(comment)s
WHERE id = %(id)s AND state = 'requested' AND owner <> %(person)s
RETURNING *, now() AS read_at;

-- name: revoke
UPDATE waiver_requests SET state = 'revoked', ended_by = %(person)s, ended_at = now(), end_reason = %(reason)s
WHERE id = %(id)s AND state IN ('requested', 'approved')
RETURNING *, now() AS read_at;

-- name: approved
SELECT id, rule, paths, reason, until, owner, decided_by FROM waiver_requests
WHERE project_id = %(project)s AND state = 'approved' AND until >= %(on)s
ORDER BY id;

-- name: expire
WITH due AS (
    SELECT id FROM waiver_requests
    WHERE state IN ('requested', 'approved') AND until < (now() AT TIME ZONE 'UTC')::date
    ORDER BY until LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE waiver_requests SET state = 'expired', ended_by = %(person)s, ended_at = now()
FROM due WHERE waiver_requests.id = due.id
RETURNING waiver_requests.*, now() AS read_at;

-- The nearest reminder that is due; those that were slept through are not made up for.
-- name: remind
WITH due AS (
    SELECT w.id, min(days.before) AS days_before
    FROM waiver_requests AS w
    JOIN unnest(%(days)s::smallint[]) AS days (before)
        ON w.until - (now() AT TIME ZONE 'UTC')::date <= days.before
    WHERE w.state = 'approved' AND w.until >= (now() AT TIME ZONE 'UTC')::date
    GROUP BY w.id
    HAVING NOT EXISTS (
        SELECT 1 FROM waiver_reminders AS r WHERE r.waiver_id = w.id AND r.days_before <= min(days.before)
    )
    ORDER BY min(w.until)
    LIMIT %(limit)s
),
sent AS (
    INSERT INTO waiver_reminders (waiver_id, days_before) SELECT id, days_before FROM due
    ON CONFLICT DO NOTHING RETURNING waiver_id
)
SELECT waiver_requests.*, now() AS read_at FROM waiver_requests JOIN sent ON sent.waiver_id = waiver_requests.id;
