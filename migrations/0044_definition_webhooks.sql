-- How far each webhook has been told of the writes in definition_audit. due_at: not before; who sends moves it on first, so
-- that of several processes one does.
CREATE TABLE definition_webhooks (
    name     TEXT   NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    due_at   BIGINT NOT NULL
);
