-- Users ----------------------------------------------------------------------------------------------------------

-- name: insert_user
INSERT INTO users (id, email, name, instance_admin, auditor)
VALUES (%(id)s, %(email)s, %(name)s, %(instance_admin)s, %(auditor)s)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: user_by_id
SELECT * FROM users WHERE id = %(id)s;

-- name: user_by_email
SELECT * FROM users WHERE email = %(email)s;

-- name: lock_user
SELECT * FROM users WHERE id = %(id)s FOR UPDATE;

-- name: list_users
SELECT * FROM users WHERE id > %(after)s ORDER BY id LIMIT %(most)s;

-- name: administrators
-- Those who can act as administrators now; locked in one order, so that two changes at once cannot remove both.
SELECT id FROM users
WHERE instance_admin AND active AND password_hash IS NOT NULL
ORDER BY id FOR UPDATE;

-- name: change_user
UPDATE users
SET name = %(name)s, instance_admin = %(instance_admin)s, auditor = %(auditor)s, active = %(active)s,
    version = version + 1
WHERE id = %(id)s
RETURNING *;

-- name: set_password
UPDATE users
SET password_hash = %(password_hash)s, password_changed_at = now(), version = version + 1
WHERE id = %(id)s;

-- name: renew_password_hash
-- The same password under newer parameters; only while it still is the same.
UPDATE users SET password_hash = %(password_hash)s WHERE id = %(id)s AND password_hash = %(before)s;

-- name: erase_user
UPDATE users
SET email = NULL, name = '', password_hash = NULL, active = false, instance_admin = false, auditor = false,
    federated = false, erased_at = now(), erased_identity = %(identity)s, version = version + 1
WHERE id = %(id)s AND erased_at IS NULL
RETURNING *;

-- name: forget_traces_of_user
WITH addresses AS (DELETE FROM known_addresses WHERE user_id = %(id)s),
links AS (DELETE FROM one_time_links WHERE user_id = %(id)s),
memberships AS (DELETE FROM project_members WHERE user_id = %(id)s),
identities AS (DELETE FROM user_identities WHERE user_id = %(id)s),
flows AS (DELETE FROM login_flows WHERE user_id = %(id)s),
codes AS (DELETE FROM login_codes WHERE user_id = %(id)s),
devices AS (UPDATE sessions SET device = '' WHERE user_id = %(id)s)
UPDATE api_tokens SET name = '' WHERE user_id = %(id)s;

-- name: projects_with_only_admin
SELECT p.slug
FROM project_members AS m
JOIN projects AS p ON p.id = m.project_id
WHERE m.user_id = %(id)s AND m.role = 'admin' AND NOT p.archived
AND NOT EXISTS (
    SELECT 1 FROM project_members AS o JOIN users AS u ON u.id = o.user_id
    WHERE o.project_id = m.project_id AND o.user_id <> m.user_id AND o.role = 'admin' AND u.active
)
ORDER BY p.slug;

-- name: memberships_of_user
SELECT p.slug, m.role, m.added_at
FROM project_members AS m JOIN projects AS p ON p.id = m.project_id
WHERE m.user_id = %(id)s ORDER BY p.slug;

-- name: identities_of_user
SELECT p.slug AS provider, i.subject, i.linked_at
FROM user_identities AS i JOIN identity_providers AS p ON p.id = i.provider_id
WHERE i.user_id = %(id)s ORDER BY p.slug;

-- name: sessions_of_user
SELECT created_at, last_used_at, expires_at, revoked_at, device, method FROM sessions WHERE user_id = %(id)s ORDER BY id;

-- One-time links -------------------------------------------------------------------------------------------------

-- name: insert_link
INSERT INTO one_time_links (id, token_hash, purpose, user_id, expires_at)
VALUES (%(id)s, %(token_hash)s, %(purpose)s, %(user_id)s, now() + %(lifetime)s)
ON CONFLICT (id) DO NOTHING
RETURNING id;

