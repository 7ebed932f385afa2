-- name: append_entries
INSERT INTO audit_pending (id, project_id, action, actor, subject, leaf)
SELECT * FROM unnest(
    %(ids)s::uuid[], %(projects)s::uuid[], %(actions)s::text[], %(actors)s::text[], %(subjects)s::text[],
    %(leaves)s::bytea[]
);

-- name: keep_personal
INSERT INTO audit_personal (entry_id, name, person, salt, value)
SELECT * FROM unnest(
    %(entries)s::uuid[], %(names)s::text[], %(persons)s::text[], %(salts)s::bytea[], %(values)s::text[]
);

-- name: erase_person
DELETE FROM audit_personal WHERE person = %(person)s;

-- name: personal_of
SELECT entry_id, name, salt, value FROM audit_personal WHERE entry_id = ANY(%(ids)s);

-- name: try_lock
SELECT pg_try_advisory_lock(%(lock)s) AS locked;

-- name: release_lock
SELECT pg_advisory_unlock(%(lock)s);

-- name: durable_commit
SET LOCAL synchronous_commit = on;

-- name: something_pending
SELECT EXISTS (SELECT FROM audit_pending) AS pending;

-- name: create_tree
INSERT INTO audit_tree (origin, size, root) VALUES (%(origin)s, 0, %(root)s) ON CONFLICT DO NOTHING;

-- name: read_tree
SELECT origin, size, root, refusal, refused_at, worked_at FROM audit_tree;

-- name: lock_tree
SELECT origin, size, root FROM audit_tree FOR UPDATE;

-- name: advance_tree
UPDATE audit_tree SET size = %(size)s, root = %(root)s, worked_at = now() WHERE size = %(before)s;

-- name: note_refusal
UPDATE audit_tree
SET refusal = %(refusal)s, refused_at = CASE WHEN %(refusal)s = '' THEN NULL ELSE now() END
WHERE refusal <> %(refusal)s;

-- name: place_pending
WITH taken AS (
    DELETE FROM audit_pending
    WHERE arrival IN (SELECT arrival FROM audit_pending ORDER BY arrival LIMIT %(limit)s)
    RETURNING arrival, id, project_id, action, actor, subject, leaf
), placed AS (
    INSERT INTO audit_entries (entry_index, id, project_id, action, actor, subject, appended_at, leaf, leaf_hash)
    SELECT
        %(size)s::bigint - 1 + row_number() OVER (ORDER BY arrival),
        id, project_id, action, actor, subject, now(), leaf, sha256('\x00'::bytea || leaf)
    FROM taken
    RETURNING entry_index, leaf_hash, CASE WHEN action LIKE 'audit.key-%%' THEN leaf END AS key_leaf
)
SELECT entry_index, leaf_hash, key_leaf FROM placed ORDER BY entry_index;

-- name: put_first
INSERT INTO audit_entries (entry_index, id, project_id, action, actor, subject, appended_at, leaf, leaf_hash)
VALUES (0, %(id)s, NULL, %(action)s, %(actor)s, %(subject)s, now(), %(leaf)s, %(leaf_hash)s);

-- name: put_tiles
INSERT INTO audit_tiles (level, number, hashes)
SELECT * FROM unnest(%(levels)s::smallint[], %(numbers)s::bigint[], %(hashes)s::bytea[])
ON CONFLICT (level, number) DO UPDATE SET hashes = EXCLUDED.hashes;

-- name: read_tiles
SELECT level, number, hashes FROM audit_tiles
WHERE (level, number) IN (SELECT * FROM unnest(%(levels)s::smallint[], %(numbers)s::bigint[]));

-- name: tiles_of_level
SELECT number, hashes FROM audit_tiles
WHERE level = %(level)s AND number >= %(first)s ORDER BY number LIMIT %(limit)s;

-- name: put_key
INSERT INTO audit_keys (first_size, verifiers) VALUES (%(first_size)s, %(verifiers)s);

-- name: read_keys
SELECT first_size, verifiers, added_at FROM audit_keys ORDER BY first_size;

