-- How far a notification is on its way is counted in memory and written when an attempt is over: a narrow row of numbers
-- beside what it says. state: 0 waits, 1 delivered, 2 refused, 3 expired, 4 superseded. name: the notification's id, once
-- it ended without being delivered. expires_at: when it is given up, where that is not for the configuration to say.
CREATE TABLE outbox_steps (
    id              INTEGER PRIMARY KEY,
    state           BIGINT NOT NULL,
    attempts        BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    expires_at      BIGINT,
    last_error      TEXT,
    name            TEXT,
    undelivered     TEXT
);
INSERT INTO outbox_steps (id, state, attempts, next_attempt_at, updated_at, last_error, name, undelivered)
SELECT payload_id,
    CASE state WHEN 'delivered' THEN 1 WHEN 'failed' THEN 2 WHEN 'expired' THEN 3 WHEN 'superseded' THEN 4 ELSE 0 END,
    CASE state WHEN 'sending' THEN attempts - 1 ELSE attempts END,
    CASE state WHEN 'sending' THEN updated_at ELSE next_attempt_at END,
    updated_at, last_error,
    CASE WHEN state IN ('failed', 'expired', 'superseded') THEN id END,
    undelivered
FROM outbox ORDER BY payload_id;
DROP TABLE outbox;
ALTER TABLE outbox_steps RENAME TO outbox;
CREATE INDEX outbox_dead ON outbox (name) WHERE name IS NOT NULL;
CREATE INDEX outbox_stand_in ON outbox (undelivered) WHERE undelivered IS NOT NULL;