-- name: remove_unused_links
-- Of a user, or the first administrator's where no user is named: only the newest link opens.
DELETE FROM one_time_links
WHERE used_at IS NULL AND id <> %(kept)s AND user_id IS NOT DISTINCT FROM %(user_id)s;

-- name: open_link
SELECT id, purpose, user_id FROM one_time_links
WHERE token_hash = %(token_hash)s AND used_at IS NULL AND expires_at > now();

-- name: lock_link
SELECT id, purpose, user_id FROM one_time_links
WHERE token_hash = %(token_hash)s AND used_at IS NULL AND expires_at > now()
FOR UPDATE;

-- name: use_link
UPDATE one_time_links SET used_at = now() WHERE id = %(id)s;

-- Sessions -------------------------------------------------------------------------------------------------------

-- name: insert_session
INSERT INTO sessions (id, user_id, expires_at, device, method)
VALUES (%(id)s, %(user_id)s, now() + %(lifetime)s, %(device)s, %(method)s)
ON CONFLICT (id) DO NOTHING
RETURNING id;

-- name: insert_refresh_token
INSERT INTO refresh_tokens (token_hash, session_id, expires_at)
VALUES (%(token_hash)s, %(session_id)s, now() + %(lifetime)s)
ON CONFLICT (token_hash) DO NOTHING;

-- name: lock_refresh_token
SELECT r.successor_hash, s.id AS session_id, s.user_id, s.revoked_at IS NOT NULL AS revoked,
    r.expires_at > now() AND s.expires_at > now() AND s.revoked_at IS NULL AND u.active AS valid
FROM refresh_tokens AS r
JOIN sessions AS s ON s.id = r.session_id
JOIN users AS u ON u.id = s.user_id
WHERE r.token_hash = %(token_hash)s
FOR UPDATE OF r;

-- name: replace_refresh_token
UPDATE refresh_tokens SET successor_hash = %(successor)s WHERE token_hash = %(token_hash)s;

-- name: note_use_of_session
UPDATE sessions SET last_used_at = now() WHERE id = %(id)s;

-- name: list_sessions
-- Those that are open.
SELECT id, device, method, created_at, last_used_at, expires_at FROM sessions
WHERE user_id = %(user_id)s AND id > %(after)s AND revoked_at IS NULL AND expires_at > now()
ORDER BY id LIMIT %(most)s;

-- name: open_session
SELECT id FROM sessions
WHERE id = %(id)s AND user_id = %(user_id)s AND revoked_at IS NULL AND expires_at > now();

-- name: revoke_session
UPDATE sessions SET revoked_at = now(), revoked_because = %(because)s
WHERE id = %(id)s AND revoked_at IS NULL
RETURNING id;

-- name: revoke_sessions_of_user
UPDATE sessions SET revoked_at = now(), revoked_because = %(because)s
WHERE user_id = %(user_id)s AND revoked_at IS NULL AND id IS DISTINCT FROM %(kept)s;

-- name: principal_of_session
SELECT u.id AS user_id, u.instance_admin, u.auditor,
    (
        SELECT coalesce(jsonb_object_agg(m.project_id, m.role), '{}')
        FROM project_members AS m WHERE m.user_id = u.id
    ) AS roles
FROM sessions AS s
JOIN users AS u ON u.id = s.user_id
WHERE s.id = %(session_id)s AND s.user_id = %(user_id)s
AND s.revoked_at IS NULL AND s.expires_at > now() AND u.active;

-- Signing keys ---------------------------------------------------------------------------------------------------

-- name: insert_signing_key
INSERT INTO signing_keys (id, public_key, expires_at)
VALUES (%(id)s, %(public_key)s, now() + %(lifetime)s)
ON CONFLICT (id) DO NOTHING;

-- name: signing_key
SELECT public_key FROM signing_keys WHERE id = %(id)s AND expires_at > now();

-- Throttling of logins -------------------------------------------------------------------------------------------

-- name: hash_key
SELECT hash_key FROM installation;

-- name: is_known_address
SELECT EXISTS (
    SELECT 1 FROM known_addresses AS k JOIN users AS u ON u.id = k.user_id
    WHERE u.email = %(email)s AND k.address = %(address)s AND k.last_used_at > now() - %(memory)s
) AS known;

