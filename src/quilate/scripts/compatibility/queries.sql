-- name: project_of_script
SELECT projects.slug FROM scripts JOIN projects ON projects.id = scripts.project_id
WHERE scripts.id = %(id)s AND scripts.deleted_at IS NULL;

-- name: project_of_execution
SELECT projects.slug FROM script_executions JOIN projects ON projects.id = script_executions.project_id
WHERE script_executions.id = %(id)s;

-- name: slugs
SELECT slug FROM projects WHERE id = ANY(%(ids)s::uuid[]) ORDER BY slug LIMIT 2;

-- name: scripts_page
SELECT scripts.id, scripts.name, scripts.description, scripts.created_at, scripts.updated_at,
    script_versions.semver, script_versions.source, count(*) OVER () AS total
FROM scripts LEFT JOIN script_versions ON script_versions.id = scripts.active
WHERE scripts.project_id = %(project)s AND scripts.deleted_at IS NULL
ORDER BY scripts.id DESC LIMIT %(size)s OFFSET %(offset)s;

-- name: executions_page
SELECT id, count(*) OVER () AS total FROM script_executions
WHERE project_id = %(project)s AND (%(script)s::uuid IS NULL OR script_id = %(script)s)
ORDER BY id DESC LIMIT %(size)s OFFSET %(offset)s;
