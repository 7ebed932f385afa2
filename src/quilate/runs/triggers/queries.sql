-- Events ---------------------------------------------------------------------------------------------------------

-- name: insert_events
INSERT INTO inbound_events (
    id, project_id, hook_id, source, event_id, identity, replay_identity, provider, kind, order_key, facts,
    payload_digest, payload_bytes, state, reason, settled_at
)
SELECT id, project_id, hook_id, source, event_id, identity, replay_identity, provider, kind, order_key, facts::jsonb,
    payload_digest, payload_bytes, CASE WHEN refusal = '' THEN 'pending' ELSE 'refused' END, refusal,
    CASE WHEN refusal <> '' THEN now() END
FROM unnest(
    %(ids)s::uuid[], %(projects)s::uuid[], %(hooks)s::uuid[], %(sources)s::text[], %(names)s::text[],
    %(identities)s::bytea[], %(replays)s::bytea[], %(providers)s::text[], %(kinds)s::text[], %(keys)s::text[],
    %(facts)s::text[], %(digests)s::text[], %(lengths)s::int[], %(refusals)s::text[]
) WITH ORDINALITY AS given (
    id, project_id, hook_id, source, event_id, identity, replay_identity, provider, kind, order_key, facts,
    payload_digest, payload_bytes, refusal, place
)
ORDER BY place
ON CONFLICT DO NOTHING
RETURNING id;

-- name: known_events
SELECT e.id, e.project_id, e.identity, e.replay_identity
FROM unnest(%(projects)s::uuid[], %(identities)s::bytea[], %(replays)s::bytea[])
    AS given (project_id, identity, replay_identity)
JOIN inbound_events AS e ON e.project_id = given.project_id
    AND (e.identity = given.identity OR e.replay_identity = given.replay_identity);

-- name: event
SELECT * FROM inbound_events WHERE id = %(id)s AND project_id = %(project)s;

-- name: events
SELECT * FROM inbound_events
WHERE project_id = %(project)s AND (%(before)s::uuid IS NULL OR id < %(before)s)
    AND (%(state)s::text IS NULL OR state = %(state)s) AND (%(kind)s::text IS NULL OR kind = %(kind)s)
ORDER BY id DESC LIMIT %(limit)s;

-- name: replay_event
UPDATE inbound_events
SET state = 'pending', reason = '', next_step = '', attempts = 0, replays = replays + 1, ready_at = now(),
    settled_at = NULL
WHERE id = %(id)s AND project_id = %(project)s AND state <> 'pending'
RETURNING *;

-- name: forget_events
DELETE FROM inbound_events WHERE id IN (
    SELECT id FROM inbound_events
    WHERE id < %(oldest)s AND state <> 'pending'
    ORDER BY id LIMIT %(most)s
);

-- name: forget_heads
DELETE FROM inbound_heads WHERE updated_at < now() - make_interval(days => %(days)s);

-- Working off ----------------------------------------------------------------------------------------------------

-- The subjects with something pending, that with the oldest event first; one that another process works on is left to
-- it. The lock is held until the transaction ends, so that a subject's events are worked off one after the other.
-- name: claim_subjects
SELECT project_id, order_key FROM (
    SELECT project_id, order_key, sequence FROM (
        SELECT DISTINCT ON (project_id, order_key) project_id, order_key, sequence, ready_at
        FROM inbound_events WHERE state = 'pending'
        ORDER BY project_id, order_key, sequence
    ) AS oldest
    WHERE ready_at <= now()
    ORDER BY sequence
) AS waiting
WHERE pg_try_advisory_xact_lock(1911, hashtext(project_id::text || ' ' || order_key))
LIMIT %(subjects)s;

-- name: pending_events
SELECT e.* FROM unnest(%(projects)s::uuid[], %(keys)s::text[]) AS claimed (project_id, order_key)
JOIN inbound_events AS e
    ON e.project_id = claimed.project_id AND e.order_key = claimed.order_key AND e.state = 'pending'
ORDER BY e.sequence LIMIT %(limit)s;

