-- name: depths
SELECT
    (SELECT count(*) FROM runs WHERE status = 'queued') AS runs_waiting,
    (SELECT count(*) FROM runs WHERE status = 'running') AS runs_running,
    (SELECT count(*) FROM script_queue WHERE worker IS NULL) AS executions_waiting,
    (SELECT count(*) FROM script_queue WHERE worker IS NOT NULL) AS executions_running,
    (SELECT count(*) FROM script_executions WHERE dead) AS executions_dead;

-- name: jobs
-- Ids are version 7 UUIDs: the newest of both tables are found by their primary keys.
(
    SELECT 'run' AS kind, r.id, p.slug AS project, '' AS name,
        r.status, r.submitted_at, r.started_at, r.ended_at, coalesce(r.verdict, '') AS remark
    FROM runs r JOIN projects p ON p.id = r.project_id
    ORDER BY r.id DESC LIMIT %(most)s
)
UNION ALL
(
    SELECT 'execution', e.id, p.slug, s.name,
        CASE WHEN e.status = 'pending' AND q.worker IS NOT NULL THEN 'running' ELSE e.status END,
        e.submitted_at, e.started_at, e.ended_at, coalesce(e.failure_class, '')
    FROM script_executions e
    JOIN projects p ON p.id = e.project_id
    JOIN scripts s ON s.id = e.script_id
    LEFT JOIN script_queue q ON q.execution_id = e.id
    ORDER BY e.id DESC LIMIT %(most)s
)
ORDER BY submitted_at DESC, id DESC LIMIT %(most)s;
