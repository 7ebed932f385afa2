-- name: insert_schedule
INSERT INTO schedules
    (id, project_id, name, cron, time_zone, missed, most_missed, enabled, submission, author, next_fire, planned_at)
VALUES
    (%(id)s, %(project)s, %(name)s, %(cron)s, %(time_zone)s, %(missed)s, %(most_missed)s, %(enabled)s,
     %(submission)s::text::jsonb, %(author)s, %(next_fire)s, %(now)s)
ON CONFLICT DO NOTHING;

-- name: now
SELECT clock_timestamp() AS now;

-- name: schedule
SELECT * FROM schedules WHERE project_id = %(project)s AND id = %(id)s;

-- name: locked_schedule
SELECT * FROM schedules WHERE project_id = %(project)s AND id = %(id)s FOR UPDATE;

-- name: schedules
SELECT * FROM schedules
WHERE project_id = %(project)s AND (%(before)s::uuid IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s;

-- name: same_name
SELECT id FROM schedules WHERE project_id = %(project)s AND name = %(name)s AND id <> %(id)s;

-- name: update_schedule
UPDATE schedules
SET name = %(name)s, cron = %(cron)s, time_zone = %(time_zone)s, missed = %(missed)s, most_missed = %(most_missed)s,
    enabled = %(enabled)s, submission = %(submission)s::text::jsonb, author = %(author)s, next_fire = %(next_fire)s,
    planned_at = %(now)s, revision = revision + 1, updated_at = now()
WHERE id = %(id)s
RETURNING *;

-- name: delete_schedule
DELETE FROM schedules WHERE id = %(id)s;

-- name: firings
SELECT * FROM schedule_firings
WHERE schedule_id = %(id)s AND project_id = %(project)s
    AND (%(before)s::timestamptz IS NULL OR fire_at < %(before)s)
ORDER BY fire_at DESC LIMIT %(limit)s;

-- name: claim_due
-- One schedule that is due, its row locked; those that another scheduler holds are left to it. An archived project
-- submits nothing.
SELECT schedules.*, projects.slug, projects.repository_url, clock_timestamp() AS now
FROM schedules JOIN projects ON projects.id = schedules.project_id
WHERE schedules.enabled AND schedules.next_fire <= clock_timestamp() AND NOT projects.archived
    AND schedules.id <> ALL (%(excluded)s::uuid[])
ORDER BY schedules.next_fire
LIMIT 1
FOR UPDATE OF schedules SKIP LOCKED;

-- name: claim_after_clock_change
-- One schedule whose next firing was computed in what is the future now: the clock was put back since.
SELECT schedules.*, projects.slug, projects.repository_url, clock_timestamp() AS now
FROM schedules JOIN projects ON projects.id = schedules.project_id
WHERE schedules.enabled AND schedules.planned_at > clock_timestamp() + interval '1 minute'
    AND schedules.id <> ALL (%(excluded)s::uuid[])
LIMIT 1
FOR UPDATE OF schedules SKIP LOCKED;

-- name: known_firings
SELECT fire_at FROM schedule_firings WHERE schedule_id = %(id)s AND fire_at = ANY (%(moments)s::timestamptz[]);

-- name: insert_firings
INSERT INTO schedule_firings (schedule_id, fire_at, project_id, outcome, run_id, reason, missed)
SELECT %(id)s, fire_at, %(project)s, outcome, run_id, reason, missed
FROM unnest(%(moments)s::timestamptz[], %(outcomes)s::text[], %(runs)s::uuid[], %(reasons)s::text[], %(missed)s::int[])
    AS given (fire_at, outcome, run_id, reason, missed);

-- name: advance
UPDATE schedules SET next_fire = %(next_fire)s, planned_at = %(now)s, enabled = %(enabled)s
WHERE id = %(id)s;
