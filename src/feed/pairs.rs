//! One model by different ways: what the comparison of a direct target with those that reach it through a gateway tells.

use std::fmt;

use super::v1::{Health, TargetHealth};
use crate::health::State;

/// A target that is the same model as another one, reached another way.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The target without a gateway.
    pub direct: &'a TargetHealth,
    /// The target through one.
    pub through: &'a TargetHealth,
}

/// What a [`Pair`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Neither way has trouble.
    BothWell,
    /// Only the way through the gateway has trouble.
    OnTheWay {
        /// It ended cut replies with a natural stop.
        forged: bool,
    },
    /// Only the direct way has trouble: the gateway has another backend, other quota or a cache.
    GotRound,
    /// Both have.
    AtTheModel,
    /// One of them is not known, or in maintenance.
    Unknown,
}

impl Pair<'_> {
    /// What it tells.
    pub fn finding(&self) -> Finding {
        let known = |state: State| state == State::Operational || state.is_impaired();
        let (direct, through) = (self.direct.state, self.through.state);
        if !known(direct) || !known(through) {
            return Finding::Unknown;
        }
        match (direct.is_impaired(), through.is_impaired()) {
            (false, false) => Finding::BothWell,
            (false, true) => Finding::OnTheWay {
                forged: self.through.flags.iter().any(|flag| flag == "forged"),
            },
            (true, false) => Finding::GotRound,
            (true, true) => Finding::AtTheModel,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BothWell => "both ways finish their replies",
            Self::OnTheWay { forged: true } => {
                "the model finishes directly; the way through cuts replies and calls them finished"
            }
            Self::OnTheWay { forged: false } => {
                "the model finishes directly; the fault is on the way through"
            }
            Self::GotRound => "the direct way fails; the way through gets round it",
            Self::AtTheModel => "both ways fail: it is the model or its provider",
            Self::Unknown => "one of them is not known, so nothing can be compared",
        })
    }
}

impl Health {
    /// Every target that names a direct one (`via`) beside it, in the order of the feed. One whose direct target is
    /// not in this feed is left out.
    pub fn pairs(&self) -> Vec<Pair<'_>> {
        let direct = |name: &str| self.targets.iter().find(|target| target.id.to_string() == name);
        self.targets
            .iter()
            .filter_map(|through| {
                Some(Pair {
                    direct: direct(through.via.as_deref()?)?,
                    through,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        feed::v1::{Identity, StoreStatus},
        health::{Engine, Setup, TargetSetup},
    };

    fn feed(ids: &[&str]) -> Health {
        let targets = ids.iter().map(|id| TargetSetup {
            id: id.parse().unwrap(),
            strict_terminal: true,
            interval: None,
            long: false,
            long_interval: None,
            first_token_limit: std::time::Duration::from_secs(30),
            polite: true,
            reports_only: false,
        });
        let setup = Setup {
            targets: targets.collect(),
            anchors: 0,
        };
        let now = Timestamp::from_millis(1_781_960_460_000);
        let identity = Identity {
            instance: "i".to_owned(),
            vantage: "v".to_owned(),
        };
        let view = Engine::new(setup, 1, now).view(now);
        Health::new(&identity, 1, &view, &StoreStatus::default())
    }

    #[test]
    fn a_pair_tells_where_the_fault_is() {
        use State::{Degraded, Down, Maintenance, Operational, Partial, Unknown};
        let rows = [
            (Operational, Operational, true, Finding::BothWell),
            (Operational, Partial, true, Finding::OnTheWay { forged: true }),
            (Operational, Down, false, Finding::OnTheWay { forged: false }),
            (Down, Operational, false, Finding::GotRound),
            (Degraded, Partial, true, Finding::AtTheModel),
            (Unknown, Down, false, Finding::Unknown),
            (Operational, Maintenance, false, Finding::Unknown),
        ];
        for (direct, through, forged, expected) in rows {
            let mut feed = feed(&["a/m", "gate/m"]);
            feed.targets[0].state = direct;
            feed.targets[1].state = through;
            feed.targets[1].via = Some("a/m".into());
            feed.targets[1].flags = forged.then_some("forged".into()).into_iter().collect();
            assert_eq!(feed.pairs()[0].finding(), expected, "{direct} {through}");
        }
    }

    #[test]
    fn a_pair_needs_both_ends() {
        let mut feed = feed(&["a/m", "gate/m", "other/m"]);
        assert!(feed.pairs().is_empty());
        feed.targets[1].via = Some("a/m".into());
        feed.targets[2].via = Some("gone/m".into());
        let pairs = feed.pairs();
        assert_eq!(pairs.len(), 1);
        assert_eq!(pairs[0].direct.id.to_string(), "a/m");
    }
}
