-- name: append_entries
INSERT INTO audit_pending (id, project_id, leaf)
SELECT * FROM unnest(%(ids)s::uuid[], %(projects)s::uuid[], %(leaves)s::bytea[]);
