-- name: insert_trust
INSERT INTO oidc_trusts (
    id, project_id, name, provider, issuer, audience, bindings, pull_requests, role, scopes, lifetime_seconds,
    created_by
)
VALUES (
    %(id)s, %(project_id)s, %(name)s, %(provider)s, %(issuer)s, %(audience)s, %(bindings)s::jsonb, %(pull_requests)s,
    %(role)s, %(scopes)s, %(lifetime_seconds)s, %(created_by)s
)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: trust
SELECT * FROM oidc_trusts WHERE id = %(id)s AND project_id = %(project_id)s;

-- name: list_trusts
SELECT * FROM oidc_trusts WHERE project_id = %(project_id)s AND id > %(after)s ORDER BY id LIMIT %(most)s;

-- name: count_trusts
SELECT count(*) AS trusts FROM oidc_trusts WHERE project_id = %(project_id)s;

-- name: delete_trust
-- Its tokens go with it.
DELETE FROM oidc_trusts WHERE id = %(id)s AND project_id = %(project_id)s RETURNING id;

-- name: is_trusted_issuer
SELECT EXISTS (SELECT 1 FROM oidc_trusts WHERE issuer = %(issuer)s) AS trusted;

-- name: trusts_of_issuer
SELECT t.* FROM oidc_trusts AS t JOIN projects AS p ON p.id = t.project_id
WHERE p.slug = %(slug)s AND t.issuer = %(issuer)s AND NOT p.archived
ORDER BY t.id;

-- name: use_subject_token
INSERT INTO oidc_used_tokens (token_key, expires_at) VALUES (%(key)s, %(expires_at)s)
ON CONFLICT DO NOTHING
RETURNING token_key;

-- name: is_token
SELECT id FROM machine_tokens WHERE id = %(id)s;

-- name: lock_trust
-- Locked, so that a trust that is deleted at this moment leaves no token behind.
SELECT id FROM oidc_trusts WHERE id = %(id)s FOR UPDATE;

-- name: note_use_of_trust
UPDATE oidc_trusts SET last_used_on = (now() AT TIME ZONE 'UTC')::date
WHERE id = %(id)s AND last_used_on IS DISTINCT FROM (now() AT TIME ZONE 'UTC')::date;

-- name: tidy_used_tokens
DELETE FROM oidc_used_tokens WHERE expires_at < now() - interval '1 hour';
