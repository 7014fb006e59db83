-- Who asked for quiet, about what, and until when. matchers and annotations: JSON.
CREATE TABLE silences (
    id          TEXT   NOT NULL PRIMARY KEY,
    matchers    TEXT   NOT NULL,
    starts_at   BIGINT NOT NULL,
    ends_at     BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    created_by  TEXT   NOT NULL,
    comment     TEXT   NOT NULL,
    annotations TEXT   NOT NULL
);
CREATE INDEX silences_end ON silences (ends_at);
