-- name: insert_draft
INSERT INTO blueprint_drafts (id, project_id, name, version, description, text, digest, authors)
VALUES (%(id)s, %(project)s, %(name)s, %(version)s, %(description)s, %(text)s, %(digest)s, ARRAY[%(author)s::text])
ON CONFLICT DO NOTHING;

-- name: draft
SELECT * FROM blueprint_drafts WHERE project_id = %(project)s AND name = %(name)s;

-- name: locked_draft
SELECT * FROM blueprint_drafts WHERE project_id = %(project)s AND name = %(name)s FOR UPDATE;

-- name: update_draft
UPDATE blueprint_drafts
SET version = %(version)s, description = %(description)s, text = %(text)s, digest = %(digest)s,
    revision = revision + 1, updated_at = now(),
    authors = array_append(array_remove(authors, %(author)s::text), %(author)s::text)
WHERE id = %(id)s
RETURNING *;

-- name: delete_draft
DELETE FROM blueprint_drafts WHERE id = %(id)s;

-- name: insert_version
INSERT INTO blueprint_versions
    (id, project_id, name, version, sequence, description, text, standalone, digest, authors, publisher)
SELECT %(id)s, %(project)s, %(name)s, %(version)s, coalesce(max(sequence), 0) + 1,
    %(description)s, %(text)s, %(standalone)s, %(digest)s, %(authors)s::text[], %(publisher)s
FROM blueprint_versions WHERE project_id = %(project)s AND name = %(name)s
RETURNING *;

-- name: newest_version
-- The newest version of a name that was not withdrawn.
SELECT * FROM blueprint_versions
WHERE project_id = %(project)s AND name = %(name)s AND withdrawn_at IS NULL
ORDER BY sequence DESC LIMIT 1;

-- name: version
SELECT * FROM blueprint_versions WHERE project_id = %(project)s AND name = %(name)s AND version = %(version)s;

-- name: locked_version
SELECT * FROM blueprint_versions WHERE project_id = %(project)s AND name = %(name)s AND version = %(version)s
FOR UPDATE;

-- name: highest_version
-- What was published last, withdrawn or not: numbers are never used again.
SELECT id, version FROM blueprint_versions WHERE project_id = %(project)s AND name = %(name)s
ORDER BY sequence DESC LIMIT 1;

-- name: versions
SELECT * FROM blueprint_versions
WHERE project_id = %(project)s AND name = %(name)s AND sequence < coalesce(%(before)s::integer, 2147483647)
ORDER BY sequence DESC LIMIT %(limit)s;

-- name: withdraw_version
UPDATE blueprint_versions SET withdrawn_at = now(), withdrawn_by = %(person)s, withdrawal_reason = %(reason)s
WHERE id = %(id)s AND withdrawn_at IS NULL
RETURNING *;

-- name: names
-- The project's own blueprints by name, each with its newest version that counts and its draft.
WITH named AS (
    SELECT name FROM (
        SELECT name FROM blueprint_drafts WHERE project_id = %(project)s AND name COLLATE "C" > %(after)s
        UNION
        SELECT name FROM blueprint_versions WHERE project_id = %(project)s AND name COLLATE "C" > %(after)s
    ) AS either
    ORDER BY name COLLATE "C" LIMIT %(limit)s
)
SELECT named.name, newest.version, newest.digest, newest.published_at, draft.version AS draft_version,
    coalesce(newest.description, draft.description, '') AS description
FROM named
LEFT JOIN blueprint_drafts AS draft ON draft.project_id = %(project)s AND draft.name = named.name
LEFT JOIN LATERAL (
    SELECT version, digest, published_at, description FROM blueprint_versions
    WHERE project_id = %(project)s AND name = named.name AND withdrawn_at IS NULL ORDER BY sequence DESC LIMIT 1
) AS newest ON true
ORDER BY named.name COLLATE "C";
