-- name: project_keys
SELECT id, purpose, number, sealed FROM script_data_keys WHERE project_id = %(project)s ORDER BY purpose, number;

-- name: insert_key
INSERT INTO script_data_keys (id, project_id, purpose, number, sealed)
VALUES (%(id)s, %(project)s, %(purpose)s, %(number)s, %(sealed)s)
ON CONFLICT (project_id, purpose, number) DO NOTHING;
