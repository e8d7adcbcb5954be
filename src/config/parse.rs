//! Text to `FileConfig` with every structural error, not only the first: what serde refuses is recorded, taken out
//! of the tree, and the rest is tried again.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::{
    error::{Diagnostic, MAX_FINDINGS, Place, Report},
    file::INLINE_SECRET,
};

/// At least this alike (Jaro-Winkler, 0 to 1) for a suggestion.
const MIN_LIKENESS: f64 = 0.75;

/// Parses a text that is number `source` in the report. Syntax errors stop there: what follows from them is noise.
pub(super) fn parse<T: DeserializeOwned + Default>(text: &str, source: usize, report: &mut Report) -> T {
    let (mut tree, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let place = error.span().map(|span| Place { source, span });
        report.push(Diagnostic::error(error.message().trim_end()).at(place).hiding());
    }
    if !errors.is_empty() {
        return T::default();
    }
    for _ in 0..=MAX_FINDINGS {
        let error = match T::deserialize(toml::de::Deserializer::from(tree.clone())) {
            Ok(file) => return file,
            Err(error) => error,
        };
        let Some(span) = error.span() else {
            report.push(explain(error.message(), None));
            return T::default();
        };
        let place = Place {
            source,
            span: span.clone(),
        };
        // A table out of which a wrong key was taken may now lack one: that is no finding of its own.
        if !report.touches(&place) {
            report.push(explain(error.message(), Some(place)));
        }
        if !remove(tree.get_mut(), &span) {
            return T::default();
        }
    }
    T::default()
}

/// serde's message in our words.
fn explain(message: &str, place: Option<Place>) -> Diagnostic {
    if message.starts_with(INLINE_SECRET) {
        return Diagnostic::error(INLINE_SECRET).at(place).hiding().help(
            "write { env = \"NAME\" }, { file = \"PATH\" } or { credential = \"NAME\" } in its place; \
             if this file was shared, replace the key",
        );
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field") {
        let name = quoted.next().unwrap_or_default().to_owned();
        let known: Vec<&str> = quoted.collect();
        let help = match nearest(&name, known.iter().copied()) {
            // `[server]` is known by another key of it: others have a `token` too.
            _ if name == "tokens" && known.contains(&"allowed_hosts") => {
                "each token is an entry of its own, [[server.token]]: `endturn token new` writes one"
                    .to_owned()
            }
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        return Diagnostic::error(format!("unknown key `{name}`"))
            .at(place)
            .hiding()
            .help(help);
    }
    Diagnostic::error(without_values(message)).at(place)
}

/// The candidate most like `word`, if any is alike enough.
pub(super) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= MIN_LIKENESS)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// `invalid type: string "sk-..", expected a map` in words of TOML and without the value, which might be a secret.
fn without_values(message: &str) -> String {
    const WORDS: [(&str, &str); 7] = [
        ("missing field", "missing key"),
        ("expected f64", "expected a number"),
        ("expected u32", "expected a whole number"),
        ("expected a sequence", "expected a list"),
        ("expected a map", "expected a table"),
        ("type: map,", "type: table,"),
        ("type: sequence,", "type: list,"),
    ];
    let message = message.trim_end();
    let bare = match (message.find("string \""), message.rfind("\", expected")) {
        (Some(from), Some(to)) if from < to => format!("{}string{}", &message[..from], &message[to + 1..]),
        _ => message.to_owned(),
    };
    // Which Rust type reads a table is nobody's business.
    let bare = match bare.find("expected struct ") {
        Some(at) => format!("{}expected a table", &bare[..at]),
        None => bare,
    };
    WORDS.iter().fold(bare, |text, (from, to)| text.replace(from, to))
}

/// Takes what lies at `span` out of the table, the innermost first. False when nothing is there.
fn remove(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    let hit = table
        .iter()
        .find(|(key, value)| key.span() == *span || (value.span() == *span && !holds(value, span)))
        .map(|(key, _)| key.get_ref().to_string());
    if let Some(key) = hit {
        return table.remove(key.as_str()).is_some();
    }
    table.iter_mut().any(|(_, value)| remove_below(value, span))
}

fn remove_below<'i>(value: &mut Spanned<DeValue<'i>>, span: &Range<usize>) -> bool {
    match value.get_mut() {
        DeValue::Table(table) => remove(table, span),
        DeValue::Array(array) => {
            if array
                .iter()
                .any(|item| item.span() == *span && !holds(item, span))
            {
                let kept: DeArray<'i> = std::mem::replace(array, DeArray::new())
                    .into_iter()
                    .filter(|item| item.span() != *span)
                    .collect();
                *array = kept;
                return true;
            }
            array.iter_mut().any(|item| remove_below(item, span))
        }
        _ => false,
    }
}

/// Whether something inside a value has exactly that span (an array of tables and its only header share one).
fn holds(value: &Spanned<DeValue<'_>>, span: &Range<usize>) -> bool {
    match value.get_ref() {
        DeValue::Table(table) => table
            .iter()
            .any(|(key, value)| key.span() == *span || value.span() == *span || holds(value, span)),
        DeValue::Array(array) => array.iter().any(|item| item.span() == *span || holds(item, span)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_never_reach_a_message() {
        assert_eq!(
            without_values("invalid type: string \"sk-x\", expected a map"),
            "invalid type: string, expected a table"
        );
        assert_eq!(
            without_values("invalid type: map, expected a sequence"),
            "invalid type: table, expected a list"
        );
        assert_eq!(without_values("missing field `id`\n"), "missing key `id`");
    }

    #[test]
    fn only_alike_words_are_suggested() {
        assert_eq!(nearest("evry", ["every", "path"].into_iter()), Some("every"));
        assert_eq!(nearest("zzz", ["every", "path"].into_iter()), None);
    }
}
