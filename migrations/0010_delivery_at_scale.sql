-- What a notification says lies apart from how far it is on its way: each step rewrites a row, and need not rewrite that.
CREATE TABLE outbox_payloads (
    id      INTEGER PRIMARY KEY,
    payload TEXT NOT NULL
);
ALTER TABLE outbox ADD COLUMN payload_id BIGINT;
UPDATE outbox SET payload_id = (SELECT COUNT(*) FROM outbox AS o WHERE o.id <= outbox.id);
INSERT INTO outbox_payloads (id, payload) SELECT payload_id, payload FROM outbox;
ALTER TABLE outbox DROP COLUMN payload;

-- What is looked for, and no more: each index is written with each step.
DROP INDEX outbox_undelivered;
DROP INDEX outbox_age;
CREATE INDEX outbox_due ON outbox (next_attempt_at) WHERE state = 'pending';
CREATE INDEX outbox_waiting ON outbox (created_at) WHERE state IN ('pending', 'sending');
CREATE INDEX outbox_payload ON outbox (payload_id);

-- Alerts that others posted. What a sender repeats each minute changes only when they end: that lies apart too.
CREATE TABLE posted_alerts (
    id    INTEGER PRIMARY KEY,
    alert TEXT NOT NULL
);
CREATE TABLE posted_alert_ends (
    id          INTEGER PRIMARY KEY,
    ends_at     BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    assumed_end BIGINT NOT NULL
);
-- When each group is due, by a hash of its route and key.
CREATE TABLE group_timers (
    id      INTEGER PRIMARY KEY,
    next_at BIGINT NOT NULL,
    flushed BIGINT NOT NULL
);
