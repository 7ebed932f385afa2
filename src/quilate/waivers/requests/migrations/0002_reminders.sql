-- Which reminders of a waiver's end have been sent: each once.
CREATE TABLE waiver_reminders (
    waiver_id uuid NOT NULL REFERENCES waiver_requests (id),
    days_before smallint NOT NULL CHECK (days_before > 0),
    sent_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (waiver_id, days_before)
);
COMMENT ON TABLE waiver_reminders IS 'Reminders that a waiver ends soon.';
