-- The notification that a row to the fallback receiver stands in for.
ALTER TABLE outbox ADD COLUMN undelivered TEXT;
CREATE INDEX outbox_undelivered_by ON outbox (undelivered) WHERE undelivered IS NOT NULL;
