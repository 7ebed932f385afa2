-- Connections ----------------------------------------------------------------------------------------------------

-- name: insert_connection
INSERT INTO connections (id, project_id, name, type, settings, events, enabled, created_by)
VALUES (%(id)s, %(project)s, %(name)s, %(type)s, %(settings)s::jsonb, %(events)s::text[], %(enabled)s, %(actor)s)
ON CONFLICT DO NOTHING;

-- name: connection
SELECT c.*, coalesce((SELECT array_agg(s.name ORDER BY s.name) FROM connection_secrets AS s
    WHERE s.connection_id = c.id), '{}') AS secret_names
FROM connections AS c WHERE c.project_id = %(project)s AND c.id = %(id)s AND c.deleted_at IS NULL;

-- name: locked_connection
SELECT id FROM connections WHERE project_id = %(project)s AND id = %(id)s AND deleted_at IS NULL FOR UPDATE;

-- name: connections
SELECT c.*, coalesce((SELECT array_agg(s.name ORDER BY s.name) FROM connection_secrets AS s
    WHERE s.connection_id = c.id), '{}') AS secret_names
FROM connections AS c
WHERE c.project_id = %(project)s AND c.deleted_at IS NULL AND (%(before)s::uuid IS NULL OR c.id < %(before)s::uuid)
ORDER BY c.id DESC LIMIT %(limit)s;

-- name: name_is_taken
SELECT EXISTS (SELECT 1 FROM connections
    WHERE project_id = %(project)s AND name = %(name)s AND deleted_at IS NULL AND id <> %(id)s) AS taken;

-- name: update_connection
UPDATE connections SET name = %(name)s, settings = %(settings)s::jsonb, events = %(events)s::text[],
    enabled = %(enabled)s, disabled_reason = '', revision = revision + 1
WHERE id = %(id)s;

-- name: set_secret
INSERT INTO connection_secrets (connection_id, name, sealed) VALUES (%(id)s, %(name)s, %(sealed)s)
ON CONFLICT (connection_id, name) DO UPDATE SET sealed = EXCLUDED.sealed;

-- name: forget_secret
DELETE FROM connection_secrets WHERE connection_id = %(id)s AND name = %(name)s;

-- name: delete_connection
WITH gone AS (
    UPDATE connections SET deleted_at = now(), enabled = false, revision = revision + 1 WHERE id = %(id)s RETURNING id
),
secrets AS (
    DELETE FROM connection_secrets USING gone WHERE connection_id = gone.id
)
UPDATE deliveries SET state = 'dead', ended_at = now(), error = 'the connection was deleted',
    next_step = 'make it again for later events'
FROM gone WHERE deliveries.connection_id = gone.id AND deliveries.state IN ('pending', 'sending');

-- name: working_connection
SELECT c.id, c.project_id, c.type, c.settings, c.enabled, c.revision, p.slug
FROM connections AS c JOIN projects AS p ON p.id = c.project_id WHERE c.id = %(id)s AND c.deleted_at IS NULL;

-- name: sealed_secrets
SELECT name, sealed FROM connection_secrets WHERE connection_id = %(id)s;

-- name: remembered
SELECT value FROM connection_memory WHERE connection_id = %(id)s AND key = %(key)s;

-- name: remember
INSERT INTO connection_memory (connection_id, key, value) VALUES (%(id)s, %(key)s, %(value)s)
ON CONFLICT (connection_id, key) DO UPDATE SET value = EXCLUDED.value;

-- name: disable_connection
UPDATE connections SET enabled = false, disabled_reason = %(reason)s, revision = revision + 1
WHERE id = %(id)s AND enabled RETURNING project_id;

-- From events to deliveries --------------------------------------------------------------------------------------

-- One process at a time: two could make deliveries of a subject's later event first.
-- name: fan_out_turn
SELECT pg_try_advisory_xact_lock(1913, 0) AS mine;

