-- name: keep
INSERT INTO comment_commands (event_id, project_id, provider, repository, pull_request, sender, line)
VALUES (%(event)s, %(project)s, %(provider)s, %(repository)s, %(pull_request)s, %(sender)s, %(line)s)
ON CONFLICT (event_id) DO UPDATE SET done_at = NULL, due_at = now(), attempts = 0, error = ''
WHERE comment_commands.done_at IS NOT NULL AND comment_commands.error <> '';

-- Claimed for two minutes: whoever dies meanwhile leaves it to the next.
-- name: claim
UPDATE comment_commands SET attempts = attempts + 1, due_at = now() + interval '2 minutes'
FROM projects
WHERE projects.id = comment_commands.project_id AND event_id = (
    SELECT event_id FROM comment_commands WHERE done_at IS NULL AND due_at <= now()
    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING comment_commands.*, projects.slug, projects.name,
    (SELECT facts->>'repository_id' FROM inbound_events AS e WHERE e.id = comment_commands.event_id) AS repository_id;

-- name: connection
SELECT id FROM connections
WHERE project_id = %(project)s AND type = %(provider)s AND enabled AND deleted_at IS NULL
ORDER BY (lower(settings->>'repository') = lower(%(repository)s)) DESC NULLS LAST, id LIMIT 1;

-- name: know_actor
INSERT INTO forge_actors (id, provider, login) VALUES (%(id)s, %(provider)s, %(login)s) ON CONFLICT DO NOTHING;

-- name: answer
UPDATE comment_commands SET answer = %(answer)s WHERE event_id = %(event)s AND answer IS NULL;

-- name: done
UPDATE comment_commands SET done_at = now(), error = %(error)s WHERE event_id = %(event)s;

-- name: fail_event
UPDATE inbound_events SET state = 'failed', reason = %(reason)s, next_step = %(next_step)s
WHERE id = %(event)s AND state <> 'pending';

-- name: later
UPDATE comment_commands SET due_at = now() + make_interval(secs => %(pause)s), error = %(error)s
WHERE event_id = %(event)s;
