//! What is answered: the shipped canaries in every protocol, tool calls and reasoning included.

use endturn::protocol::{Channel, Protocol, StreamEvent, request::ToolSpec};
use serde_json::Value;

use super::{
    client::{Exchange, PROMPT, Running},
    verdicts::timeline,
    ways::{WAYS, Way},
};

/// What of the tool's canary matters here.
struct Canary {
    prompt: String,
    tool: ToolSpec,
    arguments: Value,
}

fn canary() -> Canary {
    let file: toml::Table = toml::from_str(include_str!("../../../probes/canaries/tool.toml")).unwrap();
    let text = |value: &toml::Value| value.as_str().unwrap().replace("SENTINEL_WORD", "walnut");
    let tool = &file["tool"];
    Canary {
        prompt: text(&file["prompt"]),
        tool: ToolSpec {
            name: text(&tool["name"]),
            description: text(&tool["description"]),
            parameters: serde_json::from_str(&text(&tool["parameters"])).unwrap(),
        },
        arguments: serde_json::from_str(&text(&tool["arguments"])).unwrap(),
    }
}

/// Names of the tools called, their arguments, the visible text and the reasoning.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    called: Vec<String>,
    arguments: String,
    text: String,
    reasoning: String,
}

fn said(protocol: Protocol, exchange: &Exchange) -> Said {
    let mut said = Said::default();
    for event in timeline(protocol, exchange).events {
        match event {
            StreamEvent::ToolCall { name } => said.called.push(name),
            StreamEvent::Delta { channel, text } => match channel {
                Channel::Tool => said.arguments += &text,
                Channel::Reasoning => said.reasoning += &text,
                Channel::Text | Channel::Refusal => said.text += &text,
            },
            _ => {}
        }
    }
    said
}

#[tokio::test]
async fn tools_are_called_in_every_protocol() {
    let sim = Running::instant(1).await;
    let canary = canary();
    for way in &WAYS {
        let name = way.name();
        for stream in [true, false] {
            let raw = way.ask("m", &canary.prompt, Some(&canary.tool), stream, 512);
            let exchange = sim.send(&raw).await;
            assert_eq!(exchange.status, 200, "{name}: {}", exchange.text());
            let said = said(way.protocol, &exchange);
            assert_eq!(
                said.called,
                [canary.tool.name.as_str()],
                "{name}: {}",
                exchange.text()
            );
            let got: Value = serde_json::from_str(&said.arguments).unwrap();
            assert_eq!(got, canary.arguments, "{name} {stream}");
        }
    }
    sim.stop().await;
}

/// Cut in the middle of a tool's arguments: they don't parse, or no call came where calls come in one piece.
#[tokio::test]
async fn a_cut_goes_through_a_tools_arguments() {
    let sim = Running::instant(1).await;
    let canary = canary();
    for way in &WAYS {
        let in_one_piece = matches!(way.protocol, Protocol::Gemini | Protocol::Ollama);
        for how in ["no_terminal", "mid_event", "fin", "silent"] {
            let case = format!("{} {how}", way.name());
            let model = format!("m!truncate.{how}");
            let raw = way.ask(&model, &canary.prompt, Some(&canary.tool), true, 512);
            let said = said(way.protocol, &sim.send(&raw).await);
            let parsed = serde_json::from_str::<Value>(&said.arguments);
            assert_ne!(parsed.ok().as_ref(), Some(&canary.arguments), "{case}");
            let called = !in_one_piece || how == "silent";
            assert_eq!(said.called.len(), usize::from(called), "{case}: {said:?}");
            assert_eq!(said.arguments.is_empty(), !called, "{case}: {said:?}");
            assert_eq!(said.text, "", "{case}");
        }
    }
    sim.stop().await;
}

#[tokio::test]
async fn a_tool_that_is_not_offered_is_not_called() {
    let sim = Running::instant(1).await;
    let canary = canary();
    for protocol in Protocol::ALL {
        let raw = Way::of(protocol).ask("m", &canary.prompt, None, true, 512);
        let said = said(protocol, &sim.send(&raw).await);
        assert!(said.called.is_empty() && said.arguments.is_empty(), "{protocol}");
        assert!(!said.text.is_empty(), "{protocol}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn json_and_long_are_answered() {
    let sim = Running::instant(1).await;
    let file = |text: &str| toml::from_str::<toml::Table>(text).unwrap();
    let json = file(include_str!("../../../probes/canaries/json.toml"));
    let long = file(include_str!("../../../probes/canaries/long.toml"));
    let filled = |value: &toml::Value| value.as_str().unwrap().replace("SENTINEL_WORD", "walnut");
    for protocol in Protocol::ALL {
        let raw = Way::of(protocol).ask("m", &filled(&json["prompt"]), None, true, 512);
        let text = said(protocol, &sim.send(&raw).await).text;
        let wanted: Value = serde_json::from_str(&filled(&json["json"])).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            wanted,
            "{protocol}"
        );

        let raw = Way::of(protocol).ask("m", &filled(&long["prompt"]), None, true, 2048);
        let text = said(protocol, &sim.send(&raw).await).text;
        assert!(text.starts_with("1 one 2 two 3 three "), "{protocol}: {text}");
        assert!(text.ends_with(" 100 one-hundred walnut"), "{protocol}: {text}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn reasoning_comes_first_and_is_counted() {
    let sim = Running::instant(1).await;
    for way in &WAYS {
        let name = way.name();
        let exchange = sim.send(&way.ask("m-reasoner", PROMPT, None, true, 512)).await;
        let said = said(way.protocol, &exchange);
        assert!(said.reasoning.starts_with("The user wants"), "{name}: {said:?}");
        assert!(
            said.text.starts_with("one two") && said.text.ends_with("twenty kestrel"),
            "{name}"
        );
        assert!(!said.text.contains("user"), "{name}");
        let entry = sim.logged(|entry| entry.end.is_some()).await;
        assert_eq!(entry.tokens, 37, "{name}");
        let whole = sim.send(&way.ask("m-reasoner", PROMPT, None, false, 512)).await;
        let text = whole.text();
        assert!(
            text.contains("The user wants") && text.contains("twenty kestrel"),
            "{name}"
        );
    }
    sim.stop().await;
}
