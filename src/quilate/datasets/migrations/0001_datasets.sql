-- Datasets and models: a name, and what may change about it.
CREATE TABLE catalogue_entries (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('dataset', 'model')),
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    archived boolean NOT NULL DEFAULT false,
    latest integer NOT NULL DEFAULT 0,
    -- Counts the changes of this row, for If-Match.
    revision integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    UNIQUE (project_id, kind, name)
);

-- Versions are written once and never changed.
CREATE TABLE catalogue_versions (
    id uuid PRIMARY KEY,
    entry_id uuid NOT NULL REFERENCES catalogue_entries (id) ON DELETE CASCADE,
    number integer NOT NULL CHECK (number > 0),
    -- Of the manifest: path, digest and length of each file.
    digest text NOT NULL,
    size_bytes bigint NOT NULL,
    file_count integer NOT NULL,
    row_count bigint,
    columns jsonb NOT NULL,
    parent integer,
    comment text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    UNIQUE (entry_id, number),
    -- The same content is the same version.
    UNIQUE (entry_id, digest),
    CHECK (parent < number)
);
CREATE INDEX catalogue_versions_digest ON catalogue_versions (digest);

CREATE TABLE catalogue_files (
    version_id uuid NOT NULL REFERENCES catalogue_versions (id) ON DELETE CASCADE,
    path text NOT NULL,
    digest text NOT NULL,
    size_bytes bigint NOT NULL,
    format text NOT NULL,
    row_count bigint,
    columns jsonb NOT NULL,
    PRIMARY KEY (version_id, path)
);
CREATE INDEX catalogue_files_digest ON catalogue_files (digest);

-- Archives of files to be judged: a digest alone opens nothing, this row is the right to use it.
CREATE TABLE source_archives (
    project_id uuid NOT NULL,
    digest text NOT NULL,
    size_bytes bigint NOT NULL,
    uploaded_at timestamptz NOT NULL DEFAULT now(),
    uploaded_by text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, digest)
);
CREATE INDEX source_archives_expiry ON source_archives (expires_at);
CREATE INDEX source_archives_digest ON source_archives (digest);
