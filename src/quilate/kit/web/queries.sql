-- Statements of the idempotency keys.

-- name: claim_key
-- Takes a key that is new, has expired, or whose first request died; no row where it belongs to another.
INSERT INTO idempotency_keys AS known (principal, route, key, fingerprint, attempt, lease_until, expires_at)
VALUES (
    %(principal)s, %(route)s, %(key)s, %(fingerprint)s, %(attempt)s,
    clock_timestamp() + %(lease)s::double precision * interval '1 second',
    clock_timestamp() + %(kept)s::double precision * interval '1 second'
)
ON CONFLICT (principal, route, key) DO UPDATE SET
    fingerprint = excluded.fingerprint, attempt = excluded.attempt, status = NULL, headers = NULL, body = NULL,
    lease_until = excluded.lease_until, expires_at = excluded.expires_at
WHERE known.expires_at <= clock_timestamp()
    OR (known.status IS NULL AND known.lease_until <= clock_timestamp() AND known.fingerprint = excluded.fingerprint)
RETURNING known.attempt;

-- name: known_key
SELECT
    fingerprint, status, headers::text AS headers, body,
    greatest(1, ceil(extract(epoch FROM lease_until - clock_timestamp())))::integer AS wait_seconds
FROM idempotency_keys
WHERE principal = %(principal)s AND route = %(route)s AND key = %(key)s;

-- name: keep_answer
UPDATE idempotency_keys
SET status = %(status)s, headers = %(headers)s::text::jsonb, body = %(body)s
WHERE principal = %(principal)s AND route = %(route)s AND key = %(key)s AND attempt = %(attempt)s AND status IS NULL;

-- name: renew_key
UPDATE idempotency_keys
SET lease_until = clock_timestamp() + %(lease)s::double precision * interval '1 second'
WHERE principal = %(principal)s AND route = %(route)s AND key = %(key)s AND attempt = %(attempt)s AND status IS NULL;

-- name: free_key
DELETE FROM idempotency_keys
WHERE principal = %(principal)s AND route = %(route)s AND key = %(key)s AND attempt = %(attempt)s AND status IS NULL;

-- name: forget_expired_keys
-- A bounded number at a time, so that no lock is held for long.
DELETE FROM idempotency_keys
WHERE (principal, route, key) IN (
    SELECT principal, route, key FROM idempotency_keys WHERE expires_at <= clock_timestamp()
    ORDER BY expires_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
);
