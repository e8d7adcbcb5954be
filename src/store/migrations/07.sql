-- The state of single targets, kept with what was told of them since the whole was kept. seq: the order in which it was.
CREATE TABLE detector_parts (
  seq INTEGER PRIMARY KEY,
  target INTEGER NOT NULL UNIQUE,
  at INTEGER NOT NULL,
  blob TEXT NOT NULL
) STRICT;
