//! The faults that are in force, shared between the server, the control API and whoever runs the simulator.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::{PROVIDERS, fault::Fault};

/// Most rules at a time.
pub const MAX_RULES: usize = 1024;

/// Whom a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultKey {
    /// A provider's base path: `anthropic`.
    pub provider: String,
    /// One model, or all of the provider.
    pub model: Option<String>,
}

impl FaultKey {
    /// A rule for all models of a provider.
    pub fn provider(provider: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            model: None,
        }
    }

    /// A rule for one model.
    pub fn model(provider: &str, model: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            model: Some(model.to_owned()),
        }
    }

    /// Whether the provider is one of ours.
    pub fn is_known(&self) -> bool {
        PROVIDERS.contains(&self.provider.as_str())
    }
}

/// Handle on the faults in force. Clones share them; a change holds from the next request on.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<RwLock<BTreeMap<FaultKey, Fault>>>);

impl Faults {
    /// Puts a fault in force, in place of what the key had. `false` when [`MAX_RULES`] others are in force already.
    pub fn set(&self, key: FaultKey, fault: Fault) -> bool {
        let mut rules = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if rules.len() >= MAX_RULES && !rules.contains_key(&key) {
            return false;
        }
        rules.insert(key, fault);
        true
    }

    /// Lifts what the key has; `false` when it has nothing.
    pub fn clear(&self, key: &FaultKey) -> bool {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key)
            .is_some()
    }

    /// Lifts everything.
    pub fn clear_all(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What the key has.
    pub fn get(&self, key: &FaultKey) -> Option<Fault> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    /// Everything in force, by key.
    pub fn all(&self) -> Vec<(FaultKey, Fault)> {
        let rules = self.0.read().unwrap_or_else(PoisonError::into_inner);
        rules
            .iter()
            .map(|(key, fault)| (key.clone(), fault.clone()))
            .collect()
    }

    /// The rule that decides for a request: the model's own, else the provider's.
    pub(crate) fn rule(&self, provider: &str, model: Option<&str>) -> Option<Fault> {
        let rules = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if rules.is_empty() {
            return None;
        }
        model
            .and_then(|model| rules.get(&FaultKey::model(provider, model)))
            .or_else(|| rules.get(&FaultKey::provider(provider)))
            .cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::FaultKind;

    #[test]
    fn the_closest_rule_decides() {
        let faults = Faults::default();
        assert_eq!(faults.rule("openai", Some("a")), None);
        faults.set(FaultKey::provider("openai"), Fault::always(FaultKind::Hang));
        faults.set(FaultKey::model("openai", "a"), Fault::always(FaultKind::Empty));
        let name = |model| faults.rule("openai", model).map(|fault| fault.label());
        assert_eq!(name(Some("a")).as_deref(), Some("empty"));
        assert_eq!(name(Some("b")).as_deref(), Some("hang"));
        assert_eq!(name(None).as_deref(), Some("hang"));
        assert_eq!(faults.rule("gemini", Some("a")), None);
        assert!(faults.clear(&FaultKey::model("openai", "a")));
        assert!(!faults.clear(&FaultKey::model("openai", "a")));
        assert_eq!(name(Some("a")).as_deref(), Some("hang"));
    }

    #[test]
    fn rules_are_limited() {
        let faults = Faults::default();
        for n in 0..MAX_RULES {
            assert!(faults.set(
                FaultKey::model("openai", &n.to_string()),
                Fault::always(FaultKind::Hang)
            ));
        }
        assert!(!faults.set(FaultKey::provider("openai"), Fault::always(FaultKind::Hang)));
        assert!(
            faults.set(FaultKey::model("openai", "0"), Fault::always(FaultKind::Empty)),
            "a key that is there can change"
        );
        faults.clear_all();
        assert!(faults.all().is_empty());
    }
}
