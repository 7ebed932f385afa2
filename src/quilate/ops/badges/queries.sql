-- name: project
SELECT id, slug, protected_branch FROM projects WHERE slug = %(slug)s;

-- name: last_verdict
SELECT d.run_id, d.verdict
FROM decisions AS d JOIN run_preparations AS p ON p.run_id = d.run_id
WHERE d.project_id = %(project)s AND p.branch = %(branch)s
ORDER BY d.run_id DESC LIMIT 1;
