//! Who should serve now: schema `endturn.routes.v1`. Within v1 fields and words are only added.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    v1::{Head, Word},
    wire::{self, Time},
};
use crate::{
    health::{Hint, State},
    id::TargetId,
};

/// Value of [`Head::schema`] in an answer about routes.
pub const ROUTES_SCHEMA: &str = "endturn.routes.v1";

/// `GET /v1/routes`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Routes {
    /// Which revision of the feed this follows from, and how long it may be believed.
    #[serde(flatten)]
    pub head: Head,
    /// Every route, in configured order.
    pub routes: Vec<Route>,
}

/// `GET /v1/routes/{name}`: one route's members beside those of the head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OneRoute {
    /// Which revision of the feed this follows from, and how long it may be believed.
    #[serde(flatten)]
    pub head: Head,
    /// The route.
    #[serde(flatten)]
    pub route: Route,
}

/// One route as of now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// `use` or `fail_closed`.
    #[serde(with = "wire::decision")]
    #[schema(value_type = String)]
    pub decision: Decision,
    /// Who should serve; null when nobody should.
    #[serde(with = "wire::maybe_text")]
    #[schema(required = true, value_type = Option<String>)]
    pub target: Option<TargetId>,
    /// Why.
    pub reason: Why,
    /// Which of several that are equally well comes first: `order`, `latency` or `cost`.
    #[schema(value_type = String)]
    pub prefer: Word,
    /// What happens when no candidate is eligible: `fail_closed` or `least_bad`.
    #[schema(value_type = String)]
    pub on_exhausted: Word,
    /// Largest time to the first token in milliseconds; null for any.
    #[schema(required = true)]
    pub max_ttft_ms: Option<u64>,
    /// Whether a limit or refusal of endturn's key concerns whoever follows the route.
    pub same_key: bool,
    /// Tags that a candidate must have.
    pub requires: Vec<String>,
    /// Every target of the route, in the order in which to try them: the eligible ones first.
    pub candidates: Vec<Candidate>,
}

/// Whether anybody should serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// [`Route::target`] should.
    Use,
    /// Nobody should: tell the caller at once.
    FailClosed,
}

impl Decision {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Use => "use",
            Self::FailClosed => "fail_closed",
        }
    }
}

/// One target of a route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = RouteCandidate)]
pub struct Candidate {
    /// Who.
    #[serde(with = "wire::text")]
    #[schema(value_type = String)]
    pub target: TargetId,
    /// Whether it may serve.
    pub eligible: bool,
    /// Share of the traffic for whoever spreads it, 0 to 1. The shares of a route that is to be used sum to 1.
    pub share: f64,
    /// Why it is, or isn't, eligible.
    pub why: Why,
    /// Advice of the feed.
    #[serde(with = "wire::hint")]
    #[schema(value_type = String)]
    pub hint: Hint,
    /// State in the feed.
    #[serde(with = "wire::state")]
    #[schema(value_type = String)]
    pub state: State,
    /// Weight in the feed; null where there is no opinion.
    #[schema(required = true)]
    pub weight: Option<f64>,
    /// Median time to the first token in milliseconds over the feed's window; null without samples.
    #[schema(required = true)]
    pub ttft_p50_ms: Option<f64>,
    /// 95th percentile.
    #[schema(required = true)]
    pub ttft_p95_ms: Option<f64>,
    /// Samples behind both.
    pub ttft_n: u64,
    /// What it costs; null where nobody knows.
    #[schema(required = true)]
    pub usd_per_mtok: Option<UsdPerMtok>,
    /// When to try again, where it is throttled or blocked.
    #[schema(required = true)]
    pub retry_at: Option<Time>,
}

/// A price in dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsdPerMtok {
    /// Of the prompt.
    pub input: f64,
    /// Of the reply.
    pub output: f64,
}

/// A reason in code and words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RouteReason)]
pub struct Why {
    /// For programs.
    #[schema(value_type = String)]
    pub code: Word,
    /// For people.
    pub text: String,
}
