-- Answers of requests that create something, by the key that their caller gave them; kept for a day.
CREATE TABLE idempotency_keys (
    principal text NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    -- Who works on it: an attempt that took longer than its lease must not write its answer over a later one.
    attempt uuid NOT NULL,
    -- NULL while the first request is under way.
    status smallint,
    headers jsonb,
    -- NULL as well where the answer is too long to be kept, or holds a secret that is shown once.
    body bytea,
    lease_until timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (principal, route, key)
) WITH (fillfactor = 80);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
