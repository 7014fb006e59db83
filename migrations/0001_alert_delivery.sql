-- What each receiver was last told about each group.
CREATE TABLE notification_log (
    group_key   TEXT   NOT NULL,
    receiver    TEXT   NOT NULL,
    integration TEXT   NOT NULL,
    told        TEXT   NOT NULL,
    notified_at BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    outbox_id   TEXT,
    previous    TEXT,
    PRIMARY KEY (group_key, receiver, integration)
);
CREATE INDEX notification_log_expiry ON notification_log (expires_at);

-- Notifications on their way. state: pending, sending, delivered, failed, expired, superseded.
CREATE TABLE outbox (
    id              TEXT   NOT NULL PRIMARY KEY,
    idempotency_key TEXT   NOT NULL,
    group_key       TEXT   NOT NULL,
    receiver        TEXT   NOT NULL,
    integration     TEXT   NOT NULL,
    state           TEXT   NOT NULL,
    payload         TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    attempts        BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    last_error      TEXT
);
CREATE UNIQUE INDEX outbox_idempotency ON outbox (idempotency_key) WHERE state IN ('pending', 'sending');
CREATE INDEX outbox_undelivered ON outbox (next_attempt_at) WHERE state IN ('pending', 'sending');
CREATE INDEX outbox_order ON outbox (group_key, receiver, integration) WHERE state IN ('pending', 'sending');
CREATE INDEX outbox_lane ON outbox (receiver, integration, next_attempt_at) WHERE state = 'pending';
CREATE INDEX outbox_age ON outbox (updated_at);

-- Why somebody was, or was not, told.
CREATE TABLE ledger (
    id           INTEGER PRIMARY KEY,
    at           BIGINT NOT NULL,
    group_key    TEXT   NOT NULL,
    receiver     TEXT   NOT NULL,
    integration  TEXT   NOT NULL,
    fingerprint  TEXT,
    labels       TEXT,
    notification TEXT,
    kind         TEXT   NOT NULL,
    decision     TEXT   NOT NULL
);
CREATE INDEX ledger_fingerprint ON ledger (fingerprint);
CREATE INDEX ledger_notification ON ledger (notification);

-- Token buckets, and what they hold back.
CREATE TABLE throttle_buckets (
    receiver    TEXT             NOT NULL,
    integration TEXT             NOT NULL,
    severity    TEXT             NOT NULL,
    tokens      DOUBLE PRECISION NOT NULL,
    updated_at  BIGINT           NOT NULL,
    PRIMARY KEY (receiver, integration, severity)
);
CREATE TABLE throttle_digests (
    id          TEXT   NOT NULL PRIMARY KEY,
    receiver    TEXT   NOT NULL,
    integration TEXT   NOT NULL,
    severity    TEXT   NOT NULL,
    opened_at   BIGINT NOT NULL
);
CREATE TABLE throttle_items (
    digest_id TEXT   NOT NULL,
    group_key TEXT   NOT NULL,
    position  BIGINT NOT NULL,
    payload   TEXT   NOT NULL,
    PRIMARY KEY (digest_id, group_key)
);

-- State of the alert rules, written by them.
CREATE TABLE rule_state (
    key       TEXT NOT NULL PRIMARY KEY,
    group_key TEXT NOT NULL,
    state     TEXT NOT NULL
);
CREATE INDEX rule_state_group ON rule_state (group_key);
