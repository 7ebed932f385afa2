-- name: insert_script
INSERT INTO scripts (id, project_id, name, description, created_by)
VALUES (%(id)s, %(project)s, %(name)s, %(description)s, %(author)s)
ON CONFLICT DO NOTHING;

-- name: script
SELECT scripts.*, script_versions.semver AS active_semver
FROM scripts LEFT JOIN script_versions ON script_versions.id = scripts.active
WHERE scripts.id = %(id)s AND scripts.project_id = %(project)s AND scripts.deleted_at IS NULL;

-- name: script_by_id
SELECT scripts.*, NULL::text AS active_semver FROM scripts WHERE id = %(id)s;

-- name: lock_script
SELECT 1 FROM scripts
WHERE id = %(id)s AND project_id = %(project)s AND deleted_at IS NULL
FOR UPDATE;

-- name: scripts
SELECT scripts.*, script_versions.semver AS active_semver
FROM scripts LEFT JOIN script_versions ON script_versions.id = scripts.active
WHERE scripts.project_id = %(project)s AND scripts.deleted_at IS NULL
    AND (%(before)s::uuid IS NULL OR scripts.id < %(before)s)
    AND (%(name)s::text IS NULL OR position(lower(%(name)s) IN lower(scripts.name)) > 0)
ORDER BY scripts.id DESC LIMIT %(limit)s;

-- name: name_is_taken
SELECT 1 FROM scripts
WHERE project_id = %(project)s AND name = %(name)s AND id <> %(id)s AND deleted_at IS NULL;

-- name: update_script
UPDATE scripts SET name = %(name)s, description = %(description)s, revision = revision + 1, updated_at = now()
WHERE id = %(id)s;

-- name: delete_script
UPDATE scripts SET deleted_at = now(), revision = revision + 1, updated_at = now()
WHERE id = %(id)s;

-- name: set_active
UPDATE scripts SET active = %(version)s, revision = revision + 1, updated_at = now()
WHERE id = %(script)s;

-- name: insert_version
INSERT INTO script_versions
    (id, script_id, project_id, number, semver, source, digest, mode, chunk_size, group_key, combine, engine,
     deterministic, reuse, limits, input_schema, output_schema, privileged, warnings, created_by)
VALUES
    (%(id)s, %(script)s, %(project)s, %(number)s, %(semver)s, %(source)s, %(digest)s, %(mode)s, %(size)s, %(key)s,
     %(combine)s, %(engine)s, %(deterministic)s, %(reuse)s, %(limits)s::text::jsonb, %(input_schema)s,
     %(output_schema)s, %(privileged)s, %(warnings)s::text::jsonb, %(author)s);

-- name: set_latest
UPDATE scripts SET latest = %(number)s WHERE id = %(script)s;

-- name: numbers
SELECT id, semver, state FROM script_versions WHERE script_id = %(script)s;

-- name: version
SELECT * FROM script_versions
WHERE script_id = %(script)s AND project_id = %(project)s
    AND ((%(id)s::uuid IS NOT NULL AND id = %(id)s)
        OR (%(semver)s::text IS NOT NULL AND split_part(semver, '+', 1) = split_part(%(semver)s, '+', 1))
        OR (%(number)s::integer IS NOT NULL AND number = %(number)s));

-- name: version_by_id
SELECT * FROM script_versions WHERE id = %(id)s;

-- name: lock_version
SELECT * FROM script_versions WHERE id = %(id)s FOR UPDATE;

-- name: versions
SELECT id, script_id, project_id, number, semver, '' AS source, digest, state, mode, chunk_size, group_key, combine,
    engine, deterministic, reuse, limits, NULL::bytea AS input_schema, NULL::bytea AS output_schema, privileged,
    warnings, crashes, quarantined, submitted_by, reviewed_by, reviewed_at, review_reason, created_at, changed_at,
    created_by
FROM script_versions
WHERE script_id = %(script)s
    AND (%(before)s::integer IS NULL OR number < %(before)s)
    AND (%(state)s::text IS NULL OR state = %(state)s)
ORDER BY number DESC LIMIT %(limit)s;

-- name: set_state
UPDATE script_versions SET state = %(state)s, changed_at = now()
WHERE id = %(id)s
RETURNING *;

-- name: set_submitted
UPDATE script_versions SET submitted_by = %(person)s, reviewed_by = NULL, reviewed_at = NULL, review_reason = ''
WHERE id = %(id)s;

-- name: set_reviewed
UPDATE script_versions SET reviewed_by = %(person)s, reviewed_at = now(), review_reason = %(reason)s
WHERE id = %(id)s;

-- name: push_activation
INSERT INTO script_activations (script_id, sequence, version_id, actor)
SELECT %(script)s, COALESCE(max(sequence), 0) + 1, %(version)s, %(actor)s
FROM script_activations WHERE script_id = %(script)s;

-- name: activations_standing
SELECT script_activations.sequence, script_versions.id, script_versions.state, script_versions.quarantined
FROM script_activations JOIN script_versions ON script_versions.id = script_activations.version_id
WHERE script_activations.script_id = %(script)s AND script_activations.undone_at IS NULL
ORDER BY script_activations.sequence DESC;

-- name: undo_activations
UPDATE script_activations SET undone_at = now()
WHERE script_id = %(script)s AND sequence > %(sequence)s AND undone_at IS NULL;

-- name: record_crash
UPDATE script_versions
SET crashes = crashes + 1, quarantined = quarantined OR crashes + 1 >= %(most)s, changed_at = now()
WHERE id = %(id)s
RETURNING *;

-- name: release
UPDATE script_versions SET crashes = 0, quarantined = false, changed_at = now()
WHERE id = %(id)s
RETURNING *;

-- name: standing
-- What may have changed since a version was read: one row for each place that was asked for.
SELECT asked.place, scripts.id IS NOT NULL AS known, script_versions.id, script_versions.state,
    script_versions.crashes, script_versions.quarantined
FROM unnest(%(projects)s::uuid[], %(scripts)s::uuid[], %(versions)s::uuid[])
        WITH ORDINALITY AS asked (project, script, version, place)
    LEFT JOIN scripts
        ON scripts.id = asked.script AND scripts.project_id = asked.project AND scripts.deleted_at IS NULL
    LEFT JOIN script_versions
        ON script_versions.id = COALESCE(asked.version, scripts.active) AND script_versions.script_id = scripts.id
ORDER BY asked.place;
