-- name: append_events
INSERT INTO outgoing_events (id, type, project_id, subject, data)
SELECT id, type, project_id, subject, data::jsonb
FROM unnest(%(ids)s::uuid[], %(types)s::text[], %(projects)s::uuid[], %(subjects)s::text[], %(data)s::text[])
    AS given (id, type, project_id, subject, data);
