-- One draft of a blueprint's next version for each name; it goes when it is published or discarded.
CREATE TABLE blueprint_drafts (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects (id),
    name text NOT NULL,
    version text NOT NULL,
    description text NOT NULL,
    text text NOT NULL,
    digest text NOT NULL,
    revision integer NOT NULL DEFAULT 1 CHECK (revision > 0),
    -- Everybody who wrote at it; none of them may publish it.
    authors text[] NOT NULL CHECK (cardinality(authors) > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, name)
);
COMMENT ON TABLE blueprint_drafts IS 'The next version of a blueprint while people write at it.';

CREATE TABLE blueprint_versions (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects (id),
    name text NOT NULL,
    version text NOT NULL,
    -- Counts the versions of a name in the order of their publication.
    sequence integer NOT NULL CHECK (sequence > 0),
    description text NOT NULL,
    text text NOT NULL,
    -- The text with what it extends laid under it: needs no other document, so that it means the same for good.
    standalone text NOT NULL,
    digest text NOT NULL,
    authors text[] NOT NULL CHECK (cardinality(authors) > 0),
    publisher text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    withdrawn_at timestamptz,
    withdrawn_by text,
    withdrawal_reason text,
    UNIQUE (project_id, name, version),
    UNIQUE (project_id, name, sequence),
    CONSTRAINT blueprint_versions_four_eyes CHECK (NOT publisher = ANY (authors)),
    CHECK ((withdrawn_at IS NULL) = (withdrawn_by IS NULL) AND (withdrawn_at IS NULL) = (withdrawal_reason IS NULL))
);
COMMENT ON TABLE blueprint_versions IS 'Published blueprints; nothing but their withdrawal ever changes.';

CREATE FUNCTION refuse_blueprint_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.withdrawn_at IS NOT NULL
        OR (to_jsonb(OLD) - '{withdrawn_at,withdrawn_by,withdrawal_reason}'::text[])
            IS DISTINCT FROM (to_jsonb(NEW) - '{withdrawn_at,withdrawn_by,withdrawal_reason}'::text[])
    THEN
        RAISE EXCEPTION 'a published blueprint never changes' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER blueprint_versions_immutable BEFORE UPDATE ON blueprint_versions
    FOR EACH ROW EXECUTE FUNCTION refuse_blueprint_change();
