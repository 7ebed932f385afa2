-- Accepted exceptions: asked for by the owner, decided by another person, shown for good. What was asked for never
-- changes; an approval past its last day ends as expired.
CREATE TABLE waiver_requests (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects (id),
    state text NOT NULL CHECK (state IN ('requested', 'approved', 'rejected', 'revoked', 'expired')),
    rule text NOT NULL,
    paths text[] NOT NULL,
    check_id text NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    until date NOT NULL,
    owner text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    decided_by text,
    decided_at timestamptz,
    decision_comment text,
    ended_by text,
    ended_at timestamptz,
    end_reason text,
    CONSTRAINT waiver_requests_four_eyes CHECK (decided_by <> owner),
    CONSTRAINT waiver_requests_one_year CHECK (
        until >= (requested_at AT TIME ZONE 'UTC')::date
        AND until <= (requested_at AT TIME ZONE 'UTC')::date + interval '1 year'
    ),
    CHECK ((decided_by IS NULL) = (decided_at IS NULL)),
    CHECK ((ended_by IS NULL) = (ended_at IS NULL)),
    CHECK (state NOT IN ('approved', 'rejected') OR decided_by IS NOT NULL),
    CHECK (state <> 'requested' OR decided_by IS NULL),
    CHECK ((state IN ('revoked', 'expired')) = (ended_by IS NOT NULL))
);
CREATE INDEX waiver_requests_of_project ON waiver_requests (project_id, id DESC);
CREATE INDEX waiver_requests_approved ON waiver_requests (project_id, until) WHERE state = 'approved';
CREATE INDEX waiver_requests_open ON waiver_requests (until) WHERE state IN ('requested', 'approved');
COMMENT ON TABLE waiver_requests IS 'Waivers of the service with who asked, who decided and how they ended.';

CREATE FUNCTION refuse_waiver_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state IN ('rejected', 'revoked', 'expired')
        OR (NEW.state <> 'requested' AND NEW.state = OLD.state)
        OR (OLD.state = 'approved' AND NEW.state NOT IN ('revoked', 'expired'))
        OR (OLD.decided_by IS NOT NULL
            AND (OLD.decided_by, OLD.decided_at) IS DISTINCT FROM (NEW.decided_by, NEW.decided_at))
        OR (OLD.id, OLD.project_id, OLD.rule, OLD.paths, OLD.check_id, OLD.reason, OLD.until, OLD.owner,
            OLD.requested_at)
            IS DISTINCT FROM (NEW.id, NEW.project_id, NEW.rule, NEW.paths, NEW.check_id, NEW.reason, NEW.until,
                NEW.owner, NEW.requested_at)
    THEN
        RAISE EXCEPTION 'what was asked for and decided never changes'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER waiver_requests_immutable BEFORE UPDATE ON waiver_requests
    FOR EACH ROW EXECUTE FUNCTION refuse_waiver_change();
