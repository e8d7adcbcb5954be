//! What people declared of targets: on each target what is in force, and the whole list with what is to come.

use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{v1::Word, wire::Time};
use crate::{clock::Timestamp, health};

/// One declaration that is in force for a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Declared {
    /// Names it; `DELETE /v1/admin/{kind}/{id}` ends it.
    pub id: String,
    /// `pause`, `maintenance` or `override`.
    #[schema(value_type = String)]
    pub kind: Word,
    /// Of an override: `allow` or `avoid`.
    #[serde(default)]
    #[schema(required = true, value_type = Option<String>)]
    pub hint: Option<Word>,
    /// When it began.
    pub from: Time,
    /// When it ends.
    pub until: Time,
    /// Who declared it. A person's text: escape it.
    pub by: String,
    /// Why; may be empty. A person's text: escape it.
    #[serde(default)]
    pub why: String,
}

/// One declaration with whom it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Declaration {
    /// What, when, who and why.
    #[serde(flatten)]
    pub declared: Declared,
    /// Target ids, providers, or patterns in which `*` stands for any characters and `?` for one.
    pub targets: Vec<String>,
    /// Whether it is in force now; else it is still to begin.
    pub active: bool,
    /// Whether the configuration plans it: then it comes again.
    pub planned: bool,
}

/// `GET /v1/declared`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Declarations {
    /// Everything that is not over, the earliest beginning first.
    pub declared: Vec<Declaration>,
}

impl From<&health::Declaration> for Declared {
    fn from(one: &health::Declaration) -> Self {
        Self {
            id: one.id.clone(),
            kind: one.what.kind().as_str().into(),
            hint: one.what.forced().map(|forced| forced.hint().as_str().into()),
            from: one.from.into(),
            until: one.until.into(),
            by: one.by.clone(),
            why: one.why.clone(),
        }
    }
}

impl Declaration {
    /// The declaration as of now.
    pub fn new(one: &health::Declaration, now: Timestamp) -> Self {
        Self {
            declared: one.into(),
            targets: one.targets.patterns(),
            active: one.is_active(now),
            planned: one.planned,
        }
    }
}

impl Declarations {
    /// The list as of now.
    pub fn new(all: &health::Declared, now: Timestamp) -> Self {
        let left = all.all().filter(|one| now < one.until);
        let mut declared: Vec<Declaration> = left.map(|one| Declaration::new(one, now)).collect();
        declared.sort_by(|a, b| (a.declared.from, &a.declared.id).cmp(&(b.declared.from, &b.declared.id)));
        Self { declared }
    }
}

/// The list of declarations, as whoever makes the feed last left it.
#[derive(Debug, Default)]
pub struct DeclaredBoard(RwLock<Arc<health::Declared>>);

impl DeclaredBoard {
    /// Another list from now on.
    pub fn set(&self, declared: &health::Declared) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(declared.clone());
    }

    /// The list as of now: what is over by then is not in it.
    pub fn now(&self, now: Timestamp) -> Declarations {
        let declared = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        Declarations::new(&declared, now)
    }
}
