-- Receivers in a storm. kinds: the names of its alerts, a JSON list.
CREATE TABLE storms (
    receiver     TEXT   NOT NULL PRIMARY KEY,
    id           TEXT   NOT NULL,
    since        BIGINT NOT NULL,
    alerts       BIGINT NOT NULL,
    kinds        TEXT   NOT NULL,
    summaries    BIGINT NOT NULL,
    next_summary BIGINT NOT NULL
);

-- Alerts held as firing because they flap. state: the alert and its changes, JSON.
CREATE TABLE flapping_alerts (
    labels TEXT NOT NULL PRIMARY KEY,
    state  TEXT NOT NULL
);
