//! Whether the model that answered is the one that was asked for.

/// Same name, or a dated snapshot of the alias that was asked for. A route's prefix (`models/`, a vendor before a slash)
/// and an option after a colon are no part of the name.
pub fn same_model(asked: &str, served: &str) -> bool {
    let (asked, served) = (name(asked), name(served));
    let alias = asked.strip_suffix("-latest").unwrap_or(&asked);
    match served.strip_prefix(alias) {
        Some("") => true,
        Some(rest) => rest.strip_prefix(['-', '@']).is_some_and(is_snapshot),
        None => false,
    }
}

/// `20251001`, `2026-07-01`, `001`, `preview-05-20`: what providers append to an alias. A single digit or a word would be
/// another model (`-2`, `-mini`).
fn is_snapshot(rest: &str) -> bool {
    let mut parts = rest.split(['-', '@']);
    let first = parts.next().unwrap_or_default();
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let opens = (first.len() >= 3 && digits(first)) || matches!(first, "preview" | "exp" | "latest");
    opens && parts.all(digits)
}

fn name(id: &str) -> String {
    let id = id.rsplit('/').next().unwrap_or(id);
    id.split(':').next().unwrap_or(id).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::same_model;

    #[test]
    fn snapshots_are_the_alias_and_siblings_are_not() {
        let rows = [
            ("claude-haiku-4-5", "claude-haiku-4-5-20251001", true),
            ("gpt-5.6-mini", "gpt-5.6-mini-2026-07-01", true),
            ("gemini-2.5-flash", "gemini-2.5-flash-preview-05-20", true),
            ("gemini-2.0-flash", "models/gemini-2.0-flash-001", true),
            ("mistral-small-latest", "mistral-small-2506", true),
            ("meta-llama/llama-3.1-8b:free", "meta-llama/llama-3.1-8b", true),
            ("claude-haiku-4-5@20251001", "claude-haiku-4-5@20251001", true),
            ("GPT-4o", "gpt-4o", true),
            ("gpt-5", "gpt-5-mini", false),
            ("gpt-5", "gpt-5-2", false),
            ("claude-opus-4-5", "claude-haiku-4-5", false),
            ("gpt-5-mini", "gpt-5", false),
        ];
        for (asked, served, expected) in rows {
            assert_eq!(same_model(asked, served), expected, "{asked} {served}");
        }
    }
}
