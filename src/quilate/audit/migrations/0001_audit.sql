CREATE TABLE audit_pending (
    arrival bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL,
    project_id uuid,
    action text NOT NULL,
    actor text NOT NULL,
    subject text NOT NULL,
    leaf bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
COMMENT ON TABLE audit_pending IS 'Audit entries committed with their change, waiting for the sequencer to give them their places.';

CREATE TABLE audit_entries (
    entry_index bigint PRIMARY KEY,
    id uuid NOT NULL,
    project_id uuid,
    action text NOT NULL,
    actor text NOT NULL,
    subject text NOT NULL,
    appended_at timestamptz NOT NULL,
    leaf bytea NOT NULL,
    leaf_hash bytea NOT NULL
);
COMMENT ON TABLE audit_entries IS 'The log: entry_index is dense from 0; action, actor, subject and project_id repeat what the leaf says.';
CREATE INDEX audit_entries_project ON audit_entries (project_id, entry_index);
CREATE INDEX audit_entries_subject ON audit_entries (subject, entry_index);
CREATE INDEX audit_entries_actor ON audit_entries (actor, entry_index);
CREATE INDEX audit_entries_action ON audit_entries (action, entry_index);
CREATE INDEX audit_entries_appended_at ON audit_entries USING brin (appended_at) WITH (pages_per_range = 32);

CREATE TABLE audit_tiles (
    level smallint NOT NULL,
    number bigint NOT NULL,
    hashes bytea NOT NULL,
    PRIMARY KEY (level, number)
);
ALTER TABLE audit_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE audit_tiles IS 'The Merkle tree as C2SP tlog-tiles: up to 256 hashes of 32 bytes, of height 8 * level.';

CREATE TABLE audit_tree (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    origin text NOT NULL,
    size bigint NOT NULL,
    root bytea NOT NULL,
    refusal text NOT NULL DEFAULT '',
    refused_at timestamptz,
    worked_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE audit_tree IS 'The present head, signed or not, and why the sequencer refuses to go on, if it does.';

CREATE TABLE audit_checkpoints (
    size bigint PRIMARY KEY,
    root bytea NOT NULL,
    note text NOT NULL,
    signed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE audit_cosignatures (
    size bigint NOT NULL REFERENCES audit_checkpoints (size) ON DELETE CASCADE,
    witness text NOT NULL,
    line text NOT NULL,
    signed_at timestamptz NOT NULL,
    PRIMARY KEY (size, witness)
);
COMMENT ON TABLE audit_cosignatures IS 'Signature lines of witnesses over checkpoints, one of each key.';

CREATE TABLE audit_keys (
    first_size bigint PRIMARY KEY,
    verifiers text[] NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE audit_keys IS 'Public keys; each signs checkpoints from its first size on until the next one does.';

CREATE TABLE audit_personal (
    entry_id uuid NOT NULL,
    name text NOT NULL,
    person text NOT NULL,
    salt bytea NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (entry_id, name)
);
CREATE INDEX audit_personal_person ON audit_personal (person);
COMMENT ON TABLE audit_personal IS 'Personal data that entries hold only a salted hash of; deleting a row keeps every proof valid.';
