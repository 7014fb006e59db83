-- The ledger, many entries a row; they are numbered from first_id on. removed: how many of the first are past retention.
-- hashes: 8 bytes each, sorted, of the alerts and notifications in it; it stands before body, so that looking there reads
-- nothing of that. What stands in the table `ledger` is brought here by the program, in this migration's transaction.
CREATE TABLE ledger_chunks (
    first_id INTEGER PRIMARY KEY,
    entries  BIGINT NOT NULL,
    removed  BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at  BIGINT NOT NULL,
    hashes   BLOB   NOT NULL,
    body     BLOB   NOT NULL
);

-- What the routes know for the next start: posted alerts, the groups' timers, what receivers were told. Each row holds what a
-- transaction changed; now and then all that still counts is written anew (is_base = 1). The tables posted_alerts,
-- posted_alert_ends, group_timers and notification_log are brought here by the program, too.
CREATE TABLE alert_journal (
    id      INTEGER PRIMARY KEY,
    is_base BIGINT NOT NULL,
    changes BLOB   NOT NULL
);
