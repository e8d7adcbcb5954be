//! The shipped canaries: read from their own files, so that an edited one is still answered rightly.

use std::sync::LazyLock;

use include_dir::{Dir, include_dir};
use serde::Deserialize;

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/probes/canaries");
/// Stands in prompt and answer for the word drawn.
const SENTINEL_WORD: &str = "SENTINEL_WORD";

/// The right answer to a shipped canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shipped {
    /// Prose.
    Text(String),
    /// A document.
    Json(String),
    /// A call.
    Call {
        /// The tool.
        tool: String,
        /// JSON.
        arguments: String,
    },
}

/// What of a file matters here; what it must hold is checked by `config`.
#[derive(Deserialize)]
struct Script {
    prompt: String,
    #[serde(default)]
    words: Vec<String>,
    json: Option<String>,
    tool: Option<Tool>,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
    arguments: String,
}

static SCRIPTS: LazyLock<Vec<Script>> = LazyLock::new(|| {
    let texts = FILES.files().filter_map(|file| file.contents_utf8());
    texts.filter_map(|text| toml::from_str(text).ok()).collect()
});

/// The answer, if the prompt is one of ours. A tool that isn't offered can't be called.
pub(super) fn answer(prompt: &str, tools: &[String]) -> Option<Shipped> {
    let (script, word) = SCRIPTS
        .iter()
        .find_map(|script| Some((script, sentinel(&script.prompt, prompt)?)))?;
    let filled = |text: &str| text.replace(SENTINEL_WORD, word);
    match (&script.json, &script.tool) {
        (Some(json), _) => Some(Shipped::Json(filled(json))),
        (_, Some(tool)) => tools.contains(&tool.name).then(|| Shipped::Call {
            tool: tool.name.clone(),
            arguments: filled(&tool.arguments),
        }),
        _ => Some(Shipped::Text(counted(script, word))),
    }
}

/// The word that stands in the prompt where the script has its placeholder.
fn sentinel<'a>(script: &str, prompt: &'a str) -> Option<&'a str> {
    let (before, after) = script.split_once(SENTINEL_WORD)?;
    let word = prompt
        .trim()
        .strip_prefix(before.trim_start())?
        .strip_suffix(after.trim_end())?;
    let plain = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then_some(word)
}

/// The words in order and the sentinel. Some scripts ask for each word's number before it, in digits.
fn counted(script: &Script, word: &str) -> String {
    let digits = script.prompt.contains("in digits");
    let mut parts = Vec::new();
    for (n, word) in script.words.iter().enumerate() {
        if digits {
            parts.push((n + 1).to_string());
        }
        parts.push(word.clone());
    }
    parts.push(word.to_owned());
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_shipped_file_is_understood_and_answered() {
        assert_eq!(SCRIPTS.len(), FILES.files().count());
        for script in SCRIPTS.iter() {
            let prompt = script.prompt.replace(SENTINEL_WORD, "kestrel");
            let tools: Vec<String> = script.tool.iter().map(|tool| tool.name.clone()).collect();
            match answer(&prompt, &tools).unwrap() {
                Shipped::Text(text) => {
                    let digits = usize::from(prompt.contains("in digits"));
                    assert_eq!(text.split(' ').count(), script.words.len() * (1 + digits) + 1);
                    assert!(text.ends_with(" kestrel"), "{text}");
                }
                Shipped::Json(text) => {
                    let json: Value = serde_json::from_str(&text).unwrap();
                    assert!(json.to_string().contains("kestrel"));
                }
                Shipped::Call { tool, arguments } => {
                    assert_eq!(tools, [tool]);
                    let json: Value = serde_json::from_str(&arguments).unwrap();
                    assert!(json.to_string().contains("kestrel"));
                    assert_eq!(answer(&prompt, &[]), None, "not offered, not called");
                }
            }
            assert_eq!(answer(&script.prompt.replace(SENTINEL_WORD, ""), &tools), None);
            assert_eq!(
                answer(
                    &prompt
                        .replace("exactly", "roughly")
                        .replace("lowercase", "capitals"),
                    &tools
                ),
                None
            );
        }
    }
}
