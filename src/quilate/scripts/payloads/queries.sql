-- name: project_keys
SELECT id, purpose, number, sealed FROM script_data_keys WHERE project_id = %(project)s ORDER BY purpose, number;

-- name: insert_key
INSERT INTO script_data_keys (id, project_id, purpose, number, sealed)
VALUES (%(id)s, %(project)s, %(purpose)s, %(number)s, %(sealed)s)
ON CONFLICT (project_id, purpose, number) DO NOTHING;

-- name: insert_subjects
INSERT INTO script_subjects (project_id, token, execution_id)
SELECT * FROM unnest(%(projects)s::uuid[], %(tokens)s::bytea[], %(executions)s::uuid[])
ON CONFLICT DO NOTHING;

-- name: count_subject
SELECT count(*) AS executions FROM script_subjects WHERE project_id = %(project)s AND token = %(token)s;

-- name: erasures_of_subject
SELECT count(*) AS erasures FROM script_erasures WHERE project_id = %(project)s AND token = %(token)s;

-- Executions about somebody, in one order, so that two erasures at once do not wait for each other in a circle.
-- name: lock_executions_of_subject
SELECT e.id FROM script_executions AS e
WHERE e.project_id = %(project)s AND e.id IN (
    SELECT s.execution_id FROM script_subjects AS s WHERE s.project_id = %(project)s AND s.token = %(token)s
)
ORDER BY e.id
FOR UPDATE OF e;

-- The shortest time that anything is kept for, as days; nothing where all is kept for good.
-- name: shortest_retention
SELECT min(days) AS days FROM (
    SELECT days FROM script_retention WHERE days > 0 UNION ALL SELECT %(days)s::integer WHERE %(days)s > 0
) AS given;

-- Executions of which something is kept, from a place on; those in the database and those outside by an index each.
-- name: held_executions
SELECT id FROM (
    (SELECT execution_id AS id FROM script_payloads
     WHERE execution_id > %(after)s AND execution_id < %(oldest)s ORDER BY execution_id LIMIT %(most)s)
    UNION
    (SELECT id FROM script_executions
     WHERE (input_reference IS NOT NULL OR output_reference IS NOT NULL) AND id > %(after)s AND id < %(oldest)s
     ORDER BY id LIMIT %(most)s)
) AS held
ORDER BY id
LIMIT %(most)s;

-- Those whose time is over; projects with days of their own go by them. What waits or runs stays.
-- name: lock_expired_executions
SELECT e.id, e.project_id FROM script_executions AS e
LEFT JOIN script_retention AS r ON r.project_id = e.project_id
WHERE e.id = ANY (%(ids)s::uuid[])
    AND e.status <> 'pending'
    AND coalesce(r.days, %(days)s) > 0
    AND e.submitted_at < now() - make_interval(days => coalesce(r.days, %(days)s))
ORDER BY e.id
FOR UPDATE OF e SKIP LOCKED;

-- What waits is cancelled: without its input it could not be run. A worker that has it finds its claim gone.
-- name: cancel_waiting
WITH gone AS (
    DELETE FROM script_queue WHERE execution_id = ANY (%(ids)s::uuid[]) RETURNING execution_id
)
UPDATE script_executions SET
    status = 'cancelled', ended_at = now(), failure_class = 'Cancelled', failure_message = 'erased'
WHERE id IN (SELECT execution_id FROM gone)
RETURNING id, script_id, version_id;

-- What of the contents lies outside the database, for whoever deletes it; before they are forgotten.
-- name: insert_removals
INSERT INTO script_removals (reference, project_id, sealed)
SELECT reference, min(project_id::text)::uuid, bool_and(sealed)
FROM (
    SELECT e.project_id, held.reference, coalesce(substring(p.data FROM 1 FOR 5) = %(envelope)s, false) AS sealed
    FROM script_executions AS e
    CROSS JOIN LATERAL (
        VALUES ('input', e.input_reference), ('output', e.output_reference)
    ) AS held (part, reference)
    LEFT JOIN script_payloads AS p ON p.execution_id = e.id AND p.part = held.part
    WHERE e.id = ANY (%(ids)s::uuid[]) AND held.reference IS NOT NULL AND held.reference NOT LIKE 'dataset:%%'
) AS found
GROUP BY reference
ON CONFLICT (reference) DO NOTHING
RETURNING reference;

