//! OpenAI Chat Completions, and every dialect of it by its [`Manner`].

use super::{
    Channel, Encoder, ErrorAt, Facts, Finish, Manner, Refusal, Speaker, Whole, list, quoted, refusal,
};
use crate::protocol::{StopClass, UsageAt};

/// Random padding of the vendor's chunks; its length is what varies there, and here it need not.
pub(super) const OBFUSCATION: &str = r#","obfuscation":"zX9kQ""#;

const DONE: &str = "data: [DONE]\n\n";
const SAFE: &str = r#"{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}"#;

/// A natural end may have a word of the dialect's own.
fn finish_reason(manner: &Manner, finish: Finish) -> &'static str {
    let own = manner.dialect().and_then(|dialect| {
        let natural = dialect
            .stops
            .iter()
            .find(|(_, class)| *class == StopClass::Complete);
        natural.map(|(word, _)| *word)
    });
    match finish {
        Finish::Stop => own.unwrap_or("stop"),
        Finish::Tool => "tool_calls",
        Finish::Limit => "length",
        Finish::Refused => "content_filter",
    }
}

/// The word of whoever answers behind a gateway.
const fn native_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Tool => "tool_use",
        Finish::Limit => "max_tokens",
        Finish::Refused => "refusal",
    }
}

fn usage(manner: &Manner, facts: &Facts, output: u64) -> String {
    let input = facts.input_tokens;
    format!(
        r#"{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{}{},"completion_tokens_details":{{"reasoning_tokens":{},"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}}"#,
        input + output,
        manner.usage,
        facts.reasoning_tokens
    )
}