-- name: remember_address
INSERT INTO known_addresses (user_id, address) VALUES (%(user_id)s, %(address)s)
ON CONFLICT (user_id, address) DO UPDATE SET last_used_at = now();

-- name: known_addresses_of_user
SELECT address FROM known_addresses WHERE user_id = %(user_id)s ORDER BY address;

-- name: longest_block
SELECT max(extract(epoch FROM blocked_until - now()))::float AS seconds
FROM login_throttles WHERE key = ANY(%(keys)s);

-- name: count_attempt
INSERT INTO login_throttles AS t (key, failures) VALUES (%(key)s, 1)
ON CONFLICT (key) DO UPDATE
SET failures = CASE WHEN t.changed_at < now() - %(memory)s::interval THEN 1 ELSE t.failures + 1 END,
    changed_at = now()
RETURNING failures, greatest(extract(epoch FROM blocked_until - now()), 0)::float AS blocked_seconds;

-- name: block
UPDATE login_throttles SET blocked_until = now() + %(pause)s WHERE key = %(key)s;

-- name: end_pause
UPDATE login_throttles SET blocked_until = now() WHERE key = %(key)s;

-- name: clear_throttle
DELETE FROM login_throttles WHERE key = %(key)s;

-- name: take_back_attempt
-- A success is no failure; it does not wipe out those of the same address, or an own account would be a way around.
UPDATE login_throttles SET failures = greatest(failures - 1, 0), blocked_until = now() WHERE key = %(key)s;

-- name: count_login_failure
INSERT INTO login_failures AS f (user_id, unreported, reported_at) VALUES (%(user_id)s, 1, '-infinity')
ON CONFLICT (user_id) DO UPDATE SET unreported = f.unreported + 1
RETURNING unreported, reported_at < now() - interval '1 minute' AS due;

-- name: mark_login_failures_reported
UPDATE login_failures SET unreported = 0, reported_at = now() WHERE user_id = %(user_id)s;

-- name: lock_due_login_failures
SELECT user_id, unreported FROM login_failures
WHERE unreported > 0 AND reported_at < now() - interval '1 minute'
ORDER BY user_id LIMIT 1000 FOR UPDATE SKIP LOCKED;

-- name: tidy
WITH throttles AS (DELETE FROM login_throttles WHERE changed_at < now() - interval '2 days'),
addresses AS (DELETE FROM known_addresses WHERE last_used_at < now() - interval '90 days'),
failures AS (DELETE FROM login_failures WHERE unreported = 0 AND reported_at < now() - interval '1 day'),
links AS (DELETE FROM one_time_links WHERE expires_at < now() - interval '7 days'),
keys AS (DELETE FROM signing_keys WHERE expires_at < now() - interval '1 day')
DELETE FROM sessions WHERE expires_at < now() - interval '7 days';

-- API tokens -----------------------------------------------------------------------------------------------------

-- name: insert_api_token
INSERT INTO api_tokens (id, user_id, name, prefix, token_hash, scopes, project_id, expires_at)
VALUES (
    %(id)s, %(user_id)s, %(name)s, %(prefix)s, %(token_hash)s, %(scopes)s, %(project_id)s,
    now() + make_interval(days => %(days)s)
)
ON CONFLICT (id) DO NOTHING
RETURNING id;

-- name: api_token
SELECT t.*, p.slug AS project
FROM api_tokens AS t LEFT JOIN projects AS p ON p.id = t.project_id
WHERE t.id = %(id)s AND t.user_id = %(user_id)s;

-- name: list_api_tokens
SELECT t.*, p.slug AS project
FROM api_tokens AS t LEFT JOIN projects AS p ON p.id = t.project_id
WHERE t.user_id = %(user_id)s AND t.id > %(after)s
ORDER BY t.id LIMIT %(most)s;

-- name: revoke_api_token
UPDATE api_tokens SET revoked_at = now()
WHERE id = %(id)s AND user_id = %(user_id)s AND revoked_at IS NULL
RETURNING id, project_id;

