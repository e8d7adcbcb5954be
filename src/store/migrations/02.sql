-- Changes of who answers: model, snapshot, fingerprint, tokens. id is the order of seeing and the cursor.
CREATE TABLE changes (
  id INTEGER PRIMARY KEY,
  target INTEGER NOT NULL,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  was TEXT NOT NULL,
  is_now TEXT NOT NULL
) STRICT;
CREATE INDEX changes_by_target ON changes (target);
