-- Entries of a span of time; also what is too old to be kept.
CREATE INDEX ledger_at ON ledger (at);
