//! How those who speak Chat Completions differ from each other, beyond what a reader needs to know of it
//! ([`Dialect`]): the members that only make a stream look right.

use crate::protocol::{Dialect, ErrorAt, UsageAt};

/// One manner of Chat Completions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    /// The dialect by name; empty: the protocol's own.
    pub(crate) dialect: &'static str,
    /// What stands before the id.
    pub(crate) id: &'static str,
    /// Members of every chunk and answer after `model`, a comma first.
    pub(crate) members: &'static str,
    /// Members of every choice beside its delta, a comma first.
    pub(crate) choice: &'static str,
    /// Members of `usage` after the counts, a comma first.
    pub(crate) usage: &'static str,
    /// Members beside `usage`, a comma first.
    pub(crate) last: &'static str,
    /// The upstream's own stop reason stands beside ours.
    pub(crate) native: bool,
    /// Results of content filters stand in every choice and in a chunk before the first.
    pub(crate) filters: bool,
    /// Chunks are padded unless the request says otherwise.
    pub(crate) padding: bool,
}

/// What most have in common.
const COMMON: Manner = Manner {
    dialect: "",
    id: "chatcmpl-",
    members: r#","system_fingerprint":"fp_sim""#,
    choice: r#","logprobs":null"#,
    usage: "",
    last: "",
    native: false,
    filters: false,
    padding: false,
};

/// Nobody's in particular.
pub(crate) static PLAIN: Manner = COMMON;

/// `OpenAI`'s.
pub(crate) static OPENAI: Manner = Manner {
    members: r#","service_tier":"default","system_fingerprint":"fp_sim""#,
    usage: r#","prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0}"#,
    padding: true,
    ..COMMON
};

/// Azure's.
pub(crate) static AZURE: Manner = Manner {
    dialect: "azure-openai",
    filters: true,
    ..COMMON
};

/// `OpenRouter`'s.
pub(crate) static OPENROUTER: Manner = Manner {
    dialect: "openrouter",
    id: "gen-",
    members: r#","provider":"Simulated""#,
    usage: r#","cost":0.00012,"is_byok":false,"prompt_tokens_details":{"cached_tokens":0},"cost_details":{"upstream_inference_cost":null,"upstream_inference_prompt_cost":0.00004,"upstream_inference_completions_cost":0.00008}"#,
    native: true,
    ..COMMON
};

/// Groq's.
pub(crate) static GROQ: Manner = Manner {
    dialect: "groq",
    members: r#","system_fingerprint":"fp_groq""#,
    usage: r#","queue_time":0.02,"prompt_time":0.003,"completion_time":0.05,"total_time":0.053"#,
    ..COMMON
};

/// Together's.
pub(crate) static TOGETHER: Manner = Manner {
    dialect: "together",
    members: "",
    ..COMMON
};

/// Fireworks'.
pub(crate) static FIREWORKS: Manner = Manner {
    dialect: "fireworks",
    id: "",
    members: "",
    choice: "",
    ..COMMON
};

/// `DeepSeek`'s.
pub(crate) static DEEPSEEK: Manner = Manner {
    dialect: "deepseek",
    id: "",
    members: r#","system_fingerprint":"fp_ds""#,
    usage: r#","prompt_tokens_details":{"cached_tokens":0},"prompt_cache_hit_tokens":0,"prompt_cache_miss_tokens":0"#,
    ..COMMON
};

/// xAI's.
pub(crate) static XAI: Manner = Manner {
    dialect: "xai",
    id: "",
    choice: "",
    ..COMMON
};

/// Mistral's.
pub(crate) static MISTRAL: Manner = Manner {
    dialect: "mistral",
    id: "",
    members: "",
    choice: "",
    ..COMMON
};

/// vLLM's.
pub(crate) static VLLM: Manner = Manner {
    dialect: "vllm",
    members: "",
    ..COMMON
};

/// llama.cpp's.
pub(crate) static LLAMA_CPP: Manner = Manner {
    dialect: "llamacpp",
    members: r#","system_fingerprint":"b9999-sim""#,
    choice: "",
    last: r#","timings":{"cache_n":0,"prompt_n":30,"prompt_ms":55.0,"predicted_n":16,"predicted_ms":400.0,"predicted_per_second":40.0}"#,
    ..COMMON
};

/// LiteLLM's.
pub(crate) static LITELLM: Manner = Manner {
    dialect: "litellm",
    members: "",
    choice: "",
    ..COMMON
};

/// That of Ollama's `/v1`.
pub(crate) static OLLAMA: Manner = Manner {
    dialect: "ollama-openai",
    members: r#","system_fingerprint":"fp_ollama""#,
    choice: "",
    ..COMMON
};

impl Manner {
    /// What a reader knows of it; `None`: the protocol's own.
    pub(crate) fn dialect(&self) -> Option<&'static Dialect> {
        Dialect::find(self.dialect)
    }

    /// How an error inside a stream looks.
    pub(crate) fn error(&self) -> ErrorAt {
        self.dialect().map_or(ErrorAt::Event, |dialect| dialect.error)
    }

    /// Where token counts come.
    pub(crate) fn usage_at(&self) -> UsageAt {
        self.dialect().map_or(UsageAt::Asked, |dialect| dialect.usage)
    }

    /// The member that carries reasoning; `None` where it is a typed part of `content`.
    pub(crate) fn reasoning(&self) -> Option<&'static str> {
        match self.dialect() {
            Some(dialect) => dialect.reasoning.first().copied(),
            None => Some("reasoning_content"),
        }
    }

    /// The comment that keeps connections alive.
    pub(crate) fn keep_alive(&self) -> Option<&'static str> {
        self.dialect().and_then(|dialect| dialect.keep_alive)
    }
}
