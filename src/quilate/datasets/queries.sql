-- name: insert_entry
INSERT INTO catalogue_entries (id, project_id, kind, name, description, created_by)
VALUES (%(id)s, %(project)s, %(kind)s, %(name)s, %(description)s, %(actor)s)
ON CONFLICT (project_id, kind, name) DO NOTHING
RETURNING *;

-- name: find_entry
SELECT * FROM catalogue_entries WHERE project_id = %(project)s AND kind = %(kind)s AND name = %(name)s;

-- name: lock_entry
SELECT * FROM catalogue_entries WHERE project_id = %(project)s AND kind = %(kind)s AND name = %(name)s FOR UPDATE;

-- name: list_entries
SELECT * FROM catalogue_entries
WHERE project_id = %(project)s AND kind = %(kind)s AND name > %(after)s AND (%(archived)s OR NOT archived)
ORDER BY name
LIMIT %(limit)s;

-- name: update_entry
UPDATE catalogue_entries
SET description = %(description)s, archived = %(archived)s, revision = revision + 1
WHERE id = %(id)s AND revision = %(revision)s
RETURNING *;

-- name: advance_entry
UPDATE catalogue_entries SET latest = %(number)s, revision = revision + 1 WHERE id = %(id)s;

-- name: version_of_digest
SELECT * FROM catalogue_versions WHERE entry_id = %(entry)s AND digest = %(digest)s;

-- name: insert_version
INSERT INTO catalogue_versions
    (id, entry_id, number, digest, size_bytes, file_count, row_count, columns, parent, comment, created_by)
VALUES (%(id)s, %(entry)s, %(number)s, %(digest)s, %(size)s, %(files)s, %(rows)s, %(columns)s::jsonb, %(parent)s,
    %(comment)s, %(actor)s)
RETURNING *;

-- name: insert_files
INSERT INTO catalogue_files (version_id, path, digest, size_bytes, format, row_count, columns)
SELECT %(version)s, path, digest, size_bytes, format, row_count, columns::jsonb
FROM unnest(%(paths)s::text[], %(digests)s::text[], %(sizes)s::bigint[], %(formats)s::text[], %(rows)s::bigint[],
    %(columns)s::text[]) AS given (path, digest, size_bytes, format, row_count, columns);

-- name: find_version
SELECT version.* FROM catalogue_versions AS version
JOIN catalogue_entries AS entry ON entry.id = version.entry_id
WHERE entry.project_id = %(project)s AND entry.kind = %(kind)s AND entry.name = %(name)s
    AND version.number = coalesce(%(number)s, entry.latest);

-- name: list_versions
SELECT * FROM catalogue_versions
WHERE entry_id = %(entry)s AND number < %(before)s
ORDER BY number DESC
LIMIT %(limit)s;

-- name: list_files
SELECT * FROM catalogue_files WHERE version_id = %(version)s AND path > %(after)s ORDER BY path LIMIT %(limit)s;

-- name: find_file
SELECT * FROM catalogue_files WHERE version_id = %(version)s AND path = %(path)s;

-- name: keep_archive
INSERT INTO source_archives (project_id, digest, size_bytes, uploaded_by, expires_at)
VALUES (%(project)s, %(digest)s, %(size)s, %(actor)s, now() + make_interval(days => %(days)s))
ON CONFLICT (project_id, digest) DO UPDATE SET uploaded_at = now(), expires_at = excluded.expires_at
RETURNING *;

-- name: find_archive
SELECT * FROM source_archives WHERE project_id = %(project)s AND digest = %(digest)s AND expires_at > now();

-- name: expire_archives
DELETE FROM source_archives WHERE expires_at <= now() RETURNING project_id, digest;

-- name: is_referenced
SELECT EXISTS (SELECT FROM catalogue_versions WHERE digest = %(digest)s)
    OR EXISTS (SELECT FROM catalogue_files WHERE digest = %(digest)s)
    OR EXISTS (SELECT FROM source_archives WHERE digest = %(digest)s) AS referenced;
