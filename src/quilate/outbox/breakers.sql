-- name: breaker
SELECT breakers.*, clock_timestamp() AS now FROM circuit_breakers AS breakers WHERE target = %(target)s;

-- name: add_breaker
INSERT INTO circuit_breakers (target, state, generation, failures, openings, changed_at)
VALUES (%(target)s, 'closed', 0, 0, 0, clock_timestamp())
ON CONFLICT (target) DO NOTHING;

-- name: locked_breaker
SELECT breakers.*, clock_timestamp() AS now FROM circuit_breakers AS breakers WHERE target = %(target)s FOR UPDATE;

-- name: note_success
-- A success of a closed breaker: written only where there are failures to forget.
UPDATE circuit_breakers SET failures = 0
WHERE target = %(target)s AND generation = %(generation)s AND state = 'closed' AND failures > 0;

-- name: write_breaker
UPDATE circuit_breakers
SET state = %(state)s, generation = %(generation)s, failures = %(failures)s, openings = %(openings)s,
    changed_at = %(changed_at)s, retry_at = %(retry_at)s
WHERE target = %(target)s;

-- name: breakers
SELECT * FROM circuit_breakers
WHERE target COLLATE "C" > %(after)s AND (%(state)s::text IS NULL OR state = %(state)s)
ORDER BY target COLLATE "C" LIMIT %(limit)s;