-- name: remove_contents
DELETE FROM script_payloads WHERE execution_id = ANY (%(ids)s::uuid[]);

-- Of what was erased not even the digest stays: that of a short content can be guessed.
-- name: forget_contents
UPDATE script_executions SET input_reference = NULL, output_reference = NULL, dead = false
WHERE id = ANY (%(ids)s::uuid[]);

-- name: erase_traces
UPDATE script_executions SET
    history = NULL, parts = NULL, failure_record = NULL,
    failure_message = CASE WHEN failure_message IS NULL THEN NULL ELSE 'erased' END,
    input_digest = '', output_digest = CASE WHEN output_digest IS NULL THEN NULL ELSE '' END
WHERE id = ANY (%(ids)s::uuid[]);

-- name: removals
SELECT reference, project_id, sealed FROM script_removals
WHERE reference > %(after)s ORDER BY reference LIMIT %(most)s;

-- name: remove_removals
DELETE FROM script_removals WHERE reference = ANY (%(references)s::text[]);

-- name: remove_subjects
DELETE FROM script_subjects WHERE execution_id = ANY (%(ids)s::uuid[]);

-- name: insert_tombstones
INSERT INTO script_tombstones (execution_id, project_id, erasure_id)
SELECT id, %(project)s, %(erasure)s FROM unnest(%(ids)s::uuid[]) AS given (id)
ON CONFLICT DO NOTHING;

-- name: insert_erasure
INSERT INTO script_erasures (id, project_id, token, executions, reason, requested_by)
VALUES (%(id)s, %(project)s, %(token)s, %(executions)s, %(reason)s, %(actor)s)
ON CONFLICT (id) DO NOTHING;

-- name: erasures
SELECT id, executions, reason, requested_by, erased_at FROM script_erasures
WHERE project_id = %(project)s AND (%(before)s::uuid IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s;

-- name: referred_to
SELECT reference FROM unnest(%(references)s::text[]) AS given (reference)
WHERE EXISTS (SELECT FROM script_executions AS e WHERE e.input_reference = given.reference)
    OR EXISTS (SELECT FROM script_executions AS e WHERE e.output_reference = given.reference);

-- name: retention
SELECT days, revision, updated_at, updated_by FROM script_retention WHERE project_id = %(project)s;

-- name: lock_retention
SELECT days, revision, updated_at, updated_by FROM script_retention WHERE project_id = %(project)s FOR UPDATE;

-- name: set_retention
INSERT INTO script_retention (project_id, days, updated_by)
VALUES (%(project)s, %(days)s, %(actor)s)
ON CONFLICT (project_id) DO UPDATE
SET days = excluded.days, updated_by = excluded.updated_by, updated_at = now(),
    revision = script_retention.revision + 1
RETURNING days, revision, updated_at, updated_by;

-- name: insert_lineage
INSERT INTO script_lineage
    (version_id, execution_id, project_id, dataset, number, script_id, script_version_id, script_version,
     input_digest, input_address, output_digest, created_by)
VALUES
    (%(version)s, %(execution)s, %(project)s, %(dataset)s, %(number)s, %(script)s, %(script_version_id)s,
     %(script_version)s, %(input_digest)s, %(input_address)s, %(output_digest)s, %(actor)s)
ON CONFLICT DO NOTHING;

-- name: lineage
SELECT execution_id, dataset, number, script_id, script_version_id, script_version, input_digest, input_address,
    output_digest, created_at, created_by
FROM script_lineage
WHERE project_id = %(project)s AND dataset = %(dataset)s AND number = %(number)s
ORDER BY execution_id
LIMIT %(limit)s;

-- name: datasets_of_executions
SELECT DISTINCT dataset, number FROM script_lineage
WHERE project_id = %(project)s AND execution_id = ANY (%(ids)s::uuid[])
ORDER BY dataset, number
LIMIT %(limit)s;
