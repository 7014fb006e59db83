-- Who took charge of which alerts. An ack covers the alerts that fired when it was made, one row each.
CREATE TABLE acks (
    id         TEXT   NOT NULL PRIMARY KEY,
    owner      TEXT   NOT NULL,
    note       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
-- severity_rank: the most severe of its kind that fired then. why: NULL while the ack holds.
CREATE TABLE ack_alerts (
    ack_id        TEXT   NOT NULL,
    fingerprint   TEXT   NOT NULL,
    labels        TEXT   NOT NULL,
    severity_rank BIGINT NOT NULL,
    ended_at      BIGINT,
    why           TEXT,
    PRIMARY KEY (ack_id, fingerprint)
);
CREATE INDEX ack_alerts_end ON ack_alerts (ended_at);

-- Silences that come again. matchers: JSON; schedule: JSON in the form of time_intervals.
CREATE TABLE recurring_silences (
    id         TEXT   NOT NULL PRIMARY KEY,
    matchers   TEXT   NOT NULL,
    schedule   TEXT   NOT NULL,
    starts_at  BIGINT,
    ends_at    BIGINT,
    updated_at BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    comment    TEXT   NOT NULL
);
