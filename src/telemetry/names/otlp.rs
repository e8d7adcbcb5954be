//! Names of OTLP: metrics, spans, log records, attributes.
