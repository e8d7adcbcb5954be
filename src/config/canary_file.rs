//! What the files under `probes/canaries/` may say, and the step to [`CanaryScript`].

use serde::Deserialize;
use serde_json::Value;

use super::{Answer, CanaryScript, CanaryTool};

/// Stands in a canary's prompt, and in its JSON, for the word drawn.
pub const SENTINEL_WORD: &str = "SENTINEL_WORD";

/// Most words of a counted sequence: four times the longest that is shipped.
pub const MAX_CANARY_WORDS: usize = 400;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct CanaryFile {
    #[serde(default)]
    prompt: String,
    words: Option<Vec<String>>,
    json: Option<String>,
    tool: Option<ToolFile>,
    #[serde(default)]
    sentinels: Vec<String>,
    #[serde(default)]
    input_tokens: u32,
    #[serde(default)]
    output_tokens: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolFile {
    name: String,
    description: String,
    parameters: String,
    arguments: String,
}

impl CanaryFile {
    pub(super) fn check(self, name: &str) -> Result<CanaryScript, String> {
        if !self.prompt.contains(SENTINEL_WORD) {
            return Err(format!("the prompt does not hold {SENTINEL_WORD}"));
        }
        if self.sentinels.is_empty() {
            return Err("sentinels must not be empty".to_owned());
        }
        if let Some(word) = self.sentinels.iter().find(|word| !plain(word)) {
            return Err(not_plain(word));
        }
        let answer = match (self.words, self.json, self.tool) {
            (Some(words), None, None) => Answer::Words(counted(words, &self.sentinels)?),
            (None, Some(json), None) => Answer::Json(document("json", &json)?),
            (None, None, Some(tool)) => Answer::Tool(tool.check()?),
            _ => return Err("exactly one of words, json and [tool] says what is expected".to_owned()),
        };
        if self.input_tokens == 0 || self.output_tokens == 0 {
            return Err("input_tokens and output_tokens must not be zero".to_owned());
        }
        Ok(CanaryScript {
            name: name.to_owned(),
            prompt: self.prompt,
            answer,
            sentinels: self.sentinels,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
        })
    }
}

fn plain(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase())
}

fn not_plain(word: &str) -> String {
    format!("{word:?} is not a plain lower-case ASCII word")
}

/// Words that can be told apart, so that a cut has one place. A hyphen joins two words to one.
fn counted(words: Vec<String>, sentinels: &[String]) -> Result<Vec<String>, String> {
    if words.is_empty() || words.len() > MAX_CANARY_WORDS {
        return Err(format!("words must be 1 to {MAX_CANARY_WORDS}"));
    }
    for (at, word) in words.iter().enumerate() {
        if !word.split('-').all(plain) {
            return Err(not_plain(word));
        }
        if words[..at].contains(word) {
            return Err(format!("{word:?} comes twice: a cut there would have two places"));
        }
        if sentinels.contains(word) {
            return Err(format!("{word:?} is both a word and a sentinel"));
        }
    }
    Ok(words)
}

/// A JSON object that holds the sentinel.
fn document(what: &str, text: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(text).map_err(|why| format!("{what} is not JSON: {why}"))?;
    if !value.is_object() {
        return Err(format!("{what} is not an object"));
    }
    if !text.contains(SENTINEL_WORD) {
        return Err(format!("{what} does not hold {SENTINEL_WORD}"));
    }
    Ok(value)
}

impl ToolFile {
    fn check(self) -> Result<CanaryTool, String> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.bytes().all(fits) {
            return Err(format!(
                "{:?} is no name for a tool: 1 to 64 letters, digits and `_`",
                self.name
            ));
        }
        let parameters: Value = serde_json::from_str(&self.parameters)
            .map_err(|why| format!("parameters are not JSON: {why}"))?;
        if parameters.get("type").and_then(Value::as_str) != Some("object") {
            return Err("parameters are not a JSON schema of an object".to_owned());
        }
        Ok(CanaryTool {
            name: self.name,
            description: self.description,
            parameters,
            arguments: document("arguments", &self.arguments)?,
        })
    }
}
