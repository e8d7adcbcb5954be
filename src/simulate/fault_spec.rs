//! Faults as text: JSON of the control API, TOML of a scenario, the suffix of a model id.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fault::{Cut, Fault, FaultKind, Scope};

/// Longest body that a `status` fault may carry, in bytes.
pub(crate) const MAX_STATUS_BODY_BYTES: usize = 16 << 10;
/// Longest stall and largest override of a timing.
pub(crate) const MAX_SPAN: Duration = Duration::from_secs(3600);
const MAX_FACTOR: f64 = 1000.0;
const DEFAULT_AT: f64 = 0.5;
const DEFAULT_STALL: Duration = Duration::from_secs(60);
const DEFAULT_FACTOR: f64 = 10.0;
const DEFAULT_STATUS: u16 = 500;
const DEFAULT_RETRY_AFTER_S: u64 = 20;

/// A fault as it is written. Members that don't belong to the kind are an error, so that a slip is never a fault that
/// silently does something else.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// The kind's name.
    pub kind: String,
    /// Share of the requests, 0..=1; 1 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// `generate` or `all`; by kind when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Share of the tokens before the fault, 0..=1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<f64>,
    /// How a truncated reply ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub how: Option<String>,
    /// HTTP status, 400..=599.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Body of an HTTP error instead of the vendor's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// `retry-after` in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// Length of a stall: `"30s"`.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub pause: Option<String>,
    /// Median time to the first token, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<f64>,
    /// Median gap between tokens, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub itl_ms: Option<f64>,
    /// Multiplies both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
}

/// Why a text is no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// No such kind.
    #[error("unknown fault {0:?}, known are {known}", known = FaultKind::NAMES.join(", "))]
    Kind(String),
    /// A member that this kind doesn't have.
    #[error("fault {kind} has no {member:?}")]
    Member {
        /// The kind.
        kind: String,
        /// The member.
        member: &'static str,
    },
    /// A value outside its range.
    #[error("{member} must be {allowed}")]
    Value {
        /// The member.
        member: &'static str,
        /// What it may be.
        allowed: &'static str,
    },
}

fn members_of(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "status" => &["code", "body", "retry_after"],
        "truncate" => &["at", "how"],
        "error_event" => &["at"],
        "stall" => &["at", "for"],
        "slow" => &["ttft_ms", "itl_ms", "factor"],
        "rate_limit" => &["retry_after"],
        "hang" | "refuse" | "garbage" | "wrong_model" | "empty" | "length" | "refusal" | "auth"
        | "endless" | "huge_line" => &[],
        _ => return None,
    })
}

fn share(member: &'static str, value: Option<f64>, default: f64) -> Result<f64, SpecError> {
    match value {
        None => Ok(default),
        Some(value) if (0.0..=1.0).contains(&value) => Ok(value),
        Some(_) => Err(SpecError::Value {
            member,
            allowed: "a number from 0 to 1",
        }),
    }
}

fn millis(member: &'static str, value: Option<f64>) -> Result<Option<Duration>, SpecError> {
    match value {
        None => Ok(None),
        Some(value) if (0.0..=MAX_SPAN.as_millis() as f64).contains(&value) => {
            Ok(Some(Duration::from_secs_f64(value / 1000.0)))
        }
        Some(_) => Err(SpecError::Value {
            member,
            allowed: "milliseconds from 0 to 3600000",
        }),
    }
}

impl FaultSpec {
    /// Checks everything.
    pub fn resolve(&self) -> Result<Fault, SpecError> {
        self.check_members()?;
        let kind = self.resolve_kind()?;
        let scope = match self.scope.as_deref() {
            None => kind.default_scope(),
            Some("generate") => Scope::Generate,
            Some("all") if kind.can_strike_all() => Scope::All,
            Some("all") => {
                return Err(SpecError::Value {
                    member: "scope",
                    allowed: "generate for a fault inside a reply",
                });
            }
            Some(_) => {
                return Err(SpecError::Value {
                    member: "scope",
                    allowed: "generate or all",
                });
            }
        };
        Ok(Fault {
            rate: share("rate", self.rate, 1.0)?,
            scope,
            kind,
        })
    }

    fn check_members(&self) -> Result<(), SpecError> {
        let allowed = members_of(&self.kind).ok_or_else(|| SpecError::Kind(self.kind.clone()))?;
        let present = [
            ("at", self.at.is_some()),
            ("how", self.how.is_some()),
            ("code", self.code.is_some()),
            ("body", self.body.is_some()),
            ("retry_after", self.retry_after.is_some()),
            ("for", self.pause.is_some()),
            ("ttft_ms", self.ttft_ms.is_some()),
            ("itl_ms", self.itl_ms.is_some()),
            ("factor", self.factor.is_some()),
        ];
        match present
            .iter()
            .find(|(name, there)| *there && !allowed.contains(name))
        {
            None => Ok(()),
            Some((member, _)) => Err(SpecError::Member {
                kind: self.kind.clone(),
                member,
            }),
        }
    }

