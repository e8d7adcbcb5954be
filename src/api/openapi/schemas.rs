//! Schemas of texts that parameters hold, and of problems. Sets of words come from where they are decided.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;
use utoipa::{
    IntoResponses, PartialSchema, ToSchema,
    openapi::{
        Content, Ref, RefOr, Response,
        schema::{ObjectBuilder, Schema, SchemaType, Type},
    },
};

use crate::{
    api::{METRICS, PROBLEM_JSON, VERDICTS, past::WORST},
    gate::Expect,
    health::{ChangeKind, ReasonCode, State},
    protocol::Wire,
    verdict::Source,
};

/// A text with a pattern and an example, or one of some words.
fn text(description: &str, pattern: Option<&str>, words: Option<&[&str]>, example: &str) -> RefOr<Schema> {
    let schema = ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .description(Some(description))
        .pattern(pattern)
        .enum_values(words.map(<[&str]>::to_vec))
        .examples([Value::from(example)]);
    RefOr::T(Schema::Object(schema.build()))
}

macro_rules! texts {
    ($($name:ident, $description:literal, $pattern:expr, $words:expr, $example:literal;)+) => {$(
        #[doc = $description]
        #[derive(Debug)]
        pub(in crate::api) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                text($description, $pattern, $words, $example)
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )+};
}

texts! {
    Target, "A target id: provider/model.",
        Some("^[A-Za-z0-9._-]{1,64}/[A-Za-z0-9._:/@!+-]{1,192}$"), None, "anthropic/claude-haiku-4-5";
    Provider, "A provider's id.", Some("^[A-Za-z0-9._-]{1,64}$"), None, "anthropic";
    ChannelName, "A channel's name.", Some("^[A-Za-z0-9._-]{1,64}$"), None, "oncall";
    RouteName, "A route's name.", Some("^[A-Za-z0-9._-]{1,64}$"), None, "coding";
    Patterns, "Patterns of target ids, up to 64, with commas between: `*` stands for any characters, `?` for one.",
        Some("^ *[A-Za-z0-9._:/@!+*?-]{1,258} *(, *[A-Za-z0-9._:/@!+*?-]{1,258} *){0,63}$"), None,
        "anthropic/*,openai/gpt-5.2";
    Cursor, "Opaque: `next_cursor` of a page.", Some("^[0-9]{1,18}$"), None, "54203718400";
    Word, "One word of ours.", Some("^[a-z0-9_]{1,64}$"), None, "overloaded";
    IncidentId, "An incident's id.", Some("^[0-9A-Za-z-]{1,64}$"), None, "0197a2b0-0000-7000-8000-000000000001";
    DeclarationId, "A declaration's id.", Some("^[0-9A-Za-z._-]{1,96}$"), None, "3fa9c1d2";
    Span, "A length of time: seconds, or with a unit.", Some("^[0-9]{1,5}(s|m)?$"), None, "30s";
    Step, "A length of time of a minute or more.", Some("^[1-9][0-9]{0,2}(m|h|d)$"), None, "1h";
    MonthName, "A calendar month in UTC.", Some("^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])$"), None, "2026-06";
    Sources, "Some of reach, canary, long, report, tap, with commas between.",
        Some("^(reach|canary|long|report|tap)(,(reach|canary|long|report|tap)){0,4}$"), None, "canary,report";
    SourceName, "Who saw it.", None, Some(&Source::ALL.map(Source::as_str)), "canary";
    Verdict, "A family of verdicts.", None, Some(&VERDICTS), "truncated";
    Metrics, "What a series shows.", None, Some(&METRICS), "truncation_rate";
    ChangeKinds, "What changed.", None, Some(&ChangeKind::ALL.map(ChangeKind::as_str)), "model_changed";
    Worst, "A state that an incident can have.", None, Some(&WORST.map(State::as_str)), "partial";
    Reasons, "A reason.", None, Some(&ReasonCode::ALL.map(ReasonCode::as_str)), "truncated";
    Expects, "What a text has to be.", None, Some(&Expect::ALL.map(Expect::as_str)), "json";
    Protocols, "A protocol or a dialect.", None, Some(&Wire::names().collect::<Vec<_>>()), "anthropic";
    Flag, "Yes or no.", None, Some(&["0", "1"]), "1";
}

/// Everything that is not an answer (RFC 9457).
#[derive(Debug, ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "it describes what `problem` writes")]
pub(in crate::api) struct ProblemDocument {
    /// `urn:endturn:problem:` and a word.
    #[schema(examples("urn:endturn:problem:bad-query"))]
    r#type: String,
    /// The status in words.
    title: String,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong.
    #[schema(examples("limit is 501, allowed are 1 to 500"))]
    detail: String,
    /// The path that was asked for.
    instance: String,
    /// Everything that is wrong with a configuration, where the order was to read one.
    #[schema(value_type = Option<Object>)]
    findings: Option<Value>,
}

/// A response that is a problem.
pub(in crate::api) fn problem(description: &str) -> Response {
    let body = Content::new(Some(RefOr::Ref::<Schema>(Ref::from_schema_name("Problem"))));
    let mut response = Response::new(description);
    response.content.insert(PROBLEM_JSON.to_owned(), body.into());
    response
}

/// Responses that some operations share, by status.
type Responses = BTreeMap<String, RefOr<Response>>;

macro_rules! problems {
    ($($name:ident: $($status:literal $description:literal),+;)+) => {$(
        #[doc = "Problems that some operations may answer with."]
        pub(in crate::api) struct $name;

        impl IntoResponses for $name {
            fn responses() -> Responses {
                [$(($status.to_owned(), RefOr::T(problem($description)))),+].into()
            }
        }
    )+};
}

problems! {
    NotFound: "404" "Nothing is there";
    Forbidden: "401" "A token is asked for, and there is none that is known", "403" "The token is not for this";
    OrderProblems: "409" "It can't be done beside what is under way, or what is spent",
        "422" "It is understood, and makes no sense: the detail says why";
    Unauthorized: "401" "A token is asked for, and there is none that is known";
    Unavailable: "503" "Not now; asking again later may help";
    BodyProblems: "408" "The body did not come in time", "415" "A kind of body that is not read here";
}
