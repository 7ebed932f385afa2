CREATE TABLE scripts (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects (id),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    description text NOT NULL DEFAULT '' CHECK (length(description) <= 1000),
    -- The version that executions use unless they name one.
    active uuid,
    -- Number of the newest version.
    latest integer NOT NULL DEFAULT 0 CHECK (latest >= 0),
    revision integer NOT NULL DEFAULT 1 CHECK (revision > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    -- Deleted scripts stay: their executions name their versions.
    deleted_at timestamptz
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX scripts_name ON scripts (project_id, name) WHERE deleted_at IS NULL;
CREATE INDEX scripts_of_project ON scripts (project_id, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE script_versions (
    id uuid PRIMARY KEY,
    script_id uuid NOT NULL REFERENCES scripts (id),
    project_id uuid NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    semver text NOT NULL CHECK (length(semver) BETWEEN 5 AND 100),
    source text NOT NULL,
    digest text NOT NULL,
    state text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'in_review', 'approved', 'active', 'retired')),
    mode text NOT NULL CHECK (mode IN ('whole', 'chunk', 'group')),
    chunk_size integer NOT NULL CHECK (chunk_size BETWEEN 1 AND 1000000),
    group_key text[] NOT NULL,
    combine boolean NOT NULL,
    engine text NOT NULL CHECK (engine IN ('default', 'fast', 'strict')),
    deterministic boolean NOT NULL,
    reuse boolean NOT NULL,
    -- All limits by name: a version's stay what they were when the defaults change.
    limits jsonb NOT NULL,
    -- Canonical JSON (RFC 8785).
    input_schema bytea,
    output_schema bytea,
    privileged boolean NOT NULL,
    -- Warnings of the validation, as a JSON array.
    warnings jsonb NOT NULL DEFAULT '[]',
    crashes integer NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    quarantined boolean NOT NULL DEFAULT false,
    submitted_by text,
    reviewed_by text,
    reviewed_at timestamptz,
    review_reason text NOT NULL DEFAULT '' CHECK (length(review_reason) <= 2000),
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    CONSTRAINT script_versions_number UNIQUE (script_id, number)
) WITH (fillfactor = 80);
-- Build metadata makes no other version: semver gives it no precedence.
CREATE UNIQUE INDEX script_versions_semver ON script_versions (script_id, (split_part(semver, '+', 1)));
CREATE INDEX script_versions_to_review ON script_versions (project_id, id) WHERE state = 'in_review' OR quarantined;
ALTER TABLE scripts ADD CONSTRAINT scripts_active FOREIGN KEY (active) REFERENCES script_versions (id);

-- Which version was active when: a stack, from which a rollback takes the uppermost ones away.
CREATE TABLE script_activations (
    script_id uuid NOT NULL REFERENCES scripts (id),
    sequence integer NOT NULL CHECK (sequence > 0),
    version_id uuid NOT NULL REFERENCES script_versions (id),
    actor text NOT NULL,
    activated_at timestamptz NOT NULL DEFAULT now(),
    undone_at timestamptz,
    PRIMARY KEY (script_id, sequence)
);
COMMENT ON TABLE script_activations IS 'Activations of versions, in their order; those that a rollback undid stay.';
