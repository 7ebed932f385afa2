-- Keys of a project, sealed by the installation's key file: `data` seals the keys of its payloads, `token` makes tokens
-- and the index of subjects. A `data` key may be followed by a newer one; `token` stays, or nothing could be joined.
CREATE TABLE script_data_keys (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('data', 'token')),
    number integer NOT NULL CHECK (number > 0),
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, purpose, number),
    CHECK (purpose = 'data' OR number = 1)
);

-- How long inputs, outputs and console lines are kept; a project without a row has the installation's setting.
CREATE TABLE script_retention (
    project_id uuid PRIMARY KEY,
    days integer NOT NULL CHECK (days BETWEEN 0 AND 36500),
    revision integer NOT NULL DEFAULT 1 CHECK (revision > 0),
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by text NOT NULL
);

-- Whom the records of an input are about, as keyed digests: who has this table without the key learns nothing.
CREATE TABLE script_subjects (
    project_id uuid NOT NULL,
    token bytea NOT NULL CHECK (octet_length(token) = 16),
    execution_id uuid NOT NULL,
    PRIMARY KEY (project_id, token, execution_id)
);
CREATE INDEX script_subjects_of_execution ON script_subjects (execution_id);

-- What is left of an erasure: that there was one, whom it was about as a keyed digest, and what it took.
CREATE TABLE script_erasures (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    token bytea NOT NULL,
    executions integer NOT NULL CHECK (executions >= 0),
    reason text NOT NULL,
    requested_by text NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX script_erasures_of_project ON script_erasures (project_id, id DESC);

-- Executions whose contents an erasure took: their inputs and outputs answer 410 from then on.
CREATE TABLE script_tombstones (
    execution_id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    erasure_id uuid NOT NULL REFERENCES script_erasures (id),
    removed_at timestamptz NOT NULL DEFAULT now()
);

-- What lies outside the database and is to be deleted; written with the rows that referred to it, done afterwards.
CREATE TABLE script_removals (
    reference text PRIMARY KEY,
    project_id uuid NOT NULL,
    -- Nobody else can have the same content, since it is sealed by a key of its own.
    sealed boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Dataset versions that are outputs of executions.
CREATE TABLE script_lineage (
    version_id uuid NOT NULL,
    execution_id uuid NOT NULL,
    project_id uuid NOT NULL,
    dataset text NOT NULL,
    number integer NOT NULL,
    script_id uuid NOT NULL,
    script_version_id uuid NOT NULL,
    script_version text NOT NULL,
    input_digest text NOT NULL,
    input_address text NOT NULL,
    output_digest text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    PRIMARY KEY (version_id, execution_id)
);
CREATE INDEX script_lineage_of_execution ON script_lineage (execution_id);

-- By what an artifact is asked after before it is deleted, and what is kept outside the database.
CREATE INDEX script_executions_input_reference ON script_executions (input_reference)
    WHERE input_reference IS NOT NULL;
CREATE INDEX script_executions_output_reference ON script_executions (output_reference)
    WHERE output_reference IS NOT NULL;
CREATE INDEX script_executions_held ON script_executions (id)
    WHERE input_reference IS NOT NULL OR output_reference IS NOT NULL;
