-- Sessions, service accounts, trust in other issuers, access to evidence.

-- A login says by what means and on what kind of device it began; no address is kept.
ALTER TABLE sessions
    ADD COLUMN device text NOT NULL DEFAULT '' CHECK (char_length(device) <= 100),
    ADD COLUMN method text NOT NULL DEFAULT 'password' CHECK (method IN ('password', 'link', 'provider')),
    ADD COLUMN last_used_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE sessions DROP CONSTRAINT sessions_revoked_because_check;
ALTER TABLE sessions ADD CONSTRAINT sessions_revoked_because_check CHECK (
    revoked_because IN (
        'logout', 'reuse', 'password-changed', 'password-reset', 'deactivated', 'erased', 'revoked',
        'revoked-by-administrator'
    )
);

-- Logs in by an identity provider, so that a password is not what makes the user active.
ALTER TABLE users ADD COLUMN federated boolean NOT NULL DEFAULT false;

-- What a machine does in one project: no person, no password, only tokens.
CREATE TABLE service_accounts (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects (id),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    role text CHECK (role IN ('viewer', 'developer')),
    scopes text[] NOT NULL CHECK (cardinality(scopes) BETWEEN 1 AND 50),
    enabled boolean NOT NULL DEFAULT true,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    version integer NOT NULL DEFAULT 1,
    UNIQUE (project_id, name)
);
CREATE INDEX service_accounts_of_project ON service_accounts (project_id, id);

-- Statements of an issuer that are taken in place of a secret. `bindings` is what they have to say, as JSON.
CREATE TABLE oidc_trusts (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects (id),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    provider text NOT NULL CHECK (provider IN ('github', 'gitlab', 'other')),
    issuer text NOT NULL CHECK (char_length(issuer) <= 500),
    audience text NOT NULL CHECK (char_length(audience) BETWEEN 1 AND 500),
    bindings jsonb NOT NULL,
    pull_requests boolean NOT NULL DEFAULT false,
    role text CHECK (role IN ('viewer', 'developer')),
    scopes text[] NOT NULL CHECK (cardinality(scopes) BETWEEN 1 AND 50),
    lifetime_seconds integer NOT NULL CHECK (lifetime_seconds BETWEEN 60 AND 3600),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_on date,
    UNIQUE (project_id, name)
);
CREATE INDEX oidc_trusts_of_project ON oidc_trusts (project_id, id);
CREATE INDEX oidc_trusts_of_issuer ON oidc_trusts (issuer);

-- A statement counts once. The key is a hash of issuer and `jti`.
CREATE TABLE oidc_used_tokens (
    token_key bytea PRIMARY KEY CHECK (octet_length(token_key) = 32),
    expires_at timestamptz NOT NULL
);
CREATE INDEX oidc_used_tokens_expiry ON oidc_used_tokens (expires_at);

-- Tokens of service accounts, and those that an issuer's statement was exchanged for.
CREATE TABLE machine_tokens (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects (id),
    service_account_id uuid REFERENCES service_accounts (id),
    trust_id uuid REFERENCES oidc_trusts (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (char_length(name) <= 100),
    prefix text NOT NULL,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    scopes text[] NOT NULL CHECK (cardinality(scopes) BETWEEN 1 AND 50),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    last_used_on date,
    revoked_at timestamptz,
    CHECK (num_nonnulls(service_account_id, trust_id) = 1),
    CHECK (trust_id IS NULL OR expires_at <= created_at + interval '1 hour'),
    CHECK (expires_at <= created_at + interval '366 days')
);
CREATE INDEX machine_tokens_of_account ON machine_tokens (service_account_id, id);
CREATE INDEX machine_tokens_of_trust ON machine_tokens (trust_id);
CREATE INDEX machine_tokens_expiry ON machine_tokens (expires_at);

-- Where people log in by OpenID Connect.
CREATE TABLE identity_providers (
    id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$'),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    issuer text NOT NULL CHECK (char_length(issuer) <= 500),
    client_id text NOT NULL CHECK (char_length(client_id) BETWEEN 1 AND 500),
    -- Encrypted, bound to this row; NULL for a public client, which PKCE protects.
    client_secret bytea,
    auto_create_domains text[] NOT NULL DEFAULT '{}',
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    version integer NOT NULL DEFAULT 1
);

-- Which person a provider's subject is.
CREATE TABLE user_identities (
    provider_id uuid NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
    subject text NOT NULL CHECK (char_length(subject) BETWEEN 1 AND 255),
    user_id uuid NOT NULL REFERENCES users (id),
    linked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider_id, subject),
    UNIQUE (provider_id, user_id)
);
CREATE INDEX user_identities_of_user ON user_identities (user_id);

-- Logins under way: between leaving for the provider and coming back. Hashes only; the secret is in a cookie.
CREATE TABLE login_flows (
    state_hash bytea PRIMARY KEY CHECK (octet_length(state_hash) = 32),
    browser_hash bytea NOT NULL CHECK (octet_length(browser_hash) = 32),
    provider_id uuid NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
    -- Set where somebody who has logged in adds this way of doing so.
    user_id uuid REFERENCES users (id),
    return_to text NOT NULL DEFAULT '' CHECK (char_length(return_to) <= 500),
    challenge text NOT NULL DEFAULT '' CHECK (char_length(challenge) <= 64),
    expires_at timestamptz NOT NULL,
    CHECK ((return_to = '') = (challenge = ''))
);
CREATE INDEX login_flows_expiry ON login_flows (expires_at);

-- Codes that an application redeems for the login it has asked for; once, within a minute.
CREATE TABLE login_codes (
    code_hash bytea PRIMARY KEY CHECK (octet_length(code_hash) = 32),
    challenge text NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id),
    expires_at timestamptz NOT NULL
);
CREATE INDEX login_codes_expiry ON login_codes (expires_at);

-- Who saw which evidence, when, by which route. Ids only. Sealed in batches whose digests are in the audit log.
CREATE TABLE access_batches (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects (id),
    records integer NOT NULL CHECK (records > 0),
    digest text NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT now(),
    expired_at timestamptz
);
CREATE INDEX access_batches_of_project ON access_batches (project_id, id DESC);
CREATE INDEX access_batches_age ON access_batches (last_at) WHERE expired_at IS NULL;

CREATE TABLE access_records (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects (id),
    actor text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    route text NOT NULL,
    at timestamptz NOT NULL,
    batch_id uuid REFERENCES access_batches (id)
);
CREATE INDEX access_records_of_project ON access_records (project_id, id DESC);
CREATE INDEX access_records_of_actor ON access_records (project_id, actor, id DESC);
CREATE INDEX access_records_of_subject ON access_records (project_id, subject, id DESC);
CREATE INDEX access_records_unsealed ON access_records (project_id, id) WHERE batch_id IS NULL;
CREATE INDEX access_records_of_batch ON access_records (batch_id, id);