-- name: revoke_api_tokens_of_user
UPDATE api_tokens SET revoked_at = now() WHERE user_id = %(user_id)s AND revoked_at IS NULL;

-- name: principal_of_api_token
SELECT t.id AS token_id, t.scopes, t.project_id AS project_scope,
    t.last_used_on IS DISTINCT FROM (now() AT TIME ZONE 'UTC')::date AS first_use_today,
    extract(epoch FROM t.expires_at - now())::float AS remaining_seconds,
    u.id AS user_id, u.instance_admin, u.auditor,
    (
        SELECT coalesce(jsonb_object_agg(m.project_id, m.role), '{}')
        FROM project_members AS m WHERE m.user_id = u.id
    ) AS roles
FROM api_tokens AS t
JOIN users AS u ON u.id = t.user_id
WHERE t.token_hash = %(token_hash)s AND t.revoked_at IS NULL AND t.expires_at > now() AND u.active;

-- name: note_use_of_api_token
UPDATE api_tokens SET last_used_on = (now() AT TIME ZONE 'UTC')::date
WHERE id = %(id)s AND last_used_on IS DISTINCT FROM (now() AT TIME ZONE 'UTC')::date;

-- Projects -------------------------------------------------------------------------------------------------------

-- name: insert_project
INSERT INTO projects (
    id, slug, name, repository_url, protected_branch, default_blueprint, max_concurrent_runs, max_queued_runs
)
VALUES (
    %(id)s, %(slug)s, %(name)s, %(repository_url)s, %(protected_branch)s, %(default_blueprint)s,
    %(max_concurrent_runs)s, %(max_queued_runs)s
)
ON CONFLICT DO NOTHING
RETURNING *;

-- name: project_by_slug
SELECT * FROM projects WHERE slug = %(slug)s;

-- name: project_by_id
SELECT * FROM projects WHERE id = %(id)s;

-- name: lock_project
SELECT * FROM projects WHERE id = %(id)s FOR NO KEY UPDATE;

-- name: change_project
UPDATE projects
SET name = %(name)s, repository_url = %(repository_url)s, protected_branch = %(protected_branch)s,
    default_blueprint = %(default_blueprint)s, max_concurrent_runs = %(max_concurrent_runs)s,
    max_queued_runs = %(max_queued_runs)s, archived = %(archived)s, version = version + 1
WHERE id = %(id)s
RETURNING *;

-- name: list_projects
-- All of them, or those with the given ids.
SELECT * FROM projects
WHERE (%(all)s OR id = ANY(%(ids)s)) AND (%(archived)s OR NOT archived) AND id > %(after)s
ORDER BY id LIMIT %(most)s;

-- Members --------------------------------------------------------------------------------------------------------

-- name: insert_member
INSERT INTO project_members (project_id, user_id, role) VALUES (%(project_id)s, %(user_id)s, %(role)s)
ON CONFLICT (project_id, user_id) DO NOTHING
RETURNING user_id;

-- name: member
SELECT m.*, u.name, u.email, u.active
FROM project_members AS m JOIN users AS u ON u.id = m.user_id
WHERE m.project_id = %(project_id)s AND m.user_id = %(user_id)s;

-- name: list_members
SELECT m.*, u.name, u.email, u.active
FROM project_members AS m JOIN users AS u ON u.id = m.user_id
WHERE m.project_id = %(project_id)s AND m.user_id > %(after)s
ORDER BY m.user_id LIMIT %(most)s;

-- name: other_admins
SELECT count(*) AS others
FROM project_members AS m JOIN users AS u ON u.id = m.user_id
WHERE m.project_id = %(project_id)s AND m.user_id <> %(user_id)s AND m.role = 'admin' AND u.active;

-- name: change_member
UPDATE project_members SET role = %(role)s, version = version + 1
WHERE project_id = %(project_id)s AND user_id = %(user_id)s;

-- name: remove_member
DELETE FROM project_members WHERE project_id = %(project_id)s AND user_id = %(user_id)s
RETURNING role;