-- name: fan_out
WITH events AS MATERIALIZED (
    SELECT * FROM outgoing_events WHERE NOT fanned_out ORDER BY sequence LIMIT %(limit)s
),
made AS (
    INSERT INTO deliveries (id, project_id, connection_id, event_id, place, type, subject, data, occurred_at)
    SELECT gen_random_uuid(), e.project_id, c.id, e.id, e.sequence, e.type, e.subject, e.data, e.created_at
    FROM events AS e
    JOIN connections AS c ON c.project_id = e.project_id AND c.enabled AND c.deleted_at IS NULL
        AND c.created_at < e.created_at
    WHERE EXISTS (SELECT 1 FROM unnest(c.events) AS wanted (pattern) WHERE e.type LIKE wanted.pattern)
    ON CONFLICT (connection_id, event_id) DO NOTHING
    RETURNING 1
),
marked AS (
    UPDATE outgoing_events SET fanned_out = true FROM events WHERE outgoing_events.sequence = events.sequence
)
SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM made) AS deliveries;

-- Deliveries -----------------------------------------------------------------------------------------------------

-- One subject's events go to one connection in their order: only the first that is open may be claimed.
-- name: claim
WITH wanted AS (
    SELECT * FROM unnest(%(connections)s::uuid[], %(free)s::int[]) AS given (connection_id, free)
),
chosen AS (
    SELECT d.id FROM wanted
    CROSS JOIN LATERAL (
        SELECT id FROM deliveries AS one
        WHERE one.connection_id = wanted.connection_id AND one.state IN ('pending', 'sending') AND one.due_at <= now()
            AND NOT EXISTS (
                SELECT 1 FROM deliveries AS earlier
                WHERE earlier.connection_id = one.connection_id AND earlier.subject = one.subject
                    AND earlier.place < one.place AND earlier.state IN ('pending', 'sending')
            )
        ORDER BY one.due_at, one.place
        LIMIT wanted.free
        FOR UPDATE SKIP LOCKED
    ) AS d
)
UPDATE deliveries SET state = 'sending', token = token + 1, attempts = attempts + 1,
    due_at = now() + make_interval(secs => %(lease)s)
FROM chosen, connections AS c, projects AS p
WHERE deliveries.id = chosen.id AND c.id = deliveries.connection_id AND p.id = deliveries.project_id
RETURNING deliveries.id, deliveries.connection_id, deliveries.token, deliveries.attempts, deliveries.event_id,
    deliveries.type, deliveries.subject, deliveries.data, deliveries.occurred_at, c.revision, p.slug;

-- name: connections_with_work
SELECT c.id FROM connections AS c
WHERE c.enabled AND c.deleted_at IS NULL AND NOT c.id = ANY(%(resting)s::uuid[]) AND EXISTS (
    SELECT 1 FROM deliveries AS d
    WHERE d.connection_id = c.id AND d.state IN ('pending', 'sending') AND d.due_at <= now()
);

-- name: end_attempts
WITH given AS (
    SELECT * FROM unnest(
        %(ids)s::uuid[], %(tokens)s::int[], %(states)s::text[], %(outcomes)s::text[], %(details)s::text[],
        %(references)s::text[], %(steps)s::text[], %(pauses)s::float8[], %(durations)s::int[]
    ) AS given (id, token, state, outcome, detail, reference, step, pause, duration)
),
ended AS (
    UPDATE deliveries SET
        state = given.state,
        attempts = CASE WHEN given.outcome = 'refused' THEN attempts - 1 ELSE attempts END,
        due_at = now() + make_interval(secs => given.pause),
        summary = CASE WHEN given.state = 'delivered' THEN given.detail ELSE summary END,
        reference = CASE WHEN given.reference = '' THEN deliveries.reference ELSE given.reference END,
        error = CASE WHEN given.state = 'delivered' THEN '' ELSE given.detail END,
        next_step = given.step,
        ended_at = CASE WHEN given.state IN ('delivered', 'dead') THEN now() END
    FROM given WHERE deliveries.id = given.id AND deliveries.token = given.token AND deliveries.state = 'sending'
    RETURNING deliveries.id, deliveries.project_id, deliveries.attempts, given.outcome, given.detail, given.duration,
        deliveries.state
),
kept AS (
    INSERT INTO delivery_attempts (delivery_id, attempt, outcome, detail, duration_ms)
    SELECT id, attempts, outcome, detail, duration FROM ended WHERE outcome <> 'refused'
    ON CONFLICT (delivery_id, attempt) DO UPDATE
        SET outcome = EXCLUDED.outcome, detail = EXCLUDED.detail, duration_ms = EXCLUDED.duration_ms, ended_at = now()
)
SELECT id, project_id, state FROM ended;

