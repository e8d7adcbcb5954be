//! Each provider's official status page, in whichever vendor's format its path asks for.

mod shape;

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::shape::Shape;
use crate::clock::Timestamp;

/// Longest incident name in bytes.
const MAX_NAME_BYTES: usize = 200;
/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// What a page says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageState {
    /// The component's status, in Statuspage's words.
    pub status: ComponentStatus,
    /// Name of an unresolved incident, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// What is wrong with the page itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<PageFault>,
}

/// What can be wrong with a status page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageFault {
    /// HTTP 200 with something that is no status page.
    Garbage,
    /// HTTP 404.
    Missing,
    /// HTTP 503 with `Retry-After: 1`.
    Unavailable,
    /// It never answers.
    Hang,
}

/// Statuspage's component states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComponentStatus {
    /// All well.
    #[default]
    Operational,
    /// Slow or flaky.
    DegradedPerformance,
    /// Down for some.
    PartialOutage,
    /// Down.
    MajorOutage,
    /// Announced work.
    UnderMaintenance,
}

impl ComponentStatus {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Operational => "operational",
            Self::DegradedPerformance => "degraded_performance",
            Self::PartialOutage => "partial_outage",
            Self::MajorOutage => "major_outage",
            Self::UnderMaintenance => "under_maintenance",
        }
    }

    /// The page's indicator and its description.
    const fn indicator(self) -> (&'static str, &'static str) {
        match self {
            Self::Operational => ("none", "All Systems Operational"),
            Self::DegradedPerformance => ("minor", "Partially Degraded Service"),
            Self::PartialOutage => ("major", "Partial System Outage"),
            Self::MajorOutage => ("critical", "Major Service Outage"),
            Self::UnderMaintenance => ("maintenance", "Service Under Maintenance"),
        }
    }
}

/// Handle on the pages. Clones share them; a page that nobody set is operational.
#[derive(Debug, Clone, Default)]
pub struct StatusPages(Arc<RwLock<BTreeMap<&'static str, (PageState, Timestamp)>>>);

impl StatusPages {
    /// Sets a provider's page. `false` when the incident's name is longer than 200 bytes.
    pub fn set(&self, provider: &'static str, state: PageState, now: Timestamp) -> bool {
        if state
            .incident
            .as_ref()
            .is_some_and(|name| name.len() > MAX_NAME_BYTES)
        {
            return false;
        }
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(provider, (state, now));
        true
    }

    /// Makes a provider's page operational again.
    pub fn clear(&self, provider: &str) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(provider);
    }

    /// What a request for a page is answered with; `None`: nothing, ever.
    pub(crate) fn serve(
        &self,
        provider: &str,
        path: &str,
        known: Option<&HeaderValue>,
        now: Timestamp,
    ) -> Option<Response<Bytes>> {
        let told = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(provider)
            .cloned();
        // A page that nobody set says the same all day.
        let today = Timestamp::from_millis(now.as_millis() - now.as_millis().rem_euclid(DAY_MS));
        let (state, since) = told.unwrap_or((PageState::default(), today));
        let mut response = Response::new(Bytes::new());
        match state.fault {
            Some(PageFault::Hang) => return None,
            Some(PageFault::Missing) => *response.status_mut() = StatusCode::NOT_FOUND,
            Some(PageFault::Unavailable) => {
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Some(PageFault::Garbage) => {
                *response.body_mut() = Bytes::from_static(b"<html><body>All systems go");
            }
            None => {
                let shape = Shape::of_path(path)?;
                let body = shape.write(provider, &state, since);
                let tag = Sha256::digest(&body)
                    .iter()
                    .take(8)
                    .fold(String::new(), |tag, byte| tag + &format!("{byte:02x}"));
                let tag = HeaderValue::from_str(&format!("\"{tag}\"")).ok()?;
                if known == Some(&tag) {
                    *response.status_mut() = StatusCode::NOT_MODIFIED;
                } else {
                    *response.body_mut() = body.into();
                }
                let headers = response.headers_mut();
                headers.insert(header::ETAG, tag);
                headers.insert(
                    header::CONTENT_TYPE,
                    HeaderValue::from_static(shape.content_type()),
                );
            }
        }
        Some(response)
    }
}

/// Whether a path below a provider's base is one of its status page.
pub(crate) fn is_page(rest: &str) -> bool {
    rest.starts_with("status/") && Shape::of_path(rest).is_some()
}
