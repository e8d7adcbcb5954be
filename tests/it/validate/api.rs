//! `POST /v1/validate`.