    fn resolve_kind(&self) -> Result<FaultKind, SpecError> {
        Ok(match self.kind.as_str() {
            "status" => self.status()?,
            "truncate" => FaultKind::Truncate {
                at: share("at", self.at, DEFAULT_AT)?,
                how: self.cut()?,
            },
            "error_event" => FaultKind::ErrorEvent {
                at: share("at", self.at, DEFAULT_AT)?,
            },
            "stall" => FaultKind::Stall {
                at: share("at", self.at, DEFAULT_AT)?,
                pause: self.stall()?,
            },
            "slow" => self.slow()?,
            "hang" => FaultKind::Hang,
            "refuse" => FaultKind::Refuse,
            "garbage" => FaultKind::Garbage,
            "wrong_model" => FaultKind::WrongModel,
            "empty" => FaultKind::Empty,
            "length" => FaultKind::Length,
            "refusal" => FaultKind::Refusal,
            "rate_limit" => FaultKind::RateLimit {
                retry_after: self.retry_after.unwrap_or(DEFAULT_RETRY_AFTER_S),
            },
            "auth" => FaultKind::Auth,
            "endless" => FaultKind::Endless,
            "huge_line" => FaultKind::HugeLine,
            _ => return Err(SpecError::Kind(self.kind.clone())),
        })
    }

    fn status(&self) -> Result<FaultKind, SpecError> {
        let code = self.code.unwrap_or(DEFAULT_STATUS);
        if !(400..=599).contains(&code) {
            return Err(SpecError::Value {
                member: "code",
                allowed: "an HTTP status from 400 to 599",
            });
        }
        if self
            .body
            .as_ref()
            .is_some_and(|body| body.len() > MAX_STATUS_BODY_BYTES)
        {
            return Err(SpecError::Value {
                member: "body",
                allowed: "at most 16 KiB",
            });
        }
        Ok(FaultKind::Status {
            code,
            body: self.body.clone(),
            retry_after: self.retry_after,
        })
    }

    fn cut(&self) -> Result<Cut, SpecError> {
        let Some(how) = self.how.as_deref() else {
            return Ok(Cut::Fin);
        };
        Cut::ALL
            .into_iter()
            .find(|cut| cut.as_str() == how)
            .ok_or(SpecError::Value {
                member: "how",
                allowed: "fin, reset, no_terminal, mid_event or silent",
            })
    }

    fn stall(&self) -> Result<Duration, SpecError> {
        let Some(text) = self.pause.as_deref() else {
            return Ok(DEFAULT_STALL);
        };
        humantime::parse_duration(text)
            .ok()
            .filter(|span| *span <= MAX_SPAN)
            .ok_or(SpecError::Value {
                member: "for",
                allowed: "a span up to 1h, as in \"30s\"",
            })
    }

    fn slow(&self) -> Result<FaultKind, SpecError> {
        let (ttft, itl) = (millis("ttft_ms", self.ttft_ms)?, millis("itl_ms", self.itl_ms)?);
        let unset = if ttft.is_none() && itl.is_none() {
            DEFAULT_FACTOR
        } else {
            1.0
        };
        let factor = self.factor.unwrap_or(unset);
        if !(factor > 0.0 && factor <= MAX_FACTOR) {
            return Err(SpecError::Value {
                member: "factor",
                allowed: "a number above 0, up to 1000",
            });
        }
        Ok(FaultKind::Slow { ttft, itl, factor })
    }
}

impl From<&Fault> for FaultSpec {
    fn from(fault: &Fault) -> Self {
        let mut spec = Self {
            kind: fault.kind.name().to_owned(),
            rate: Some(fault.rate),
            scope: Some(
                match fault.scope {
                    Scope::Generate => "generate",
                    Scope::All => "all",
                }
                .to_owned(),
            ),
            ..Self::default()
        };
        match &fault.kind {
            FaultKind::Status {
                code,
                body,
                retry_after,
            } => {
                spec.code = Some(*code);
                spec.body.clone_from(body);
                spec.retry_after = *retry_after;
            }
            FaultKind::Truncate { at, how } => {
                spec.at = Some(*at);
                spec.how = Some(how.as_str().to_owned());
            }
            FaultKind::ErrorEvent { at } => spec.at = Some(*at),
            FaultKind::Stall { at, pause } => {
                spec.at = Some(*at);
                spec.pause = Some(humantime::format_duration(*pause).to_string());
            }
            FaultKind::Slow { ttft, itl, factor } => {
                spec.ttft_ms = ttft.map(|span| span.as_secs_f64() * 1000.0);
                spec.itl_ms = itl.map(|span| span.as_secs_f64() * 1000.0);
                spec.factor = Some(*factor);
            }
            FaultKind::RateLimit { retry_after } => spec.retry_after = Some(*retry_after),
            _ => {}
        }
        spec
    }
}

