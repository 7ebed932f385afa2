-- name: insert_service_account
INSERT INTO service_accounts (id, project_id, name, role, scopes, created_by)
VALUES (%(id)s, %(project_id)s, %(name)s, %(role)s, %(scopes)s, %(created_by)s)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: service_account
SELECT * FROM service_accounts WHERE id = %(id)s AND project_id = %(project_id)s;

-- name: lock_service_account
SELECT * FROM service_accounts WHERE id = %(id)s AND project_id = %(project_id)s FOR UPDATE;

-- name: list_service_accounts
SELECT * FROM service_accounts WHERE project_id = %(project_id)s AND id > %(after)s ORDER BY id LIMIT %(most)s;

-- name: change_service_account
UPDATE service_accounts SET name = %(name)s, enabled = %(enabled)s, version = version + 1
WHERE id = %(id)s
AND NOT EXISTS (
    SELECT 1 FROM service_accounts AS o
    WHERE o.project_id = %(project_id)s AND o.name = %(name)s AND o.id <> %(id)s
)
RETURNING *;

-- name: insert_machine_token
INSERT INTO machine_tokens (
    id, project_id, service_account_id, trust_id, name, prefix, token_hash, scopes, expires_at
)
VALUES (
    %(id)s, %(project_id)s, %(service_account_id)s, %(trust_id)s, %(name)s, %(prefix)s, %(token_hash)s, %(scopes)s,
    now() + %(lifetime)s
)
ON CONFLICT (id) DO NOTHING
RETURNING id;

-- name: machine_token
SELECT * FROM machine_tokens WHERE id = %(id)s AND service_account_id = %(service_account_id)s;

-- name: list_machine_tokens
SELECT * FROM machine_tokens
WHERE service_account_id = %(service_account_id)s AND id > %(after)s
ORDER BY id LIMIT %(most)s;

-- name: revoke_machine_token
UPDATE machine_tokens SET revoked_at = now()
WHERE id = %(id)s AND service_account_id = %(service_account_id)s AND revoked_at IS NULL
RETURNING id;

-- name: revoke_machine_tokens
UPDATE machine_tokens SET revoked_at = now()
WHERE service_account_id = %(service_account_id)s AND revoked_at IS NULL;

-- name: principal_of_machine_token
-- What the token was made with, within what its account or trust still has.
SELECT t.id AS token_id, t.project_id, t.service_account_id, t.trust_id,
    t.last_used_on IS DISTINCT FROM (now() AT TIME ZONE 'UTC')::date AS first_use_today,
    extract(epoch FROM t.expires_at - now())::float AS remaining_seconds,
    ARRAY(
        SELECT unnest(t.scopes) INTERSECT SELECT unnest(coalesce(a.scopes, o.scopes)) ORDER BY 1
    ) AS scopes
FROM machine_tokens AS t
LEFT JOIN service_accounts AS a ON a.id = t.service_account_id
LEFT JOIN oidc_trusts AS o ON o.id = t.trust_id
WHERE t.token_hash = %(token_hash)s AND t.revoked_at IS NULL AND t.expires_at > now()
AND coalesce(a.enabled, true);

-- name: note_use_of_machine_token
UPDATE machine_tokens SET last_used_on = (now() AT TIME ZONE 'UTC')::date
WHERE id = %(id)s AND last_used_on IS DISTINCT FROM (now() AT TIME ZONE 'UTC')::date;

-- name: tidy_machine_tokens
-- Those of a trust are short-lived and many; those of an account stay to be seen for a while.
DELETE FROM machine_tokens
WHERE expires_at < now() - CASE WHEN trust_id IS NULL THEN interval '400 days' ELSE interval '1 day' END;
