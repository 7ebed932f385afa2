-- name: insert_records
INSERT INTO access_records (id, project_id, actor, kind, subject, route, at)
SELECT * FROM unnest(
    %(ids)s::uuid[], %(projects)s::uuid[], %(actors)s::text[], %(kinds)s::text[], %(subjects)s::text[],
    %(routes)s::text[], %(times)s::timestamptz[]
)
ON CONFLICT DO NOTHING;

-- name: lock_sealing
SELECT pg_try_advisory_xact_lock(%(lock)s) AS locked;

-- name: unsealed_projects
SELECT DISTINCT project_id FROM access_records WHERE batch_id IS NULL LIMIT %(most)s;

-- name: unsealed_records
SELECT * FROM access_records
WHERE project_id = %(project_id)s AND batch_id IS NULL
ORDER BY id LIMIT %(most)s
FOR UPDATE;

-- name: insert_batch
INSERT INTO access_batches (id, project_id, records, digest, first_at, last_at)
VALUES (%(id)s, %(project_id)s, %(records)s, %(digest)s, %(first_at)s, %(last_at)s);

-- name: seal_records
UPDATE access_records SET batch_id = %(batch_id)s WHERE id = ANY(%(ids)s::uuid[]) AND batch_id IS NULL;

-- name: list_records
SELECT * FROM access_records
WHERE project_id = %(project_id)s AND id < %(before)s
AND (%(actor)s::text IS NULL OR actor = %(actor)s)
AND (%(kind)s::text IS NULL OR kind = %(kind)s)
AND (%(subject)s::text IS NULL OR subject = %(subject)s)
AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
ORDER BY id DESC LIMIT %(most)s;

-- name: list_batches
SELECT * FROM access_batches
WHERE project_id = %(project_id)s AND id < %(before)s
ORDER BY id DESC LIMIT %(most)s;

-- name: batch
SELECT * FROM access_batches WHERE id = %(id)s AND project_id = %(project_id)s;

-- name: records_of_batch
SELECT * FROM access_records WHERE batch_id = %(batch_id)s ORDER BY id;

-- name: expired_batches
SELECT * FROM access_batches
WHERE expired_at IS NULL AND last_at < now() - make_interval(days => %(days)s)
ORDER BY last_at LIMIT %(most)s
FOR UPDATE SKIP LOCKED;

-- name: delete_records
DELETE FROM access_records WHERE batch_id = ANY(%(batches)s::uuid[]);

-- name: expire_batches
UPDATE access_batches SET expired_at = now() WHERE id = ANY(%(batches)s::uuid[]);
