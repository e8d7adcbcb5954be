-- How long each target stood in each state, in milliseconds per UTC day; only time that was watched. at: days since 1970.
CREATE TABLE standings (
  at INTEGER NOT NULL, target INTEGER NOT NULL,
  operational INTEGER NOT NULL, degraded INTEGER NOT NULL, partial INTEGER NOT NULL,
  down INTEGER NOT NULL, unknown INTEGER NOT NULL, maintenance INTEGER NOT NULL,
  PRIMARY KEY (at, target)
) STRICT, WITHOUT ROWID;

-- Counts of all targets over a stretch of days, without the histograms that lie beside them.
CREATE INDEX days_counts ON days (at, target, source, attempts, began, errors, truncated, complete, ours);
-- Incidents of a stretch of time.
CREATE INDEX incidents_started ON incidents (started);
