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
CREATE INDEX outbox_payload ON outbox (payload_id);
