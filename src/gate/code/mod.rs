//! Code: fences that close, and brackets, strings and comments that close, each by the tokenizer of its language.
//!
//! A fence that never closes is a cut. Inside a fence that closes, an open bracket can't be one, for the model went on
//! after it: a piece is missing, or it was never right. Code without fences is its own end.

mod balance;
mod fence;
mod language;
mod lexer;
mod rust;

use balance::{Fault, Tally};
pub(super) use fence::{Block, blocks, is_open};
use language::Language;

use super::{
    Hint,
    content::{Broken, Whole},
    diff, json,
};

/// Checks a text of code. `language`: that of code without a fence, and of fences that name none.
pub(super) fn check(text: &str, language: Option<&str>) -> Result<Whole, Broken> {
    let blocks = blocks(text);
    if blocks.is_empty() {
        let mut whole = Whole::new("its brackets close");
        let place = |at| at;
        match language.map(|name| fault(name, text, place)) {
            Some(Checked::Whole) => {}
            Some(Checked::Broken(broken)) => return Err(broken),
            Some(Checked::Fault(fault)) => return Err(fault.at_the_end()),
            None | Some(Checked::Unknown) => unchecked(&mut whole, "it has no fence that names its language"),
        }
        return Ok(whole);
    }
    let mut whole = Whole::new("its fences and brackets close");
    for block in &blocks {
        if !block.closed {
            return Err(block.unclosed(text));
        }
        let named = Some(block.language.as_str()).filter(|name| !name.is_empty());
        let Some(name) = named.or(language) else {
            unchecked(&mut whole, "a fence names no language");
            continue;
        };
        match fault(name, &block.body, |at| block.place(at)) {
            Checked::Whole => {}
            Checked::Broken(broken) => return Err(broken),
            Checked::Fault(fault) => return Err(fault.in_the_midst()),
            Checked::Unknown => unchecked(&mut whole, &format!("no tokenizer for {name} is known")),
        }
    }
    Ok(whole)
}

fn unchecked(whole: &mut Whole, why: &str) {
    whole.what = format!("but brackets were not checked: {why}");
    if whole.hints.is_empty() {
        whole.hints.push(Hint::BracketsUnchecked);
    }
}

/// What the tokenizer of a language says of some code.
enum Checked {
    Whole,
    /// Brackets, strings or comments don't close.
    Fault(Fault),
    /// JSON or a diff that is not one.
    Broken(Broken),
    /// No tokenizer, or none that can tell.
    Unknown,
}

fn fault(name: &str, code: &str, place: impl Fn(usize) -> usize) -> Checked {
    let checked = match language::find(name) {
        Some(Language::Json) => json::value(code).map_err(|fault| fault.broken("the JSON")),
        Some(Language::Diff) => diff::lines(code),
        Some(Language::Rust) => return weigh(rust::tally(code), place),
        Some(Language::Family(traits)) if traits.can_tell(code) => {
            return weigh(lexer::tally(code, traits), place);
        }
        None | Some(Language::Family(_)) => return Checked::Unknown,
    };
    match checked {
        Ok(()) => Checked::Whole,
        Err(broken) => Checked::Broken(broken.within(place)),
    }
}

fn weigh(tally: Tally, place: impl Fn(usize) -> usize) -> Checked {
    match tally.end() {
        Err(balance::TooDeep) => Checked::Unknown,
        Ok(None) => Checked::Whole,
        Ok(Some(fault)) => Checked::Fault(fault.moved(place)),
    }
}

#[cfg(test)]
mod tests;
