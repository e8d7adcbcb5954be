//! Tests of the charts as wholes.
