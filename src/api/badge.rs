//! `/badge/{target}.svg` and `.json`: one target's state for a README. What is not known is grey, never green.

use std::fmt::Write;

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, Uri},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{ApiState, openapi::schemas, problem::Problem, query, up};
use crate::{health::State as HealthState, id::TargetId};

/// Longest label that may be asked for, in characters.
pub const MAX_LABEL: usize = 64;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// What stands on the left: the target id unless given.
    #[param(max_length = 64)]
    label: Option<String>,
}

/// The endpoint document that Shields reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Shield {
    /// 1.
    #[serde(rename = "schemaVersion")]
    schema_version: u8,
    /// What stands on the left.
    label: String,
    /// The state.
    message: &'static str,
    /// As `#` and six hexadecimal digits.
    color: &'static str,
    /// Whether nothing is known.
    #[serde(rename = "isError")]
    is_error: bool,
}

/// A badge's file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Svg,
    Json,
}

/// The router's own handler: the path ends in `.svg` or `.json`.
pub(super) async fn badge(
    State(api): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path(name) = path.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let (id, format) = match (name.strip_suffix(".svg"), name.strip_suffix(".json")) {
        (Some(id), _) => (id, Format::Svg),
        (None, Some(id)) => (id, Format::Json),
        (None, None) => return Err(Problem::not_found("a badge ends in .svg or .json")),
    };
    let id: TargetId = id
        .parse()
        .map_err(|error: crate::id::IdError| Problem::bad_request(error.to_string()))?;
    let asked: Asked = query::query(&uri)?;
    if asked
        .label
        .as_ref()
        .is_some_and(|label| label.chars().count() > MAX_LABEL)
    {
        return Err(Problem::bad_query(format!(
            "label has more than {MAX_LABEL} characters"
        )));
    }
    let snapshot = api.hub.snapshot();
    let target = query::watched(&snapshot.health, &id)?;
    let state = if up::is_believed(&snapshot, api.clock.now()) {
        target.state
    } else {
        HealthState::Unknown
    };
    let shield = Shield::new(asked.label.as_deref().unwrap_or(&id.to_string()), state);
    let (media, body) = match format {
        Format::Svg => ("image/svg+xml; charset=utf-8", shield.svg().into_bytes()),
        Format::Json => (
            "application/json",
            serde_json::to_vec(&shield).expect("a document of texts"),
        ),
    };
    let tag = query::tag(&body);
    Ok(query::tagged(&headers, &tag, media, || body.into()))
}

/// One target's state as a picture.
#[utoipa::path(get, path = "/badge/{target}.svg", tag = "elsewhere",
    params(("target" = schemas::Target, Path, description = "provider/model"), Asked), responses(
    (status = 200, description = "The badge; grey where nothing is known", body = String, content_type = "image/svg+xml"),
    (status = 304, description = "If-None-Match names this badge"),
    schemas::NotFound,
))]
#[expect(dead_code, reason = "describes one of the two things that `badge` answers")]
pub(super) fn svg() {}

/// The same for the Shields endpoint.
#[utoipa::path(get, path = "/badge/{target}.json", tag = "elsewhere",
    params(("target" = schemas::Target, Path, description = "provider/model"), Asked), responses(
    (status = 200, description = "The badge", body = Shield),
    (status = 304, description = "If-None-Match names this badge"),
    schemas::NotFound,
))]
#[expect(dead_code, reason = "describes one of the two things that `badge` answers")]
pub(super) fn shield() {}

/// Dark enough for white text at 4.5 to 1.
const fn color(state: HealthState) -> &'static str {
    match state {
        HealthState::Operational => "#1a7f37",
        HealthState::Degraded => "#8a6100",
        HealthState::Partial => "#b3470b",
        HealthState::Down => "#c21c2c",
        HealthState::Maintenance => "#0a5fc4",
        HealthState::Unknown => "#57606a",
    }
}

impl Shield {
    fn new(label: &str, state: HealthState) -> Self {
        Self {
            schema_version: 1,
            label: label
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect(),
            message: state.as_str(),
            color: color(state),
            is_error: state == HealthState::Unknown,
        }
    }

    /// The picture. The text is fitted to the width that was reckoned for it, whatever font the reader has.
    fn svg(&self) -> String {
        let label = escaped(&self.label);
        let (left, right) = (width(&self.label), width(self.message));
        let (a, b) = (left + 10, right + 10);
        let total = a + b;
        let mut svg = String::with_capacity(1024);
        let (message, color) = (self.message, self.color);
        let _ = writeln!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{total}\" height=\"20\" role=\"img\" \
             aria-label=\"{label}: {message}\"><title>{label}: {message}</title>\
             <clipPath id=\"r\"><rect width=\"{total}\" height=\"20\" rx=\"3\"/></clipPath>\
             <g clip-path=\"url(#r)\"><rect width=\"{a}\" height=\"20\" fill=\"#333b45\"/>\
             <rect x=\"{a}\" width=\"{b}\" height=\"20\" fill=\"{color}\"/></g>\
             <g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\">\
             <text x=\"5\" y=\"14\" textLength=\"{left}\" lengthAdjust=\"spacingAndGlyphs\">{label}</text>\
             <text x=\"{}\" y=\"14\" textLength=\"{right}\" lengthAdjust=\"spacingAndGlyphs\">{message}</text></g></svg>",
            a + 5
        );
        svg
    }
}

/// About how wide Verdana sets a text at 11 px, in pixels; at least 1.
fn width(text: &str) -> u32 {
    let tenths: u32 = text
        .chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | 'I' | '\'' | '|' => 32,
            ' ' | '.' | ',' | ':' | ';' | '!' | 'f' | 't' | 'r' | '/' | '-' => 43,
            'm' | 'w' | 'M' | 'W' | '@' | '%' => 104,
            'A'..='Z' => 77,
            c if c.is_ascii() => 67,
            // Other scripts are wider.
            _ => 115,
        })
        .sum();
    tenths.div_ceil(10).max(1)
}

/// For text and attributes of XML.
fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_and_well_is_green() {
        let green = color(HealthState::Operational);
        for state in HealthState::ALL {
            let shield = Shield::new("a/m", state);
            assert_eq!(
                shield.color == green,
                state == HealthState::Operational,
                "{state}"
            );
            assert_eq!(shield.is_error, state == HealthState::Unknown, "{state}");
        }
    }

    #[test]
    fn white_text_can_be_read_on_every_colour() {
        let light = |hex: &str| {
            let channel = |at: usize| {
                let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
                if value <= 0.040_45 {
                    value / 12.92
                } else {
                    ((value + 0.055) / 1.055).powf(2.4)
                }
            };
            0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
        };
        for state in HealthState::ALL {
            let contrast = 1.05 / (light(color(state)) + 0.05);
            assert!(contrast >= 4.5, "{state}: {contrast:.2}");
        }
    }

    #[test]
    fn a_label_makes_no_mark_up() {
        let shield = Shield::new("<script>\"&\n", HealthState::Down);
        let svg = shield.svg();
        assert!(
            !svg.contains("<script") && svg.contains("&lt;script&gt;&quot;&amp; "),
            "{svg}"
        );
        let mut reader = quick_xml::Reader::from_str(&svg);
        while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
    }

    #[test]
    fn widths_are_sane() {
        for (text, low, high) in [
            ("down", 25, 35),
            ("operational", 60, 75),
            ("", 1, 1),
            ("日本", 20, 26),
        ] {
            assert!((low..=high).contains(&width(text)), "{text}: {}", width(text));
        }
    }
}
