//! A sequence of faults over time: from a TOML file, or the demo's outage.

use std::time::Duration;

use serde::Deserialize;

use super::{
    PROVIDERS,
    fault::{Cut, Fault, FaultKind},
    fault_spec::{FaultSpec, SpecError},
    faults::{FaultKey, Faults},
};

/// Most steps of a scenario.
pub const MAX_STEPS: usize = 1000;
/// Longest scenario.
const MAX_LENGTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// A stretch of the demo with one thing wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// Its name.
    pub name: &'static str,
    /// When it starts.
    pub from: Duration,
    /// When it ends.
    pub until: Duration,
}

/// The demo's phases, modelled on the outage of 2026-06-20: replies cut under HTTP 200 long before any error.
pub const DEMO_PHASES: [Phase; 4] = [
    Phase {
        name: "healthy",
        from: Duration::ZERO,
        until: Duration::from_secs(10),
    },
    Phase {
        name: "truncated",
        from: Duration::from_secs(10),
        until: Duration::from_secs(30),
    },
    Phase {
        name: "overloaded",
        from: Duration::from_secs(30),
        until: Duration::from_secs(50),
    },
    Phase {
        name: "recovery",
        from: Duration::from_secs(50),
        until: Duration::from_secs(75),
    },
];

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Puts a fault in force.
    Set(Fault),
    /// Lifts it.
    Clear,
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioStep {
    /// When, from the start.
    pub at: Duration,
    /// Whom it is for.
    pub key: FaultKey,
    /// What it does.
    pub action: Action,
}

/// A sequence of changes, in order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    steps: Vec<ScenarioStep>,
    length: Duration,
}

