use super::*;

#[test]
fn what_holds_content_has_no_name() {
    for key in [
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.prompt.0.content",
        "gen_ai.completion.0.content",
        "gen_ai.tool.call.arguments",
        "input.value",
        "output.value",
        "llm.input_messages.0.message.content",
        "llm.prompts",
        "llm.invocation_parameters",
        "ai.prompt",
        "ai.prompt.messages",
        "ai.response.text",
        "ai.response.object",
        "exception.message",
        "exception.stacktrace",
        "user.id",
        "",
    ] {
        assert_eq!(Name::of(key.as_bytes()), None, "{key}");
    }
    assert_eq!(Name::of(b"gen_ai.\xff"), None);
}

#[test]
fn a_value_of_an_odd_type_says_nothing() {
    let mut facts = Facts::default();
    for (key, value) in [
        ("gen_ai.provider.name", Value::Int(3)),
        ("gen_ai.request.model", Value::Bool(true)),
        ("gen_ai.request.model", Value::Text("".into())),
        ("gen_ai.usage.input_tokens", Value::Int(-1)),
        ("gen_ai.usage.output_tokens", Value::Double(1.5)),
        ("gen_ai.usage.output_tokens", Value::Double(f64::NAN)),
        ("gen_ai.response.time_to_first_chunk", Value::Double(-0.1)),
        ("gen_ai.response.time_to_first_chunk", Value::Text("soon".into())),
        ("gen_ai.request.stream", Value::Int(1)),
        ("gen_ai.response.finish_reasons", Value::Int(1)),
        ("gen_ai.response.finish_reasons", Value::Text("[".into())),
        ("http.response.status_code", Value::Int(99)),
        ("http.response.status_code", Value::Int(600)),
        ("user_agent.synthetic.type", Value::Text("bot".into())),
    ] {
        facts.tell(Name::of(key.as_bytes()).unwrap(), value);
    }
    assert_eq!(facts, Facts::default());
    // And numbers come as they are written.
    for value in [Value::Int(12), Value::Double(12.0), Value::Text(" 12 ".into())] {
        let mut facts = Facts::default();
        facts.tell(Name::Input(2), value);
        assert_eq!(facts.input.get(), Some(&12));
    }
}

#[test]
fn choices_are_bounded() {
    let mut facts = Facts::default();
    for n in 0..MAX_CHOICES + 5 {
        facts.tell(Name::Finish(3), Value::Text(n.to_string().into()));
    }
    assert_eq!(facts.finishes().len(), MAX_CHOICES);
}
