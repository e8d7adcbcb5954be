//! Rules that hold for every recorded stream.
