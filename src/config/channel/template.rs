//! Templates of webhook bodies: Jinja, checked when they are read by filling in a sample.

use std::{fmt, io, sync::Arc};

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;

/// Longest template in bytes.
pub const MAX_TEMPLATE_BYTES: usize = 64 << 10;
/// Longest body that a template may make, in bytes.
pub const MAX_TEMPLATED_BYTES: usize = 256 << 10;
/// Instructions that one rendering may take: some thousand times what a body needs, and a fraction of a second.
const FUEL: u64 = 5_000_000;
/// A message as templates see it.
pub const SAMPLE: &str = include_str!("sample.json");
/// Name of the one template of each environment.
const NAME: &str = "template";

/// A template that has made a body of the sample.
#[derive(Clone)]
pub struct Template {
    source: String,
    environment: Arc<Environment<'static>>,
    json: bool,
}

/// Why there is no body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The template is longer than [`MAX_TEMPLATE_BYTES`].
    #[error("a template has at most {MAX_TEMPLATE_BYTES} bytes")]
    TooLong,
    /// It can't be read, or names what isn't there.
    #[error("line {line}: {detail}")]
    Wrong {
        /// Line of the template, from 1.
        line: usize,
        /// What.
        detail: String,
    },
    /// It makes more than [`MAX_TEMPLATED_BYTES`].
    #[error("it makes a body of more than {MAX_TEMPLATED_BYTES} bytes")]
    TooMuch,
    /// What it makes is no JSON, though it is sent as such.
    #[error("what it makes of a sample is no JSON: {0}")]
    NotJson(String),
}

impl Template {
    /// A template of JSON, or of plain text. In JSON each value is escaped, and comes with its quotes: write
    /// `{"text": {{ title }}}`.
    ///
    /// # Errors
    /// It can't be read, or makes nothing good of the sample.
    pub fn new(source: &str, json: bool) -> Result<Self, TemplateError> {
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(TemplateError::TooLong);
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(move |_| if json { AutoEscape::Json } else { AutoEscape::None });
        environment.set_fuel(Some(FUEL));
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| wrong(&error))?;
        let template = Self {
            source: source.to_owned(),
            environment: Arc::new(environment),
            json,
        };
        let sample: Value =
            serde_json::from_str(SAMPLE).map_err(|error| TemplateError::NotJson(error.to_string()))?;
        template.render(&sample)?;
        Ok(template)
    }

    /// The body for a message, given as JSON.
    ///
    /// # Errors
    /// It names what this message doesn't have, or makes too much.
    pub fn render(&self, message: &Value) -> Result<String, TemplateError> {
        let mut body = Bounded(Vec::new());
        let template = self
            .environment
            .get_template(NAME)
            .map_err(|error| wrong(&error))?;
        if let Err(error) = template.render_captured_to(minijinja::value::Serde(message), &mut body) {
            return Err(if body.0.len() >= MAX_TEMPLATED_BYTES {
                TemplateError::TooMuch
            } else {
                wrong(&error)
            });
        }
        let body = String::from_utf8(body.0).map_err(|error| TemplateError::NotJson(error.to_string()))?;
        if self.json {
            serde_json::from_str::<serde::de::IgnoredAny>(&body)
                .map_err(|error| TemplateError::NotJson(error.to_string()))?;
        }
        Ok(body)
    }
}

/// Takes no more than a body may have.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = MAX_TEMPLATED_BYTES - self.0.len();
        let taken = bytes.len().min(room);
        self.0.extend_from_slice(&bytes[..taken]);
        if taken < bytes.len() {
            return Err(io::Error::other("too much"));
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wrong(error: &minijinja::Error) -> TemplateError {
    TemplateError::Wrong {
        line: error.line().unwrap_or(1),
        detail: match error.detail() {
            Some(detail) => format!("{}: {detail}", error.kind()),
            None => error.kind().to_string(),
        },
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        (&self.source, self.json) == (&other.source, other.json)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.source).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Value {
        serde_json::from_str(SAMPLE).unwrap()
    }

    #[test]
    fn values_come_escaped_with_their_quotes() {
        let template = Template::new(
            r#"{"text": {{ title }}, "up": [{% for it in subjects %}{{ it.name }}{% if not loop.last %},{% endif %}{% endfor %}]}"#,
            true,
        )
        .unwrap();
        let mut message = sample();
        message["title"] = Value::from("a \"quoted\" \u{7} </script>");
        let body: Value = serde_json::from_str(&template.render(&message).unwrap()).unwrap();
        assert_eq!(body["text"], message["title"]);
        assert_eq!(body["up"][0], message["subjects"][0]["name"]);
        let plain = Template::new("{{ title }}: {{ kind|upper }}", false).unwrap();
        assert_eq!(
            plain.render(&message).unwrap(),
            "a \"quoted\" \u{7} </script>: FIRING"
        );
    }

    #[test]
    fn what_cannot_work_is_told_when_it_is_read() {
        for (source, json, expected) in [
            ("{{ titel }}", false, "line 1: undefined value"),
            ("\n{{ title", false, "line 2: syntax error"),
            ("{{ title|nosuch }}", false, "line 1: unknown filter"),
            (
                "{\"a\": \"{{ title }}\"}",
                true,
                "what it makes of a sample is no JSON",
            ),
            (
                "{% for i in range(9999) %}{% for j in range(9999) %}{{ j }}{% endfor %}{% endfor %}",
                false,
                "it makes a body of more than",
            ),
            (
                "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
                false,
                "line 1: engine ran out of fuel",
            ),
            ("{% include 'x' %}", false, "line 1:"),
        ] {
            let error = Template::new(source, json).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{source}: {error}");
        }
        let long = "x".repeat(MAX_TEMPLATE_BYTES);
        assert!(Template::new(&long, false).is_ok());
        assert_eq!(Template::new(&(long + "x"), false), Err(TemplateError::TooLong));
    }
}