/// Why a text is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Not TOML, or not of this shape.
    #[error("{0}")]
    Shape(#[from] Box<toml::de::Error>),
    /// A step that can't be played.
    #[error("step {number}: {reason}")]
    Step {
        /// Counts from 1.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// More steps than allowed.
    #[error("{0} steps, at most {MAX_STEPS} are allowed")]
    TooMany(usize),
    /// The length can't be read, or is shorter than the last step's time.
    #[error("length must be a span of at most 30 days that holds every step")]
    Length,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    length: Option<String>,
    #[serde(default)]
    step: Vec<FileStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileStep {
    at: String,
    provider: String,
    model: Option<String>,
    fault: Option<FaultSpec>,
    #[serde(default)]
    clear: bool,
}

fn span(text: &str) -> Option<Duration> {
    humantime::parse_duration(text)
        .ok()
        .filter(|span| *span <= MAX_LENGTH)
}

fn step(number: usize, raw: FileStep) -> Result<ScenarioStep, ScenarioError> {
    let fail = |reason: String| ScenarioError::Step { number, reason };
    let at = span(&raw.at).ok_or_else(|| fail(format!("at {:?} is no span of at most 30 days", raw.at)))?;
    let key = FaultKey {
        provider: raw.provider,
        model: raw.model,
    };
    if !key.is_known() {
        return Err(fail(format!(
            "no provider {:?}; known are {}",
            key.provider,
            PROVIDERS.join(", ")
        )));
    }
    let action = match (raw.fault, raw.clear) {
        (Some(spec), false) => Action::Set(
            spec.resolve()
                .map_err(|error: SpecError| fail(error.to_string()))?,
        ),
        (None, true) => Action::Clear,
        _ => return Err(fail("write either fault or clear = true".to_owned())),
    };
    Ok(ScenarioStep { at, key, action })
}

impl Scenario {
    /// Reads a scenario file.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let file: File = toml::from_str(text).map_err(Box::new)?;
        if file.step.len() > MAX_STEPS {
            return Err(ScenarioError::TooMany(file.step.len()));
        }
        let mut steps = file
            .step
            .into_iter()
            .enumerate()
            .map(|(index, raw)| step(index + 1, raw))
            .collect::<Result<Vec<_>, _>>()?;
        steps.sort_by_key(|step| step.at);
        let last = steps.last().map_or(Duration::ZERO, |step| step.at);
        let length = match file.length.as_deref() {
            None => last,
            Some(text) => span(text)
                .filter(|length| *length >= last)
                .ok_or(ScenarioError::Length)?,
        };
        Ok(Self { steps, length })
    }

    /// The demo's outage on these keys, in the phases of [`DEMO_PHASES`]: well, then 60 % of the replies cut at 60 %
    /// under HTTP 200, then HTTP 529 for every one, then well again. The keys take turns in how a cut ends: in the open
    /// (FIN), or cleanly, as gateways do it.
    pub fn outage(keys: &[FaultKey]) -> Self {
        let [_, truncated, overloaded, recovery] = DEMO_PHASES;
        let mut steps = Vec::new();
        for (place, key) in keys.iter().enumerate() {
            let how = if place % 2 == 0 { Cut::Fin } else { Cut::NoTerminal };
            let cut = Fault::always(FaultKind::Truncate { at: 0.6, how }).with_rate(0.6);
            let busy = Fault::always(FaultKind::Status {
                code: 529,
                body: None,
                retry_after: None,
            });
            for (at, action) in [
                (truncated.from, Action::Set(cut)),
                (overloaded.from, Action::Set(busy)),
                (recovery.from, Action::Clear),
            ] {
                steps.push(ScenarioStep {
                    at,
                    key: key.clone(),
                    action,
                });
            }
        }
        steps.sort_by_key(|step| step.at);
        Self {
            steps,
            length: recovery.until,
        }
    }

    /// The changes, in order of time.
    pub fn steps(&self) -> &[ScenarioStep] {
        &self.steps
    }

    /// How long it plays.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// Plays it once in real time: each step is put in force, then told to `on_step`. Ends at the scenario's length.
    /// Dropped early, it leaves the faults as they are.
    pub async fn play(&self, faults: &Faults, mut on_step: impl FnMut(&ScenarioStep) + Send) {
        let start = super::body::Start::now();
        for step in &self.steps {
            start.wait(step.at).await;
            match &step.action {
                Action::Set(fault) => {
                    if !faults.set(step.key.clone(), fault.clone()) {
                        tracing::warn!(provider = %step.key.provider, "too many faults in force, step skipped");
                        continue;
                    }
                }
                Action::Clear => {
                    faults.clear(&step.key);
                }
            }
            on_step(step);
        }
        start.wait(self.length).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        length = "75s"
        [[step]]
        at = "30s"
        provider = "anthropic"
        clear = true
        [[step]]
        at = "10s"
        provider = "anthropic"
        model = "claude-haiku-4-5"
        fault = { kind = "truncate", at = 0.6, how = "fin", rate = 0.6 }
    "#;

    #[test]
    fn a_file_is_read_in_order_of_time() {
        let scenario = Scenario::parse(FILE).unwrap();
        assert_eq!(scenario.length(), Duration::from_secs(75));
        let times: Vec<_> = scenario.steps().iter().map(|step| step.at.as_secs()).collect();
        assert_eq!(times, [10, 30]);
        assert_eq!(
            scenario.steps()[0].key,
            FaultKey::model("anthropic", "claude-haiku-4-5")
        );
    }

    #[test]
    fn slips_are_told_with_their_step() {
        let with = |step: &str| {
            Scenario::parse(&format!("[[step]]\n{step}"))
                .unwrap_err()
                .to_string()
        };
        for (text, message) in [
            (
                "at = \"soon\"\nprovider = \"openai\"\nclear = true",
                "step 1: at \"soon\" is no span of at most 30 days",
            ),
            (
                "at = \"1s\"\nprovider = \"acme\"\nclear = true",
                "step 1: no provider \"acme\"; known are anthropic, openai, gemini, ",
            ),
            (
                "at = \"1s\"\nprovider = \"openai\"",
                "step 1: write either fault or clear = true",
            ),
            (
                "at = \"1s\"\nprovider = \"openai\"\nfault = { kind = \"hang\", at = 0.5 }",
                "step 1: fault hang has no \"at\"",
            ),
        ] {
            assert!(with(text).starts_with(message), "{}", with(text));
        }
        let short = FILE.replace("75s", "29s");
        assert!(matches!(
            Scenario::parse(&short).unwrap_err(),
            ScenarioError::Length
        ));
        assert!(matches!(
            Scenario::parse("steps = 1").unwrap_err(),
            ScenarioError::Shape(_)
        ));
        let many = "[[step]]\nat = \"1s\"\nprovider = \"openai\"\nclear = true\n".repeat(MAX_STEPS + 1);
        assert!(matches!(
            Scenario::parse(&many).unwrap_err(),
            ScenarioError::TooMany(n) if n == MAX_STEPS + 1
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn the_outage_comes_and_goes() {
        let keys = [
            FaultKey::provider("anthropic"),
            FaultKey::model("openai", "gpt-5.2"),
        ];
        let scenario = Scenario::outage(&keys);
        let faults = Faults::default();
        let mut told = Vec::new();
        scenario
            .play(&faults, |step| {
                let label = faults.get(&step.key).map(|fault| fault.label());
                told.push((step.at.as_secs(), label.unwrap_or_else(|| "well".to_owned())));
            })
            .await;
        let told: Vec<_> = told.iter().map(|(at, label)| (*at, label.as_str())).collect();
        assert_eq!(
            told,
            [
                (10, "truncate.fin"),
                (10, "truncate.no_terminal"),
                (30, "status.529"),
                (30, "status.529"),
                (50, "well"),
                (50, "well"),
            ]
        );
        assert!(faults.all().is_empty());
        assert_eq!(scenario.length(), Duration::from_secs(75));
    }
}
