-- Metric definitions, business domains and objectives. document: JSON; the columns beside it are what is looked for.
CREATE TABLE definitions (
    kind            TEXT   NOT NULL,
    id              TEXT   NOT NULL,
    name            TEXT   NOT NULL,
    category        TEXT,
    tier            TEXT,
    business_domain TEXT,
    metric_type     TEXT,
    status          TEXT,
    owner_team      TEXT,
    version         TEXT,
    revision        BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    search          TEXT   NOT NULL,
    document        TEXT   NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX definitions_name ON definitions (kind, name, id);
CREATE INDEX definitions_category ON definitions (kind, category);
CREATE INDEX definitions_domain ON definitions (kind, business_domain);

CREATE TABLE definition_tags (
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    tag  TEXT NOT NULL,
    PRIMARY KEY (kind, tag, id)
);
CREATE INDEX definition_tags_id ON definition_tags (kind, id);

-- Every write. document: as it was then, NULL for a deletion; fields: JSON. Stays when the definition goes.
CREATE TABLE definition_history (
    kind        TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    revision    BIGINT NOT NULL,
    version     TEXT,
    change_type TEXT,
    changed_at  BIGINT NOT NULL,
    changed_by  TEXT   NOT NULL,
    summary     TEXT   NOT NULL,
    fields      TEXT   NOT NULL,
    document    TEXT,
    PRIMARY KEY (kind, id, revision)
);

-- Who wrote what, from where.
CREATE TABLE definition_audit (
    id       INTEGER PRIMARY KEY,
    at       BIGINT NOT NULL,
    actor    TEXT   NOT NULL,
    source   TEXT   NOT NULL,
    action   TEXT   NOT NULL,
    kind     TEXT   NOT NULL,
    target   TEXT   NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX definition_audit_target ON definition_audit (kind, target);

-- One row: how many writes there were. What is derived of definitions is right as long as it stands still.
CREATE TABLE definition_generation (
    id         BIGINT NOT NULL PRIMARY KEY,
    generation BIGINT NOT NULL
);
INSERT INTO definition_generation (id, generation) VALUES (1, 0);
