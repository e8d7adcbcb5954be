//! Every name that leaves the house as telemetry: metrics for Prometheus here, OTLP's in [`otlp`].
//!
//! `docs/metrics.md`, the dashboards and the rules are held against these tables by tests, both ways.

pub mod otlp;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its samples end in `_total`.
    Counter,
    /// As of now.
    Gauge,
    /// A distribution in classic buckets: `_bucket`, `_sum`, `_count`.
    Histogram,
    /// Facts as labels, with the value 1; ends in `_info`.
    Info,
}

/// One metric of `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Name without unit and suffix.
    pub base: &'static str,
    /// Base unit, the last part of the family's name.
    pub unit: Option<&'static str>,
    /// What it is.
    pub kind: Kind,
    /// Its labels, in the order in which they are written.
    pub labels: &'static [&'static str],
    /// What it means, in one line without a full stop.
    pub help: &'static str,
}

impl Metric {
    /// Name of the family: with the unit, without the suffix of its kind.
    pub fn family(&self) -> String {
        match self.unit {
            Some(unit) => format!("{}_{unit}", self.base),
            None => self.base.to_owned(),
        }
    }

    /// Names of its samples, as a query writes them.
    pub fn samples(&self) -> Vec<String> {
        let family = self.family();
        match self.kind {
            Kind::Counter => vec![format!("{family}_total")],
            Kind::Gauge => vec![family],
            Kind::Histogram => ["bucket", "sum", "count"]
                .map(|part| format!("{family}_{part}"))
                .to_vec(),
            Kind::Info => vec![format!("{family}_info")],
        }
    }
}

/// Labels of what belongs to one target.
const TARGET: &[&str] = &["provider", "model"];
/// Labels of what belongs to one target and one source of observations.
const SEEN: &[&str] = &["provider", "model", "probe"];
/// Labels of what belongs to one way to people.
const CHANNEL: &[&str] = &["channel"];
const SECONDS: Option<&str> = Some("seconds");
const RATIO: Option<&str> = Some("ratio");
const USD: Option<&str> = Some("usd");

macro_rules! metrics {
    ($($name:ident = $kind:ident $base:literal, $unit:expr, $labels:expr, $help:literal;)*) => {
        $(#[doc = $help] pub const $name: Metric = Metric {
            base: $base, unit: $unit, kind: Kind::$kind, labels: $labels, help: $help,
        };)*
        /// Every metric of `/metrics`, in the order in which they are written.
        pub const ALL: &[Metric] = &[$($name),*];
    };
}