/// The fault that a model id carries after its last `!`: `m!truncate.fin`, `m!status.529`.
/// `Ok(None)` for an id without `!`.
pub(crate) fn of_model(model: &str) -> Result<Option<Fault>, SpecError> {
    let Some((_, suffix)) = model.rsplit_once('!') else {
        return Ok(None);
    };
    let (kind, how) = match suffix.split_once('.') {
        Some((kind, how)) => (kind, Some(how)),
        None => (suffix, None),
    };
    let mut spec = FaultSpec {
        kind: kind.to_owned(),
        ..FaultSpec::default()
    };
    match (kind, how) {
        (_, None) => {}
        ("status", Some(code)) => {
            spec.code = Some(code.parse().unwrap_or(0));
        }
        ("stall", Some(pause)) => spec.pause = Some(pause.to_owned()),
        (_, Some(how)) => spec.how = Some(how.to_owned()),
    }
    spec.resolve().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Fault, String> {
        serde_json::from_str::<FaultSpec>(json)
            .map_err(|error| error.to_string())?
            .resolve()
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_goes_in_and_comes_back() {
        for kind in FaultKind::NAMES {
            let fault = parse(&format!(r#"{{"kind":"{kind}","rate":0.25}}"#)).unwrap();
            assert_eq!(fault.kind.name(), kind);
            assert!((fault.rate - 0.25).abs() < f64::EPSILON);
            let again = FaultSpec::from(&fault).resolve().unwrap();
            assert_eq!(again, fault, "{kind}");
        }
    }

    #[test]
    fn slips_are_errors() {
        for (json, message) in [
            (r#"{"kind":"hang","at":0.5}"#, "fault hang has no \"at\""),
            (
                r#"{"kind":"truncate","for":"1s"}"#,
                "fault truncate has no \"for\"",
            ),
            (
                r#"{"kind":"truncate","at":1.1}"#,
                "at must be a number from 0 to 1",
            ),
            (
                r#"{"kind":"hang","rate":-0.1}"#,
                "rate must be a number from 0 to 1",
            ),
            (
                r#"{"kind":"truncate","how":"rst"}"#,
                "how must be fin, reset, no_terminal, mid_event or silent",
            ),
            (
                r#"{"kind":"status","code":399}"#,
                "code must be an HTTP status from 400 to 599",
            ),
            (
                r#"{"kind":"status","code":600}"#,
                "code must be an HTTP status from 400 to 599",
            ),
            (
                r#"{"kind":"stall","for":"61m"}"#,
                "for must be a span up to 1h, as in \"30s\"",
            ),
            (
                r#"{"kind":"slow","factor":0}"#,
                "factor must be a number above 0, up to 1000",
            ),
            (
                r#"{"kind":"hang","scope":"some"}"#,
                "scope must be generate or all",
            ),
            (
                r#"{"kind":"endless","scope":"all"}"#,
                "scope must be generate for a fault inside a reply",
            ),
        ] {
            assert_eq!(parse(json).unwrap_err(), message, "{json}");
        }
        assert!(parse(r#"{"kind":"hang","odds":1}"#).unwrap_err().contains("odds"));
        assert!(
            parse(r#"{"kind":"flood"}"#)
                .unwrap_err()
                .starts_with("unknown fault \"flood\"")
        );
        let long = format!(
            r#"{{"kind":"status","body":"{}"}}"#,
            "x".repeat(MAX_STATUS_BODY_BYTES + 1)
        );
        assert_eq!(parse(&long).unwrap_err(), "body must be at most 16 KiB");
    }

    #[test]
    fn a_model_id_carries_its_fault() {
        for (model, label) in [
            ("claude-haiku-4-5!truncate.fin", "truncate.fin"),
            ("gpt-5.2!status.529", "status.529"),
            ("m!hang", "hang"),
            ("m!truncate", "truncate.fin"),
            ("m!stall.2s", "stall"),
        ] {
            assert_eq!(of_model(model).unwrap().unwrap().label(), label);
        }
        assert_eq!(of_model("gpt-5.2").unwrap(), None);
        for bad in ["m!", "m!boom", "m!status.no", "m!hang.x", "m!truncate.rst"] {
            assert!(of_model(bad).is_err(), "{bad}");
        }
    }
}
