-- Where a receiver keeps the message about a group, so that later ones update it and answer in its thread.
CREATE TABLE sent_messages (
    group_key   TEXT   NOT NULL,
    receiver    TEXT   NOT NULL,
    integration TEXT   NOT NULL,
    channel     TEXT   NOT NULL,
    message     TEXT   NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (group_key, receiver, integration)
);
CREATE INDEX sent_messages_updated_at ON sent_messages (updated_at);