metrics! {
    // What was seen, from every observation on; nothing is lost where the store loses it.
    OBSERVATIONS = Counter "endturn_observations", None, &["provider", "model", "probe", "outcome"],
        "Everything that was judged, by verdict; what failed by our own doing is outcome own";
    ATTEMPTS = Counter "endturn_attempts", None, SEEN,
        "Requests for a reply that count: reachability probes and our own failures left out";
    BEGAN = Counter "endturn_began", None, SEEN,
        "Replies that began with a 200 head: what truncations are a share of";
    ERRORS = Counter "endturn_errors", None, &["provider", "model", "probe", "class"],
        "Attempts that ended in an error of the provider or its edge";
    TRUNCATIONS = Counter "endturn_truncations", None, &["provider", "model", "probe", "kind"],
        "Replies that ended early";
    OWN_FAILURES = Counter "endturn_own_failures", None, &["provider", "model", "probe", "class"],
        "Requests that failed by our own doing; in no other count but observations";
    INPUT_TOKENS = Counter "endturn_input_tokens", None, SEEN, "Prompt tokens, as the provider counts them";
    OUTPUT_TOKENS = Counter "endturn_output_tokens", None, SEEN,
        "Generated tokens, reasoning included, as the provider counts them";
    REASONING_TOKENS = Counter "endturn_reasoning_tokens", None, SEEN,
        "Reasoning tokens, which the generated ones include";
    COST = Counter "endturn_probe_cost", USD, SEEN, "Dollars that probes cost";
    TTFT = Histogram "endturn_ttft", SECONDS, SEEN,
        "Time to the first token of any channel, over complete replies, from the request on an open connection";
    TTFO = Histogram "endturn_ttfo", SECONDS, SEEN, "Time to the first visible token, over complete replies";
    ITL = Histogram "endturn_itl", SECONDS, SEEN, "Time between two tokens, one figure a complete reply";
    E2E = Histogram "endturn_e2e", SECONDS, SEEN, "Time to the end of the reply, over complete replies";
    PHASE = Histogram "endturn_probe_phase", SECONDS, &["provider", "model", "probe", "phase"],
        "Length of each phase of our probes that was finished, whatever came of the reply";
    LAST_PROBE = Gauge "endturn_last_probe_timestamp", SECONDS, SEEN, "When the last probe came back";
    PROBE_INTERVAL = Gauge "endturn_probe_interval", SECONDS, SEEN, "How often the timetable asks";

    // What the feed says.
    STATE = Gauge "endturn_target_state", None, &["provider", "model", "state"], "1 for the state that the target is in";
    BREAKER = Gauge "endturn_target_breaker", None, &["provider", "model", "breaker"],
        "1 for the circuit breaker's position: closed while traffic flows";
    HINT = Gauge "endturn_target_hint", None, &["provider", "model", "hint"], "1 for the advice to routers";
    REASON = Info "endturn_target_reason", None, &["provider", "model", "reason"], "Why the target is in its state";
    FLAG = Gauge "endturn_target_flag", None, &["provider", "model", "flag"], "1 for every side fact that holds";
    WEIGHT = Gauge "endturn_target_weight", RATIO, TARGET,
        "Share of the normal traffic that the target should get; absent without an opinion";
    INCIDENT = Gauge "endturn_target_incident", None, TARGET, "1 while an incident is open";
    SINCE = Gauge "endturn_target_state_since_timestamp", SECONDS, TARGET, "When the target came into its state";
    LAST_COMPLETE = Gauge "endturn_target_last_complete_timestamp", SECONDS, TARGET, "When the last complete reply was seen";
    LAST_SEEN = Gauge "endturn_target_last_seen_timestamp", SECONDS, TARGET, "When anything was last seen of the target";
    WINDOW_ATTEMPTS = Gauge "endturn_target_window_attempts", None, TARGET, "Attempts in the feed's window of 5 minutes";
    FAILURE_RATE = Gauge "endturn_target_failure", RATIO, TARGET,
        "Errors and truncations over attempts in the feed's window; absent without attempts";
    FAILURE_LOW = Gauge "endturn_target_failure_low", RATIO, TARGET, "Lower Wilson 95 % bound of it";
    FAILURE_HIGH = Gauge "endturn_target_failure_high", RATIO, TARGET, "Upper Wilson 95 % bound of it";
    ERROR_RATE = Gauge "endturn_target_error", RATIO, TARGET, "Errors over attempts in the feed's window";
    TRUNCATION_RATE = Gauge "endturn_target_truncation", RATIO, TARGET,
        "Truncated over begun replies in the feed's window; absent where none began";
    TRUNCATION_LOW = Gauge "endturn_target_truncation_low", RATIO, TARGET, "Lower Wilson 95 % bound of it";
    TRUNCATION_HIGH = Gauge "endturn_target_truncation_high", RATIO, TARGET, "Upper Wilson 95 % bound of it";
    SPENT_TODAY = Gauge "endturn_spent_today", USD, TARGET, "Dollars that probing the target cost today (UTC)";
    PROVIDER_STATE = Gauge "endturn_provider_state", None, &["provider", "state"], "1 for the state that the provider is in";
    EDGE_STATE = Gauge "endturn_edge_state", None, &["provider", "state"],
        "1 for the state of the provider's edge: what a connection meets before any model is asked";

    // endturn itself.
    BUILD = Info "endturn_build", None, &["version"], "The version that runs";
    VANTAGE = Info "endturn_vantage", None, &["vantage", "instance"], "Where it runs, and this run of it";
    START = Gauge "endturn_start_timestamp", SECONDS, &[], "When it started";
    ONLINE = Gauge "endturn_network_online", None, &[], "1 while our own network works; 0: nothing is known of providers";
    REVISION = Gauge "endturn_feed_revision", None, &[], "Newest revision of the feed";
    GENERATED = Gauge "endturn_feed_generated_timestamp", SECONDS, &[], "When the newest revision was made";
    SUBSCRIBERS = Gauge "endturn_feed_subscribers", None, &[], "Who follows the events";
    LAGGED = Counter "endturn_feed_lagged", None, &[], "Readers that fell behind and got a snapshot instead";
    ROUND = Gauge "endturn_scheduler_last_round_timestamp", SECONDS, &[], "When the loop last made a round";
    LAG = Histogram "endturn_scheduler_lag", SECONDS, &[], "How late the loop came to what was due";
    IN_FLIGHT = Gauge "endturn_probes_in_flight", None, &[], "Probes under way";
    SKIPPED = Counter "endturn_probes_skipped", None, &["why"], "Probes that were due and not sent";
    BUDGET = Gauge "endturn_budget", USD, &[], "Dollars a day for all probes together; absent without a limit";
    PROVIDER_BUDGET = Gauge "endturn_provider_budget", USD, &["provider"], "Dollars a day for one provider; absent without a limit";
    STORE_FAILING = Gauge "endturn_store_failing", None, &[], "1 while history is not being kept";
    STORE_SET_ASIDE = Gauge "endturn_store_set_aside", None, &[], "1 if a damaged database was set aside since start";
    STORE_MIGRATING = Gauge "endturn_store_migrating", None, &[], "1 while rows of an older schema are being moved";
    STORE_QUEUED = Gauge "endturn_store_queued_records", None, &[], "Records that wait for the store";
    STORE_DROPPED = Counter "endturn_store_dropped_records", None, &["kind"], "Records that the store lost for good";
    STORE_SIZE = Gauge "endturn_store_size", Some("bytes"), &[], "Database and write-ahead log";
    INTAKE_WAITING = Gauge "endturn_intake_waiting", None, &[], "Observations of real traffic that wait to be judged";
    INTAKE_PLACES = Gauge "endturn_intake_places", None, &[], "Places for such observations";
    INTAKE_REFUSED = Counter "endturn_intake_refused", None, &[], "Bodies that were refused for want of places";
    TAP_REQUESTS = Counter "endturn_tap_requests", None, &[], "Requests that the tap passed on";
    TAP_OPEN = Gauge "endturn_tap_open_requests", None, &[], "Requests under way through the tap";
    TAP_REFUSED = Counter "endturn_tap_refused", None, &[], "Requests to the tap that lead nowhere";
    TAP_UNTOLD = Counter "endturn_tap_untold", None, &[], "Verdicts of the tap that there was no room for";
    TAP_UNJUDGED = Counter "endturn_tap_unjudged", None, &["why"], "Replies through the tap without a verdict";
    ALERT_DELIVERED = Counter "endturn_alert_delivered", None, CHANNEL, "Messages that a channel took";
    ALERT_FAILED = Counter "endturn_alert_failed_tries", None, CHANNEL, "Tries to deliver a message that failed";
    ALERT_DEAD = Counter "endturn_alert_dead", None, CHANNEL, "Messages that were given up: nobody got them";
    ALERT_PENDING = Gauge "endturn_alert_pending", None, CHANNEL, "Messages that wait to be delivered";
    ALERT_OLDEST = Gauge "endturn_alert_oldest_pending_timestamp", SECONDS, CHANNEL,
        "Since when the oldest of them waits; absent where none does";
    ALERT_OPEN = Gauge "endturn_alert_channel_open", None, CHANNEL,
        "1 while the channel failed so often that it gets one trial at a time";
    EXPORT_ITEMS = Counter "endturn_export_items", None, &["signal"], "Spans, log records and data points that a collector took";
    EXPORT_LOST = Counter "endturn_export_lost_items", None, &["signal", "why"],
        "Spans, log records and data points that no collector got";
    EXPORT_LAST = Gauge "endturn_export_last_success_timestamp", SECONDS, &["signal"], "When a collector last took an export";
}