/// Members of a choice beside `index` and what it says.
fn choice_end(manner: &Manner, finish: Option<Finish>, filters: &str) -> String {
    let word = |finish: Option<&str>| finish.map_or_else(|| "null".to_owned(), quoted);
    let reason = word(finish.map(|finish| finish_reason(manner, finish)));
    let native = if manner.native {
        format!(r#","native_finish_reason":{}"#, word(finish.map(native_reason)))
    } else {
        String::new()
    };
    let filters = if manner.filters {
        format!(r#","content_filter_results":{filters}"#)
    } else {
        String::new()
    };
    format!(r#"{},"finish_reason":{reason}{native}{filters}"#, manner.choice)
}

fn call(facts: &Facts, members: &str) -> String {
    format!(
        r#"{{"index":0,"id":"call_{}","type":"function","function":{{"name":{},"arguments":{members}}}}}"#,
        facts.id,
        quoted(&facts.tool)
    )
}

/// Reasoning as a part of `content`; `text` is quoted already.
fn thinking_part(text: &str) -> String {
    format!(r#"{{"type":"thinking","thinking":[{{"type":"text","text":{text}}}]}}"#)
}

pub(super) struct Stream {
    speaker: Speaker,
    facts: Facts,
    called: bool,
    tokens: u64,
}

impl Stream {
    pub(super) fn new(speaker: Speaker, facts: Facts) -> Self {
        Self {
            speaker,
            facts,
            called: false,
            tokens: 0,
        }
    }

    const fn manner(&self) -> &'static Manner {
        self.speaker.door.manner
    }

    /// A chunk with these `choices` and, after them, these members.
    fn chunk(&self, choices: &str, members: &str) -> String {
        self.chunk_of(&self.facts.model, choices, members)
    }

    fn chunk_of(&self, model: &str, choices: &str, members: &str) -> String {
        let manner = self.manner();
        let padding = if manner.padding && self.facts.obfuscation {
            OBFUSCATION
        } else {
            ""
        };
        format!(
            "data: {{\"id\":\"{}{}\",\"object\":\"chat.completion.chunk\",\"created\":{},\"model\":{}{},\"choices\":[{choices}]{members}{padding}}}\n\n",
            manner.id,
            self.facts.id,
            self.facts.created.as_millis() / 1000,
            quoted(model),
            manner.members,
        )
    }

    /// `usage` of a chunk that has none: null where it was asked for and comes later.
    fn none_yet(&self) -> &'static str {
        if self.facts.include_usage && self.manner().usage_at() == UsageAt::Asked {
            r#","usage":null"#
        } else {
            ""
        }
    }

    fn choice(&self, delta: &str, finish: Option<Finish>, filters: &str) -> String {
        format!(
            r#"{{"index":0,"delta":{{{delta}}}{}}}"#,
            choice_end(self.manner(), finish, filters)
        )
    }

    fn say(&self, delta: &str) -> String {
        self.chunk(&self.choice(delta, None, SAFE), self.none_yet())
    }
}

impl Encoder for Stream {
    fn head(&mut self) -> Vec<u8> {
        let manner = self.manner();
        let mut head = String::new();
        if let Some(comment) = manner.keep_alive() {
            head = format!("{comment}\n\n");
        }
        if manner.filters {
            head = format!(
                "{head}data: {{\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_results\":[{{\"prompt_index\":0,\"content_filter_results\":{SAFE}}}]}}\n\n"
            );
        }
        let first = r#""role":"assistant","content":"","refusal":null"#;
        head += &self.chunk(&self.choice(first, None, "{}"), self.none_yet());
        head.into_bytes()
    }

    fn delta(&mut self, channel: Channel, text: &str, _tokens: u64) -> Vec<u8> {
        let text = quoted(text);
        match channel {
            Channel::Tool => {
                let opened = if self.called {
                    String::new()
                } else {
                    self.called = true;
                    self.say(&format!(r#""tool_calls":[{}]"#, call(&self.facts, r#""""#)))
                };
                let more = format!(r#""tool_calls":[{{"index":0,"function":{{"arguments":{text}}}}}]"#);
                opened + &self.say(&more)
            }
            Channel::Reasoning => self.say(&match self.manner().reasoning() {
                Some(member) => format!(r#""{member}":{text}"#),
                None => format!(r#""content":[{}]"#, thinking_part(&text)),
            }),
            Channel::Refusal => self.say(&format!(r#""refusal":{text}"#)),
            Channel::Text => self.say(&format!(r#""content":{text}"#)),
        }
        .into_bytes()
    }

    fn stop(&mut self, finish: Finish, tokens: u64) -> Vec<u8> {
        self.tokens = tokens;
        let usage = usage(self.manner(), &self.facts, tokens);
        let members = match self.manner().usage_at() {
            UsageAt::Finish => format!(r#","usage":{usage}"#),
            UsageAt::FinishGroq => {
                format!(
                    r#","x_groq":{{"id":"{}","usage":{usage}}}"#,
                    self.facts.request_id
                )
            }
            UsageAt::Asked | UsageAt::Last => self.none_yet().to_owned(),
        };
        self.chunk(&self.choice("", Some(finish), "{}"), &members)
            .into_bytes()
    }

    fn terminal(&mut self) -> Vec<u8> {
        let manner = self.manner();
        let members = format!(
            r#","usage":{}{}"#,
            usage(manner, &self.facts, self.tokens),
            manner.last
        );
        let counts = match manner.usage_at() {
            UsageAt::Asked | UsageAt::FinishGroq if self.facts.include_usage => self.chunk("", &members),
            UsageAt::Last => {
                let nothing = self.choice(r#""role":"assistant","content":"""#, None, "{}");
                self.chunk(&nothing, &members)
            }
            UsageAt::Asked | UsageAt::Finish | UsageAt::FinishGroq => String::new(),
        };
        (counts + DONE).into_bytes()
    }

    fn error(&mut self) -> Vec<u8> {
        let event = || {
            let denial = refusal(self.speaker, &Refusal::Status(500), &self.facts.request_id);
            if denial.body.starts_with(r#"{"error":"#) {
                format!("data: {}\n\n", denial.body)
            } else {
                format!("data: {{\"error\":{}}}\n\n", denial.body)
            }
        };
        match self.manner().error() {
            ErrorAt::Event | ErrorAt::Body => event(),
            ErrorAt::EventThenDone => event() + DONE,
            ErrorAt::Chunk => {
                let choice = r#"{"index":0,"delta":{"content":""},"finish_reason":"error","native_finish_reason":null}"#;
                let error = r#","error":{"code":502,"message":"Provider disconnected","metadata":{"error_type":"provider_unavailable"}}"#;
                self.chunk(choice, error) + DONE
            }
            // The server decodes its own error as an answer without members.
            ErrorAt::Swallowed => self.chunk_of("", &self.choice(r#""content":"""#, None, "{}"), ""),
        }
        .into_bytes()
    }
}

pub(super) fn whole(manner: &Manner, facts: &Facts, said: &Whole, finish: Finish, tokens: u64) -> String {
    let text = quoted(&said.text);
    let (content, reasoning) = match (said.reasoning.as_str(), manner.reasoning()) {
        ("", _) if said.text.is_empty() && said.arguments.is_some() => ("null".to_owned(), String::new()),
        ("", _) => (text, String::new()),
        (reasoning, Some(member)) => (text, format!(r#","{member}":{}"#, quoted(reasoning))),
        (reasoning, None) => {
            let thinking = thinking_part(&quoted(reasoning));
            (
                format!(r#"[{thinking},{{"type":"text","text":{text}}}]"#),
                String::new(),
            )
        }
    };
    let mut message =
        format!(r#""role":"assistant","content":{content},"refusal":null,"annotations":[]{reasoning}"#);
    if let Some(arguments) = &said.arguments {
        message = format!(r#"{message},"tool_calls":[{}]"#, call(facts, &quoted(arguments)));
    }
    let filters = if manner.filters {
        format!(r#","prompt_filter_results":[{{"prompt_index":0,"content_filter_results":{SAFE}}}]"#)
    } else {
        String::new()
    };
    let usage = usage(manner, facts, tokens);
    let groq = if manner.usage_at() == UsageAt::FinishGroq {
        format!(r#","x_groq":{{"id":"{}"}}"#, facts.request_id)
    } else {
        String::new()
    };
    format!(
        r#"{{"id":"{}{}","object":"chat.completion","created":{},"model":{},"choices":[{{"index":0,"message":{{{message}}}{}}}],"usage":{usage}{}{}{groq}{filters}}}"#,
        manner.id,
        facts.id,
        facts.created.as_millis() / 1000,
        quoted(&facts.model),
        choice_end(manner, Some(finish), SAFE),
        manner.members,
        manner.last,
    )
}

pub(super) fn models(models: &[&str]) -> String {
    let data = list(models, |id| {
        format!(r#"{{"id":"{id}","object":"model","created":1767225600,"owned_by":"system"}}"#)
    });
    format!(r#"{{"object":"list","data":[{data}]}}"#)
}