-- name: settle_events
UPDATE inbound_events AS e SET
    state = given.state, rule = given.rule, run_id = coalesce(given.run_id, e.run_id), reason = given.reason,
    next_step = given.next_step, attempts = e.attempts + 1, ready_at = now() + make_interval(secs => given.pause),
    settled_at = CASE WHEN given.state <> 'pending' THEN now() END
FROM unnest(
    %(ids)s::uuid[], %(states)s::text[], %(rules)s::text[], %(runs)s::uuid[], %(reasons)s::text[],
    %(next_steps)s::text[], %(pauses)s::float8[]
) AS given (id, state, rule, run_id, reason, next_step, pause)
WHERE e.id = given.id AND e.state = 'pending';

-- name: projects_of_events
SELECT p.id, p.slug, p.repository_url, p.protected_branch, p.archived, r.rules::text AS rules
FROM projects AS p LEFT JOIN trigger_rules AS r ON r.project_id = p.id
WHERE p.id = ANY (%(projects)s::uuid[]);

-- name: heads
SELECT h.* FROM unnest(%(projects)s::uuid[], %(keys)s::text[]) AS given (project_id, order_key)
JOIN inbound_heads AS h USING (project_id, order_key);

-- name: keep_heads
INSERT INTO inbound_heads (project_id, order_key, commit_id, occurred_at, earlier)
SELECT project_id, order_key, commit_id, occurred_at, string_to_array(earlier, ' ')
FROM unnest(%(projects)s::uuid[], %(keys)s::text[], %(commits)s::text[], %(moments)s::timestamptz[],
    %(earlier)s::text[]) AS given (project_id, order_key, commit_id, occurred_at, earlier)
ON CONFLICT (project_id, order_key) DO UPDATE SET
    commit_id = excluded.commit_id, occurred_at = excluded.occurred_at, earlier = excluded.earlier, updated_at = now();

-- name: drop_heads
DELETE FROM inbound_heads AS h
USING unnest(%(projects)s::uuid[], %(keys)s::text[]) AS given (project_id, order_key)
WHERE h.project_id = given.project_id AND h.order_key = given.order_key;

-- name: active_runs_of_subject
SELECT r.id FROM inbound_events AS e JOIN runs AS r ON r.id = e.run_id
WHERE e.project_id = %(project)s AND e.order_key = %(key)s AND e.run_id IS NOT NULL AND r.step IS NOT NULL
ORDER BY r.id
FOR UPDATE OF r;

-- Hooks ----------------------------------------------------------------------------------------------------------

-- name: insert_hook
INSERT INTO inbound_hooks (id, project_id, name, provider, repositories, paused, secret, author)
VALUES (%(id)s, %(project)s, %(name)s, %(provider)s, %(repositories)s, %(paused)s, %(secret)s, %(author)s)
ON CONFLICT DO NOTHING;

-- name: hook
SELECT h.*, p.slug FROM inbound_hooks AS h JOIN projects AS p ON p.id = h.project_id
WHERE h.id = %(id)s AND (%(project)s::uuid IS NULL OR h.project_id = %(project)s);

-- name: locked_hook
SELECT h.*, p.slug FROM inbound_hooks AS h JOIN projects AS p ON p.id = h.project_id
WHERE h.id = %(id)s AND h.project_id = %(project)s
FOR UPDATE OF h;

-- name: hooks
SELECT h.*, p.slug FROM inbound_hooks AS h JOIN projects AS p ON p.id = h.project_id
WHERE h.project_id = %(project)s AND (%(before)s::uuid IS NULL OR h.id < %(before)s)
ORDER BY h.id DESC LIMIT %(limit)s;

-- name: same_hook_name
SELECT id FROM inbound_hooks WHERE project_id = %(project)s AND name = %(name)s AND id <> %(id)s;

-- name: update_hook
UPDATE inbound_hooks
SET name = %(name)s, repositories = %(repositories)s, paused = %(paused)s, author = %(author)s,
    revision = revision + 1, updated_at = now()
WHERE id = %(id)s;

-- name: rotate_hook
UPDATE inbound_hooks
SET previous_secret = secret, previous_until = now() + make_interval(secs => %(overlap)s), secret = %(secret)s,
    author = %(author)s, revision = revision + 1, updated_at = now()
WHERE id = %(id)s;

