-- People, their sessions, API keys, and the keys that access tokens are signed with. Tokens and API keys are stored as
-- SHA-256, passwords as argon2id.
CREATE TABLE auth_users (
    user_id       TEXT   NOT NULL PRIMARY KEY,
    username      TEXT   NOT NULL,
    -- The username in lower case.
    username_key  TEXT   NOT NULL UNIQUE,
    email         TEXT   NOT NULL UNIQUE,
    full_name     TEXT   NOT NULL,
    role          TEXT   NOT NULL,
    status        TEXT   NOT NULL,
    password_hash TEXT   NOT NULL,
    -- Access tokens of an older epoch are worth nothing.
    epoch         BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    last_login_at BIGINT
);
-- A login, and all tokens that descend from it.
CREATE TABLE auth_sessions (
    session_id  TEXT   NOT NULL PRIMARY KEY,
    user_id     TEXT   NOT NULL,
    -- SHA-256 of a browser's cookie.
    cookie_hash TEXT   UNIQUE,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    revoked_at  BIGINT
);
CREATE INDEX auth_sessions_by_user ON auth_sessions (user_id, revoked_at);
CREATE INDEX auth_sessions_by_end ON auth_sessions (expires_at);
CREATE TABLE auth_refresh_tokens (
    token_hash TEXT   NOT NULL PRIMARY KEY,
    token_id   TEXT   NOT NULL,
    session_id TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE INDEX auth_refresh_tokens_by_session ON auth_refresh_tokens (session_id);
CREATE TABLE auth_api_keys (
    key_id       TEXT   NOT NULL PRIMARY KEY,
    user_id      TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    description  TEXT   NOT NULL,
    key_hash     TEXT   NOT NULL UNIQUE,
    -- Words with commas between them.
    scopes       TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT,
    revoked_at   BIGINT
);
CREATE INDEX auth_api_keys_by_user ON auth_api_keys (user_id, created_at);
CREATE TABLE auth_signing_keys (
    key_id     TEXT   NOT NULL PRIMARY KEY,
    -- The two primes of an RSA key, in hexadecimal; the rest follows from them.
    prime_p    TEXT   NOT NULL,
    prime_q    TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
