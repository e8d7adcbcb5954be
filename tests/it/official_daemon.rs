//! Official status pages in the running daemon: beside our verdict, never part of it.