-- name: delete_hook
DELETE FROM inbound_hooks WHERE id = %(id)s;

-- name: count_refusals
UPDATE inbound_hooks AS h SET refused = h.refused + given.number, refused_at = now()
FROM unnest(%(ids)s::uuid[], %(numbers)s::bigint[]) AS given (id, number)
WHERE h.id = given.id;

-- name: forget_old_secrets
UPDATE inbound_hooks SET previous_secret = NULL, previous_until = NULL WHERE previous_until < now();

-- Rules ----------------------------------------------------------------------------------------------------------

-- name: rules
SELECT rules::text AS rules, revision, author, updated_at FROM trigger_rules WHERE project_id = %(project)s;

-- name: lock_rules
SELECT id FROM projects WHERE id = %(project)s FOR NO KEY UPDATE;

-- name: keep_rules
INSERT INTO trigger_rules (project_id, rules, author) VALUES (%(project)s, %(rules)s::text::jsonb, %(author)s)
ON CONFLICT (project_id) DO UPDATE SET
    rules = excluded.rules, author = excluded.author, revision = trigger_rules.revision + 1, updated_at = now()
RETURNING rules::text AS rules, revision, author, updated_at;

-- From inside ----------------------------------------------------------------------------------------------------

-- name: lock_reader
SELECT pg_try_advisory_xact_lock(1912, hashtext(%(reader)s)) AS mine;

-- name: position
SELECT sequence FROM inbound_positions WHERE reader = %(reader)s;

-- Rows appear in the order of their commits, not of their numbers: those younger than the patience of a transaction are
-- read again the next time, and what is known already counts once.
-- name: outgoing_since
SELECT sequence, id, type, project_id, subject, data::text AS data, created_at
FROM outgoing_events
WHERE sequence > %(position)s AND type = ANY (%(types)s::text[])
ORDER BY sequence LIMIT %(limit)s;

-- name: next_position
SELECT coalesce(
    min(sequence) FILTER (WHERE created_at >= now() - make_interval(secs => %(patience)s)) - 1, max(sequence)
) AS sequence
FROM (
    SELECT sequence, created_at FROM outgoing_events WHERE sequence > %(position)s ORDER BY sequence LIMIT %(limit)s
) AS following;

-- name: keep_position
INSERT INTO inbound_positions (reader, sequence) VALUES (%(reader)s, %(sequence)s)
ON CONFLICT (reader) DO UPDATE SET sequence = excluded.sequence;

-- Registries -----------------------------------------------------------------------------------------------------

-- name: insert_poll
INSERT INTO registry_polls (id, project_id, name, url, token, hook_id, interval_seconds, position, author)
VALUES (%(id)s, %(project)s, %(name)s, %(url)s, %(token)s, %(hook)s, %(interval)s, %(position)s, %(author)s)
ON CONFLICT DO NOTHING;

-- name: poll
SELECT * FROM registry_polls WHERE id = %(id)s AND project_id = %(project)s;

-- name: polls
SELECT * FROM registry_polls
WHERE project_id = %(project)s AND (%(before)s::uuid IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s;

-- name: delete_poll
DELETE FROM registry_polls WHERE id = %(id)s AND project_id = %(project)s;

-- The claim is a lease: one that dies with its process is due again.
-- name: claim_poll
UPDATE registry_polls SET next_poll = now() + make_interval(secs => %(lease)s)
WHERE id = (
    SELECT r.id FROM registry_polls AS r JOIN projects AS p ON p.id = r.project_id
    WHERE r.next_poll <= now() AND NOT p.archived
    ORDER BY r.next_poll LIMIT 1
    FOR UPDATE OF r SKIP LOCKED
)
RETURNING *;

-- name: polled
UPDATE registry_polls
SET position = greatest(position, %(position)s), failures = 0, error = '', polled_at = now(),
    next_poll = now() + make_interval(secs => interval_seconds)
WHERE id = %(id)s;

-- name: poll_failed
UPDATE registry_polls
SET failures = failures + 1, error = %(error)s,
    next_poll = now() + make_interval(secs => least(interval_seconds * power(2, least(failures, 6)), 3600))
WHERE id = %(id)s;
