-- First schema. Times are milliseconds since 1970 unless the name says otherwise; money is US dollars.

-- Facts about the file itself: revision_next, instance.
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE targets (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

-- Short texts that repeat on healthy rows: stop reasons, served models, reporters. Bounded by the writer.
CREATE TABLE words (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;

-- id: milliseconds since 2026-01-01 << 8 | sequence, so that it is time and cursor in one and needs no column.
-- kind: verdict family. data: everything else, packed (src/store/packed.rs).
CREATE TABLE observations (
  id INTEGER PRIMARY KEY,
  target INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  data BLOB NOT NULL
) STRICT;
CREATE INDEX observations_by_target ON observations (target);
CREATE INDEX observations_bad ON observations (kind) WHERE kind > 0;
CREATE INDEX observations_bad_by_target ON observations (target, kind) WHERE kind > 0;

-- Ids and texts, for failures only.
CREATE TABLE texts (
  id INTEGER PRIMARY KEY,
  request_id TEXT, detail TEXT, tail TEXT, stop_reason TEXT, served_model TEXT, reporter TEXT
) STRICT;

CREATE TABLE transitions (
  id INTEGER PRIMARY KEY,
  target INTEGER NOT NULL,
  at INTEGER NOT NULL,
  from_state TEXT NOT NULL,
  to_state TEXT NOT NULL,
  hint TEXT NOT NULL,
  weight REAL,
  retry_at INTEGER,
  reason_code TEXT NOT NULL,
  reason_text TEXT NOT NULL,
  sources TEXT NOT NULL,
  first_evidence INTEGER
) STRICT;
CREATE INDEX transitions_by_target ON transitions (target);

-- seq is the order of opening and the cursor; id is the name that everybody else uses.
CREATE TABLE incidents (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  target INTEGER NOT NULL,
  started INTEGER NOT NULL,
  detected INTEGER NOT NULL,
  opened INTEGER NOT NULL,
  recovered INTEGER,
  closed INTEGER,
  worst TEXT NOT NULL,
  reason_code TEXT NOT NULL,
  reason_text TEXT NOT NULL,
  sources TEXT NOT NULL,
  timeline TEXT NOT NULL
) STRICT;
CREATE INDEX incidents_by_target ON incidents (target);
CREATE INDEX incidents_open ON incidents (seq) WHERE closed IS NULL;

CREATE TABLE detector_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  at INTEGER NOT NULL,
  blob TEXT NOT NULL
) STRICT;

-- The event log behind Last-Event-ID.
CREATE TABLE events (
  revision INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  json TEXT NOT NULL
) STRICT;

-- hour: hours since 1970. ttft: mergeable histogram.
CREATE TABLE hours (
  target INTEGER NOT NULL,
  hour INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  began INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  truncated INTEGER NOT NULL,
  complete INTEGER NOT NULL,
  ours INTEGER NOT NULL,
  spent_usd REAL NOT NULL,
  ttft BLOB,
  PRIMARY KEY (target, hour)
) STRICT, WITHOUT ROWID;

-- day: days since 1970, UTC.
CREATE TABLE spend (
  day INTEGER NOT NULL,
  target INTEGER NOT NULL,
  usd REAL NOT NULL,
  PRIMARY KEY (day, target)
) STRICT, WITHOUT ROWID;
