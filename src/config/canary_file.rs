//! What the files under `probes/canaries/` may say, and the step to [`CanaryScript`].

use serde::Deserialize;

use super::CanaryScript;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct CanaryFile {
    #[serde(default)]
    prompt: String,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    sentinels: Vec<String>,
    #[serde(default)]
    input_tokens: u32,
    #[serde(default)]
    output_tokens: u32,
}

impl CanaryFile {
    pub(super) fn check(self, name: &str) -> Result<CanaryScript, String> {
        let plain = |word: &String| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
        if !self.prompt.contains("SENTINEL_WORD") {
            return Err("the prompt does not hold SENTINEL_WORD".to_owned());
        }
        if self.words.is_empty() || self.sentinels.is_empty() {
            return Err("words and sentinels must not be empty".to_owned());
        }
        if let Some(word) = self.words.iter().chain(&self.sentinels).find(|word| !plain(word)) {
            return Err(format!("{word:?} is not a plain lower-case ASCII word"));
        }
        if let Some(word) = self.sentinels.iter().find(|word| self.words.contains(word)) {
            return Err(format!("{word:?} is both a word and a sentinel"));
        }
        if self.input_tokens == 0 || self.output_tokens == 0 {
            return Err("input_tokens and output_tokens must not be zero".to_owned());
        }
        Ok(CanaryScript {
            name: name.to_owned(),
            prompt: self.prompt,
            words: self.words,
            sentinels: self.sentinels,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
        })
    }
}
