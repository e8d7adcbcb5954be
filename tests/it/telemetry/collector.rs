//! A collector of telemetry on loopback, with the manners that a test asks for.

use std::{
    io::Read,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::post,
};
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest,
        metrics::v1::{
            ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        },
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::LogRecord,
    metrics::v1::Metric,
    resource::v1::Resource,
    trace::v1::Span,
};
use prost::Message;
use tokio::{net::TcpListener, task::JoinHandle};

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Takes everything.
    Takes,
    /// Takes, and says that it rejected three data points.
    Partial,
    /// 503.
    Busy,
    /// Takes, with an answer that is one byte too long.
    Talks,
    /// Reads and never answers.
    Hangs,
}

/// What came in.
#[derive(Debug, Default)]
pub(super) struct Came {
    pub(super) metrics: Vec<ExportMetricsServiceRequest>,
    pub(super) traces: Vec<ExportTraceServiceRequest>,
    pub(super) logs: Vec<ExportLogsServiceRequest>,
    pub(super) headers: Vec<HeaderMap>,
    pub(super) requests: usize,
}

impl Came {
    pub(super) fn spans(&self) -> Vec<Span> {
        let scopes = self
            .traces
            .iter()
            .flat_map(|it| &it.resource_spans)
            .flat_map(|it| &it.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    pub(super) fn records(&self) -> Vec<LogRecord> {
        let scopes = self
            .logs
            .iter()
            .flat_map(|it| &it.resource_logs)
            .flat_map(|it| &it.scope_logs);
        scopes.flat_map(|scope| scope.log_records.clone()).collect()
    }

    /// Metrics of the newest export.
    pub(super) fn newest(&self) -> Vec<Metric> {
        let Some(newest) = self.metrics.last() else {
            return Vec::new();
        };
        let scopes = newest.resource_metrics.iter().flat_map(|it| &it.scope_metrics);
        scopes.flat_map(|scope| scope.metrics.clone()).collect()
    }

    pub(super) fn resources(&self) -> Vec<Resource> {
        let metrics = self
            .metrics
            .iter()
            .flat_map(|it| &it.resource_metrics)
            .map(|it| &it.resource);
        let traces = self
            .traces
            .iter()
            .flat_map(|it| &it.resource_spans)
            .map(|it| &it.resource);
        let logs = self
            .logs
            .iter()
            .flat_map(|it| &it.resource_logs)
            .map(|it| &it.resource);
        metrics.chain(traces).chain(logs).flatten().cloned().collect()
    }
}

/// An attribute as text.
pub(super) fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    fn text(value: &AnyValue) -> String {
        match &value.value {
            Some(Value::StringValue(text)) => text.clone(),
            Some(Value::IntValue(n)) => n.to_string(),
            Some(Value::DoubleValue(n)) => n.to_string(),
            Some(Value::BoolValue(on)) => on.to_string(),
            Some(Value::ArrayValue(list)) => list.values.iter().map(text).collect::<Vec<_>>().join(","),
            _ => String::new(),
        }
    }
    let found = attributes.iter().find(|pair| pair.key == name)?;
    found.value.as_ref().map(text)
}

#[derive(Clone)]
struct Room {
    manner: Arc<Mutex<Manner>>,
    came: Arc<Mutex<Came>>,
}

/// It serves until it is dropped.
pub(super) struct Collector {
    pub(super) addr: SocketAddr,
    room: Room,
    task: JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(room): State<Room>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let manner = *room.manner.lock().unwrap();
    room.came.lock().unwrap().requests += 1;
    match manner {
        Manner::Hangs => std::future::pending::<()>().await,
        Manner::Busy => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Manner::Talks => return vec![b' '; endturn::telemetry::MAX_REPLY_BYTES + 1].into_response(),
        Manner::Takes | Manner::Partial => {}
    }
    assert_eq!(headers[header::CONTENT_TYPE], "application/x-protobuf");
    let mut plain = Vec::new();
    if headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|coding| coding == "gzip")
    {
        GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
    } else {
        plain = body.to_vec();
    }
    let mut came = room.came.lock().unwrap();
    came.headers.push(headers);
    let answer = match uri.path() {
        "/v1/metrics" => {
            came.metrics
                .push(ExportMetricsServiceRequest::decode(&plain[..]).unwrap());
            let partial = (manner == Manner::Partial).then(|| ExportMetricsPartialSuccess {
                rejected_data_points: 3,
                error_message: "too old".to_owned(),
            });
            ExportMetricsServiceResponse {
                partial_success: partial,
            }
            .encode_to_vec()
        }
        "/v1/traces" => {
            came.traces
                .push(ExportTraceServiceRequest::decode(&plain[..]).unwrap());
            Vec::new()
        }
        "/v1/logs" => {
            came.logs
                .push(ExportLogsServiceRequest::decode(&plain[..]).unwrap());
            Vec::new()
        }
        other => panic!("nothing goes to {other}"),
    };
    answer.into_response()
}

impl Collector {
    pub(super) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let room = Room {
            manner: Arc::new(Mutex::new(manner)),
            came: Arc::default(),
        };
        let router = Router::new()
            .route("/{*path}", post(take))
            .with_state(room.clone());
        let task = tokio::spawn(async move {
            endturn::api::serve(
                listener,
                endturn::api::Front::from(router),
                tokio_util::sync::CancellationToken::new(),
                endturn::api::ServeLimits::default(),
            )
            .await;
        });
        Self { addr, room, task }
    }

    pub(super) fn now(&self, manner: Manner) {
        *self.room.manner.lock().unwrap() = manner;
    }

    /// Looks at what came in.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Came) -> T) -> T {
        look(&self.room.came.lock().unwrap())
    }
}
