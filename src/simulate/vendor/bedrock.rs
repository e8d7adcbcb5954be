//! AWS Bedrock `converse` and `converse-stream`: binary frames with JSON inside.

use super::{Channel, Encoder, Facts, Finish, Framing, Whole, closed_object, frame, list, quoted};

/// The vendor pads every payload to a random length; here the length follows the token count.
const PADDING: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

const fn stop_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Tool => "tool_use",
        Finish::Limit => "max_tokens",
        Finish::Refused => "content_filtered",
    }
}

fn usage(facts: &Facts, tokens: u64) -> String {
    format!(
        r#""usage":{{"inputTokens":{0},"outputTokens":{tokens},"totalTokens":{1},"cacheReadInputTokens":0,"cacheWriteInputTokens":0}},"metrics":{{"latencyMs":{2}}}"#,
        facts.input_tokens,
        facts.input_tokens + tokens,
        100 + 12 * tokens
    )
}

fn tool_use(facts: &Facts) -> String {
    format!(
        r#""toolUseId":"tooluse_{}","name":{}"#,
        facts.id,
        quoted(&facts.tool)
    )
}

pub(super) struct Stream {
    facts: Facts,
    open: Option<Channel>,
    index: u64,
    tokens: u64,
    finish: Finish,
}

impl Stream {
    pub(super) fn new(facts: Facts) -> Self {
        Self {
            facts,
            open: None,
            index: 0,
            tokens: 0,
            finish: Finish::Stop,
        }
    }

    fn event(&self, name: &str, members: &str) -> Vec<u8> {
        let headers = [
            (":event-type", name),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ];
        let padding = &PADDING[..4 + (self.tokens as usize * 7) % (PADDING.len() - 4)];
        frame::write(&headers, format!(r#"{{{members},"p":"{padding}"}}"#).as_bytes())
    }

    fn place(&self) -> String {
        format!(r#""contentBlockIndex":{}"#, self.index)
    }

    fn block_delta(&self, delta: &str) -> Vec<u8> {
        self.event(
            "contentBlockDelta",
            &format!(r#"{},"delta":{delta}"#, self.place()),
        )
    }

    /// Ends the open block and begins one. Blocks of text and reasoning begin with their first delta.
    fn open(&mut self, channel: Channel) -> Vec<u8> {
        let mut frames = self.close();
        self.open = Some(channel);
        if channel == Channel::Tool {
            let start = format!(
                r#"{},"start":{{"toolUse":{{{}}}}}"#,
                self.place(),
                tool_use(&self.facts)
            );
            frames.extend(self.event("contentBlockStart", &start));
        }
        frames
    }

    fn close(&mut self) -> Vec<u8> {
        let Some(open) = self.open.take() else {
            return Vec::new();
        };
        let mut frames = Vec::new();
        if open == Channel::Reasoning {
            frames = self.block_delta(r#"{"reasoningContent":{"signature":"EqQBCgIYAhIkc2ltdWxhdGVk"}}"#);
        }
        frames.extend(self.event("contentBlockStop", &self.place()));
        self.index += 1;
        frames
    }
}

impl Encoder for Stream {
    fn framing(&self) -> Framing {
        Framing::Binary
    }

    fn head(&mut self) -> Vec<u8> {
        self.event("messageStart", r#""role":"assistant""#)
    }

    fn delta(&mut self, channel: Channel, text: &str, tokens: u64) -> Vec<u8> {
        self.tokens = tokens;
        let opened = if self.open == Some(channel) {
            Vec::new()
        } else {
            self.open(channel)
        };
        let text = quoted(text);
        let delta = match channel {
            Channel::Reasoning => format!(r#"{{"reasoningContent":{{"text":{text}}}}}"#),
            Channel::Tool => format!(r#"{{"toolUse":{{"input":{text}}}}}"#),
            Channel::Text | Channel::Refusal => format!(r#"{{"text":{text}}}"#),
        };
        [opened, self.block_delta(&delta)].concat()
    }

    fn stop(&mut self, finish: Finish, tokens: u64) -> Vec<u8> {
        (self.finish, self.tokens) = (finish, tokens);
        self.close()
    }

    fn terminal(&mut self) -> Vec<u8> {
        let reason = format!(r#""stopReason":"{}""#, stop_reason(self.finish));
        let stop = self.event("messageStop", &reason);
        [stop, self.event("metadata", &usage(&self.facts, self.tokens))].concat()
    }

    fn error(&mut self) -> Vec<u8> {
        let headers = [
            (":exception-type", "modelStreamErrorException"),
            (":content-type", "application/json"),
            (":message-type", "exception"),
        ];
        let payload = br#"{"message":"The system encountered an unexpected error during processing. Try your request again.","originalStatusCode":500,"originalMessage":"upstream"}"#;
        frame::write(&headers, payload)
    }
}

pub(super) fn whole(facts: &Facts, said: &Whole, finish: Finish, tokens: u64) -> String {
    let mut content = Vec::new();
    if !said.reasoning.is_empty() {
        content.push(format!(
            r#"{{"reasoningContent":{{"reasoningText":{{"text":{},"signature":"EqQBCgIYAhIkc2ltdWxhdGVk"}}}}}}"#,
            quoted(&said.reasoning)
        ));
    }
    if !said.text.is_empty() {
        content.push(format!(r#"{{"text":{}}}"#, quoted(&said.text)));
    }
    if let Some(arguments) = &said.arguments {
        content.push(format!(
            r#"{{"toolUse":{{{},"input":{}}}}}"#,
            tool_use(facts),
            closed_object(arguments)
        ));
    }
    format!(
        r#"{{"output":{{"message":{{"role":"assistant","content":[{}]}}}},"stopReason":"{}",{}}}"#,
        content.join(","),
        stop_reason(finish),
        usage(facts, tokens)
    )
}

pub(super) fn models(models: &[&str]) -> String {
    let data = list(models, |id| {
        format!(
            r#"{{"modelArn":"arn:aws:bedrock:us-east-1::foundation-model/{id}","modelId":"{id}","modelName":"{id}","providerName":"Simulated","inputModalities":["TEXT"],"outputModalities":["TEXT"],"responseStreamingSupported":true,"customizationsSupported":[],"inferenceTypesSupported":["ON_DEMAND"],"modelLifecycle":{{"status":"ACTIVE"}}}}"#
        )
    });
    format!(r#"{{"modelSummaries":[{data}]}}"#)
}
