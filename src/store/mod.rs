//! History in SQLite: one writer thread, readers beside it. Health never waits for it.