-- name: key_entry_pending
SELECT EXISTS (SELECT FROM audit_pending WHERE action LIKE 'audit.key-%') AS pending;

-- name: pending_replacement
SELECT leaf FROM audit_pending WHERE action = 'audit.key-replaced' ORDER BY arrival LIMIT 1;

-- name: put_checkpoint
INSERT INTO audit_checkpoints (size, root, note) VALUES (%(size)s, %(root)s, %(note)s) ON CONFLICT (size) DO NOTHING;

-- name: thin_checkpoints
DELETE FROM audit_checkpoints AS one
WHERE one.signed_at < now() - interval '10 minutes' AND one.signed_at > now() - interval '2 days'
  AND NOT EXISTS (SELECT FROM audit_cosignatures AS witnessed WHERE witnessed.size = one.size)
  AND EXISTS (
    SELECT FROM audit_checkpoints AS other WHERE other.size < one.size AND other.size / 256 = one.size / 256
  );

-- name: last_checkpoint
SELECT size, root, note, signed_at FROM audit_checkpoints ORDER BY size DESC LIMIT 1;

-- name: checkpoint_at
SELECT size, root, note, signed_at FROM audit_checkpoints WHERE size = %(size)s;

-- name: checkpoints_from
SELECT size, note FROM audit_checkpoints WHERE size > %(after)s AND size <= %(until)s ORDER BY size;

-- name: checkpoints_beyond
SELECT size, note FROM audit_checkpoints WHERE size > %(after)s ORDER BY size LIMIT 16;

-- name: differing_checkpoints
SELECT size FROM audit_checkpoints
WHERE split_part(note, E'\n', 3) <> encode(root, 'base64') ORDER BY size LIMIT 16;

-- name: cosignatures_of
SELECT size, line FROM audit_cosignatures WHERE size = ANY(%(sizes)s) ORDER BY size, witness;

-- name: put_cosignature
INSERT INTO audit_cosignatures (size, witness, line, signed_at) VALUES (%(size)s, %(witness)s, %(line)s, %(signed_at)s)
ON CONFLICT (size, witness) DO UPDATE SET line = EXCLUDED.line, signed_at = EXCLUDED.signed_at
WHERE audit_cosignatures.signed_at < EXCLUDED.signed_at;

-- name: witnessed_head
SELECT max(size) AS size FROM audit_cosignatures;

-- name: pending_count
SELECT count(*) AS waiting FROM (SELECT FROM audit_pending LIMIT 100000) AS counted;

-- name: entries_from
SELECT entry_index, id, project_id, action, actor, subject, leaf, leaf_hash FROM audit_entries
WHERE entry_index >= %(first)s AND entry_index < %(end)s ORDER BY entry_index;

-- name: entries_beyond
SELECT count(*) AS entries, min(entry_index) AS first FROM audit_entries
WHERE entry_index < 0 OR entry_index >= coalesce((SELECT size FROM audit_tree), 0);

-- name: entry_at
SELECT entry_index, id, project_id, appended_at, leaf, leaf_hash FROM audit_entries WHERE entry_index = %(index)s;

-- name: find_by_subject
SELECT entry_index, leaf FROM audit_entries
WHERE subject = %(subject)s AND action = %(action)s AND project_id = %(project)s
ORDER BY entry_index DESC LIMIT 1;

-- name: list_entries
SELECT entry_index, id, project_id, appended_at, leaf, leaf_hash FROM audit_entries
WHERE (%(before)s::bigint IS NULL OR entry_index < %(before)s)
  AND (%(project)s::uuid IS NULL OR project_id = %(project)s)
  AND (%(action)s::text IS NULL OR action = %(action)s)
  AND (%(actor)s::text IS NULL OR actor = %(actor)s)
  AND (%(subject)s::text IS NULL OR subject = %(subject)s)
  AND (%(since)s::timestamptz IS NULL OR appended_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR appended_at < %(until)s)
ORDER BY entry_index DESC LIMIT %(limit)s;
