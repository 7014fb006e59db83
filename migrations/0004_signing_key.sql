-- The key that links in messages are signed with; one row.
CREATE TABLE signing_key (
    id         BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    key        TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
