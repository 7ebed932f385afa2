-- What the registry of blueprints asks of the engine's decisions.

-- name: last_decisions
SELECT run_id, verdict, input, input_digest
FROM decisions
WHERE project_id = %(project)s
ORDER BY run_id DESC
LIMIT %(most)s;
