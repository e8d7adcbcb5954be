//! The exporters of each signal, over HTTP or, where it is built in, gRPC.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry_otlp::{
    Compression, ExporterBuildError, LogExporter, MetricExporter, Protocol, SpanExporter, WithExportConfig,
    WithHttpConfig,
};
use tokio::runtime::Handle;

use super::{carrier::Carrier, tally::Tally};
use crate::config::{OtlpProtocol, OtlpRoute, Secret};

/// What every exporter is made with.
pub(super) struct Means<'a> {
    pub(super) client: &'a reqwest::Client,
    pub(super) runtime: &'a Handle,
    pub(super) headers: &'a [(String, Secret)],
    pub(super) tally: &'a Arc<Tally>,
}

impl Means<'_> {
    /// The headers of the configuration, which no log shows.
    fn headers(&self) -> HeaderMap {
        let mut all = HeaderMap::new();
        for (name, value) in self.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_str(value.expose());
            // Both were checked when they were read.
            if let (Ok(name), Ok(mut value)) = (name, value) {
                value.set_sensitive(true);
                all.insert(name, value);
            }
        }
        all
    }

    fn carrier(&self, route: &OtlpRoute) -> Carrier {
        Carrier {
            client: self.client.clone(),
            runtime: self.runtime.clone(),
            timeout: route.timeout,
            headers: self.headers(),
            signal: route.signal,
            tally: Arc::clone(self.tally),
        }
    }
}

macro_rules! exporter {
    ($name:ident, $kind:ident, $doc:literal) => {
        #[doc = $doc]
        pub(super) fn $name(route: &OtlpRoute, means: &Means<'_>) -> Result<$kind, ExporterBuildError> {
            match route.protocol {
                OtlpProtocol::Http => {
                    let builder = $kind::builder()
                        .with_http()
                        .with_http_client(means.carrier(route))
                        .with_protocol(Protocol::HttpBinary)
                        .with_endpoint(route.url.as_str())
                        .with_timeout(route.timeout);
                    if route.gzip {
                        builder.with_compression(Compression::Gzip).build()
                    } else {
                        builder.build()
                    }
                }
                #[cfg(feature = "otlp-grpc")]
                OtlpProtocol::Grpc => {
                    use opentelemetry_otlp::{
                        WithTonicConfig,
                        tonic_types::{metadata::MetadataMap, transport::ClientTlsConfig},
                    };
                    // The channel's own task needs a runtime to live on.
                    let _inside = means.runtime.enter();
                    let mut builder = $kind::builder()
                        .with_tonic()
                        .with_protocol(Protocol::Grpc)
                        .with_endpoint(route.url.as_str())
                        .with_timeout(route.timeout)
                        .with_metadata(MetadataMap::from_headers(means.headers()));
                    if route.url.scheme() == "https" {
                        builder = builder.with_tls_config(ClientTlsConfig::new().with_native_roots());
                    }
                    if route.gzip {
                        builder = builder.with_compression(Compression::Gzip);
                    }
                    builder.build()
                }
                #[cfg(not(feature = "otlp-grpc"))]
                OtlpProtocol::Grpc => Err(ExporterBuildError::InvalidConfiguration(
                    "no gRPC in this build".to_owned(),
                )),
            }
        }
    };
}

exporter!(metrics, MetricExporter, "For metrics.");
exporter!(spans, SpanExporter, "For spans.");
exporter!(logs, LogExporter, "For log records.");
