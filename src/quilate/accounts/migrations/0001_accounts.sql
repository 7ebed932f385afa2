-- People. Names and e-mail addresses are here and nowhere else; everything else knows a user by the id.
CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text,
    name text NOT NULL CHECK (char_length(name) <= 200),
    -- Argon2id in its encoded form; NULL until the one-time link was used.
    password_hash text,
    instance_admin boolean NOT NULL DEFAULT false,
    auditor boolean NOT NULL DEFAULT false,
    active boolean NOT NULL DEFAULT true,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    password_changed_at timestamptz,
    erased_at timestamptz,
    -- Salted, slow hash of the e-mail address: whoever knows the address can still prove whose account it was.
    erased_identity text,
    CHECK (email = lower(email)),
    CHECK ((erased_at IS NULL) = (email IS NOT NULL)),
    CHECK (erased_at IS NULL OR (NOT active AND name = '' AND password_hash IS NULL AND erased_identity IS NOT NULL))
);
CREATE UNIQUE INDEX users_email ON users (email);

-- What a team ships, and the unit of tenancy. A quota of NULL is the installation's own.
CREATE TABLE projects (
    id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$'),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    repository_url text,
    protected_branch text NOT NULL DEFAULT 'main',
    default_blueprint text,
    max_concurrent_runs integer CHECK (max_concurrent_runs BETWEEN 1 AND 10000),
    max_queued_runs integer CHECK (max_queued_runs BETWEEN 1 AND 10000000),
    archived boolean NOT NULL DEFAULT false,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE project_members (
    project_id uuid NOT NULL REFERENCES projects (id),
    user_id uuid NOT NULL REFERENCES users (id),
    role text NOT NULL CHECK (role IN ('viewer', 'developer', 'reviewer', 'security', 'admin')),
    version integer NOT NULL DEFAULT 1,
    added_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, user_id)
);
CREATE INDEX project_members_of_user ON project_members (user_id);

-- Links that let one person in once: first administrator, recovery by the operator, invitation, new password.
CREATE TABLE one_time_links (
    id uuid PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    purpose text NOT NULL CHECK (purpose IN ('first-admin', 'recovery', 'invitation', 'reset')),
    user_id uuid REFERENCES users (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    CHECK ((purpose = 'first-admin') = (user_id IS NULL))
);
CREATE INDEX one_time_links_of_user ON one_time_links (user_id);

-- A login; its refresh tokens are one family. Revoking it voids them all and every access token of it.
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_because text CHECK (
        revoked_because IN ('logout', 'reuse', 'password-changed', 'password-reset', 'deactivated', 'erased')
    ),
    CHECK ((revoked_at IS NULL) = (revoked_because IS NULL))
);
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE refresh_tokens (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    session_id uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    -- Set by its one use. Presented again, it was stolen from one of the two who have it.
    successor_hash bytea CHECK (octet_length(successor_hash) = 32)
);
CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id);

CREATE TABLE api_tokens (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    name text NOT NULL CHECK (char_length(name) <= 100),
    prefix text NOT NULL UNIQUE,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    scopes text[] NOT NULL CHECK (cardinality(scopes) BETWEEN 1 AND 50),
    project_id uuid REFERENCES projects (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    -- A day is enough to find unused tokens, and no trace of a person's hours.
    last_used_on date,
    revoked_at timestamptz,
    CHECK (expires_at <= created_at + interval '366 days')
);
CREATE INDEX api_tokens_of_user ON api_tokens (user_id, id);

-- Failed logins, counted for each account and address. Keys are keyed hashes: no address is kept.
CREATE TABLE login_throttles (
    key bytea PRIMARY KEY,
    failures integer NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    blocked_until timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX login_throttles_age ON login_throttles (changed_at);

-- Addresses from which a user has logged in: a flood of guesses from elsewhere does not lock them out there.
CREATE TABLE known_addresses (
    user_id uuid NOT NULL REFERENCES users (id),
    address bytea NOT NULL,
    last_used_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, address)
);

-- Failed logins not yet in the audit log, which hears of them at most once a minute for each account. The account of
-- all zeros stands for every account that does not exist.
CREATE TABLE login_failures (
    user_id uuid PRIMARY KEY,
    unreported integer NOT NULL,
    reported_at timestamptz NOT NULL
);

-- Public halves of the keys that sign access tokens; the private ones never leave their process (ADR 0010).
CREATE TABLE signing_keys (
    id uuid PRIMARY KEY,
    public_key bytea NOT NULL CHECK (octet_length(public_key) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

-- One row: the key of the hashes above, so that they mean nothing beyond this installation.
CREATE TABLE installation (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    hash_key bytea NOT NULL
);
INSERT INTO installation (hash_key)
VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