/// Upper bounds of latency buckets in seconds.
pub const LATENCY_BOUNDS: &[f64] = &[
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];
/// Upper bounds of buckets for the time between tokens, in seconds.
pub const ITL_BOUNDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 1.0,
];
/// Upper bounds of phase buckets in seconds.
pub const PHASE_BOUNDS: &[f64] = &[
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
/// Upper bounds of scheduler lag buckets in seconds.
pub const LAG_BOUNDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

/// A phase of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Name resolution.
    Dns,
    /// TCP connect and TLS handshake.
    Connect,
    /// From the request to the response head.
    Headers,
    /// From the head to the first token.
    FirstToken,
    /// From the first token to the end of the reply.
    Stream,
}

impl Phase {
    /// Every phase, in order of time.
    pub const ALL: [Self; 5] = [
        Self::Dns,
        Self::Connect,
        Self::Headers,
        Self::FirstToken,
        Self::Stream,
    ];

    /// The name in labels and attributes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect_tls",
            Self::Headers => "headers",
            Self::FirstToken => "first_token",
            Self::Stream => "stream",
        }
    }
}

/// The outcome of what failed by our own doing.
pub const OWN: &str = "own";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_as_prometheus_wants_them() {
        let mut seen = BTreeSet::new();
        for metric in ALL {
            let family = metric.family();
            assert!(family.starts_with("endturn_"), "{family}");
            assert!(
                family
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit()),
                "{family}"
            );
            for suffix in ["_total", "_info", "_bucket", "_sum", "_count", "_created"] {
                assert!(!family.ends_with(suffix), "{family} ends as its samples do");
            }
            assert!(
                !metric.help.ends_with('.') && !metric.help.contains(['\n', '\\']),
                "{family}"
            );
            for sample in metric.samples() {
                assert!(seen.insert(sample.clone()), "{sample} is there twice");
            }
            assert!(metric.labels.iter().all(|label| *label != "le"), "{family}");
        }
    }

    #[test]
    fn bounds_grow() {
        for bounds in [LATENCY_BOUNDS, ITL_BOUNDS, PHASE_BOUNDS, LAG_BOUNDS] {
            assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]) && bounds[0] > 0.0);
        }
    }
}
