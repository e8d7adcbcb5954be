//! Assembly: channels between the layers, supervision, shutdown.