-- name: give_back
UPDATE deliveries SET state = 'pending', due_at = now()
FROM unnest(%(ids)s::uuid[], %(tokens)s::int[]) AS given (id, token)
WHERE deliveries.id = given.id AND deliveries.token = given.token AND deliveries.state = 'sending';

-- name: deliveries
SELECT d.*, c.name AS connection_name, c.type AS connector
FROM deliveries AS d JOIN connections AS c ON c.id = d.connection_id
WHERE d.project_id = %(project)s
    AND (%(before)s::uuid IS NULL OR (d.created_at, d.id) < (
        SELECT created_at, id FROM deliveries WHERE id = %(before)s::uuid AND project_id = %(project)s
    ))
    AND (%(state)s::text IS NULL OR d.state = %(state)s::text)
    AND (%(connection)s::uuid IS NULL OR d.connection_id = %(connection)s::uuid)
    AND (%(subject)s::text IS NULL OR d.subject = %(subject)s::text)
ORDER BY d.created_at DESC, d.id DESC LIMIT %(limit)s;

-- name: delivery
SELECT d.*, c.name AS connection_name, c.type AS connector
FROM deliveries AS d JOIN connections AS c ON c.id = d.connection_id
WHERE d.project_id = %(project)s AND d.id = %(id)s;

-- name: attempts
SELECT attempt, outcome, detail, duration_ms, ended_at FROM delivery_attempts WHERE delivery_id = %(id)s ORDER BY attempt;

-- name: replay
UPDATE deliveries SET state = 'pending', due_at = now(), ended_at = NULL, error = '', next_step = ''
WHERE project_id = %(project)s AND id = %(id)s AND state = 'dead' RETURNING id;

-- name: forget_deliveries
DELETE FROM deliveries WHERE id IN (
    SELECT id FROM deliveries WHERE ended_at < now() - make_interval(days => %(days)s)
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED
);

-- name: forget_events
DELETE FROM outgoing_events WHERE sequence IN (
    -- Of the first ones only: where none of them is old, none is, and the whole table need not be read to know it.
    SELECT sequence FROM (
        SELECT sequence, fanned_out, created_at FROM outgoing_events ORDER BY sequence LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ) AS oldest
    WHERE fanned_out AND created_at < now() - make_interval(days => %(days)s)
);

-- name: queue_figures
SELECT c.type, count(*)::float8 AS open, (count(*) FILTER (WHERE d.error <> ''))::float8 AS failing,
    coalesce(extract(epoch FROM now() - min(d.created_at)), 0)::float8 AS oldest
FROM deliveries AS d JOIN connections AS c ON c.id = d.connection_id
WHERE d.state IN ('pending', 'sending') GROUP BY c.type;

-- name: recent_figures
SELECT c.type, d.state, count(*)::float8 AS number
FROM deliveries AS d JOIN connections AS c ON c.id = d.connection_id
WHERE d.ended_at > now() - make_interval(secs => %(seconds)s) GROUP BY c.type, d.state;

-- name: waiting_events
SELECT count(*)::float8 AS number FROM outgoing_events WHERE NOT fanned_out;

-- Reports --------------------------------------------------------------------------------------------------------

-- name: reported_run
SELECT r.id, r.status, r.verdict, r.submitted_at, r.started_at, r.ended_at, s.document::text AS submission, s.failure,
    s.document->'trigger' AS trigger, p.subject_kind, p.subject_name, p.subject_digest, p.revision, p.branch,
    d.decision_digest, d.input_digest, d.input, d.what_if, q.slug,
    EXISTS (
        SELECT 1 FROM runs AS newer
        WHERE r.status = 'cancelled' AND r.concurrency_key IS NOT NULL AND newer.project_id = r.project_id
            AND newer.concurrency_key = r.concurrency_key AND newer.id > r.id
    ) AS superseded
FROM runs AS r
JOIN run_submissions AS s ON s.run_id = r.id
JOIN projects AS q ON q.id = r.project_id
LEFT JOIN run_preparations AS p ON p.run_id = r.id
LEFT JOIN decisions AS d ON d.run_id = r.id
WHERE r.id = %(run)s AND r.project_id = %(project)s;
