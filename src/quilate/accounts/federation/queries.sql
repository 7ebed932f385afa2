-- name: insert_provider
INSERT INTO identity_providers (id, slug, name, issuer, client_id, client_secret, auto_create_domains, enabled)
VALUES (
    %(id)s, %(slug)s, %(name)s, %(issuer)s, %(client_id)s, %(client_secret)s, %(auto_create_domains)s, %(enabled)s
)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: provider
SELECT * FROM identity_providers WHERE slug = %(slug)s;

-- name: lock_provider
SELECT * FROM identity_providers WHERE slug = %(slug)s FOR UPDATE;

-- name: list_providers
SELECT * FROM identity_providers WHERE id > %(after)s ORDER BY id LIMIT %(most)s;

-- name: enabled_providers
SELECT slug, name FROM identity_providers WHERE enabled ORDER BY name, slug LIMIT 200;

-- name: change_provider
UPDATE identity_providers
SET name = %(name)s, client_id = %(client_id)s, client_secret = %(client_secret)s,
    auto_create_domains = %(auto_create_domains)s, enabled = %(enabled)s, version = version + 1
WHERE id = %(id)s
RETURNING *;

-- name: forget_federation_of_provider
-- Whoever has no other provider is let in by their password again, or by nothing.
UPDATE users SET federated = false
WHERE id IN (SELECT user_id FROM user_identities WHERE provider_id = %(id)s)
AND NOT EXISTS (
    SELECT 1 FROM user_identities AS o WHERE o.user_id = users.id AND o.provider_id <> %(id)s
);

-- name: delete_provider
DELETE FROM identity_providers WHERE id = %(id)s;

-- name: insert_flow
INSERT INTO login_flows (state_hash, browser_hash, provider_id, user_id, return_to, challenge, expires_at)
VALUES (
    %(state_hash)s, %(browser_hash)s, %(provider_id)s, %(user_id)s, %(return_to)s, %(challenge)s,
    now() + interval '10 minutes'
)
ON CONFLICT DO NOTHING;

-- name: take_flow
-- Once: whoever comes back a second time has to begin again.
WITH taken AS (
    DELETE FROM login_flows
    WHERE state_hash = %(state_hash)s AND browser_hash = %(browser_hash)s AND expires_at > now()
    RETURNING provider_id, user_id AS linking_user_id, return_to, challenge
)
SELECT p.*, t.linking_user_id, t.return_to, t.challenge
FROM taken AS t JOIN identity_providers AS p ON p.id = t.provider_id
WHERE p.slug = %(slug)s AND p.enabled;

-- name: identity
SELECT user_id FROM user_identities WHERE provider_id = %(provider_id)s AND subject = %(subject)s;

-- name: insert_identity
INSERT INTO user_identities (provider_id, subject, user_id) VALUES (%(provider_id)s, %(subject)s, %(user_id)s)
ON CONFLICT DO NOTHING
RETURNING user_id;

-- name: mark_federated
UPDATE users SET federated = true, name = CASE WHEN name = '' THEN %(name)s ELSE name END, version = version + 1
WHERE id = %(id)s;

-- name: identities_of_user
SELECT p.slug AS provider, p.name, i.linked_at
FROM user_identities AS i JOIN identity_providers AS p ON p.id = i.provider_id
WHERE i.user_id = %(user_id)s ORDER BY p.slug;

-- name: delete_identity
DELETE FROM user_identities AS i USING identity_providers AS p
WHERE p.id = i.provider_id AND p.slug = %(slug)s AND i.user_id = %(user_id)s
RETURNING i.user_id;

-- name: settle_federation
UPDATE users SET federated = EXISTS (SELECT 1 FROM user_identities WHERE user_id = %(user_id)s)
WHERE id = %(user_id)s;

-- name: insert_code
INSERT INTO login_codes (code_hash, challenge, user_id, expires_at)
VALUES (%(code_hash)s, %(challenge)s, %(user_id)s, now() + interval '1 minute')
ON CONFLICT DO NOTHING;

-- name: take_code
-- Gone at its first use, whether the verifier is right or not.
DELETE FROM login_codes WHERE code_hash = %(code_hash)s RETURNING challenge, user_id, expires_at > now() AS valid;

-- name: tidy_flows
WITH codes AS (DELETE FROM login_codes WHERE expires_at < now())
DELETE FROM login_flows WHERE expires_at < now();
