-- Rollups: one row per target, source and closed bucket. at: minutes, hours or days since 1970 (UTC). source: number
-- of src/store/packed.rs. outcomes: verdict codes and counts as varints; ttft to connect: mergeable histograms.
CREATE TABLE minutes (
  target INTEGER NOT NULL, source INTEGER NOT NULL, at INTEGER NOT NULL,
  attempts INTEGER NOT NULL, began INTEGER NOT NULL, errors INTEGER NOT NULL,
  truncated INTEGER NOT NULL, complete INTEGER NOT NULL, ours INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL,
  spent_usd REAL NOT NULL, outcomes BLOB NOT NULL,
  ttft BLOB, ttfo BLOB, itl BLOB, gap BLOB, e2e BLOB, connect BLOB,
  PRIMARY KEY (target, source, at)
) STRICT, WITHOUT ROWID;

CREATE TABLE days (
  target INTEGER NOT NULL, source INTEGER NOT NULL, at INTEGER NOT NULL,
  attempts INTEGER NOT NULL, began INTEGER NOT NULL, errors INTEGER NOT NULL,
  truncated INTEGER NOT NULL, complete INTEGER NOT NULL, ours INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL,
  spent_usd REAL NOT NULL, outcomes BLOB NOT NULL,
  ttft BLOB, ttfo BLOB, itl BLOB, gap BLOB, e2e BLOB, connect BLOB,
  PRIMARY KEY (target, source, at)
) STRICT, WITHOUT ROWID;

-- Hours were summed while they ran and over all sources. The old ones move bit by bit (src/store/backlog.rs).
ALTER TABLE hours RENAME TO hours_before_4;
CREATE TABLE hours (
  target INTEGER NOT NULL, source INTEGER NOT NULL, at INTEGER NOT NULL,
  attempts INTEGER NOT NULL, began INTEGER NOT NULL, errors INTEGER NOT NULL,
  truncated INTEGER NOT NULL, complete INTEGER NOT NULL, ours INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL,
  spent_usd REAL NOT NULL, outcomes BLOB NOT NULL,
  ttft BLOB, ttfo BLOB, itl BLOB, gap BLOB, e2e BLOB, connect BLOB,
  PRIMARY KEY (target, source, at)
) STRICT, WITHOUT ROWID;
