-- Messages to channels until somebody took them. seq: the order in which they are sent. state: pending, delivered or
-- dead. Times in milliseconds since 1970.
CREATE TABLE outbox (
  seq INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  channel TEXT NOT NULL,
  alarm TEXT NOT NULL,
  kind TEXT NOT NULL,
  json TEXT NOT NULL,
  queued_at INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  next_try_at INTEGER,
  last_error TEXT,
  state TEXT NOT NULL,
  done_at INTEGER
) STRICT;
CREATE INDEX outbox_by_channel ON outbox (state, channel, seq);
CREATE INDEX outbox_done ON outbox (state, done_at);
-- What the policy remembers of what it told: one row, written with the messages that it decided.
CREATE TABLE alert_memory (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  at INTEGER NOT NULL,
  json TEXT NOT NULL
) STRICT;
