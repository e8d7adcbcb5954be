//! Where a preset's provider is reached: URL templates, their variables and variants.

use std::collections::BTreeMap;

use serde::Deserialize;
use url::Url;

use super::Env;

/// Longest value of a variable in bytes.
pub const MAX_VAR_BYTES: usize = 128;
/// The placeholder that stays in a base URL until a request names its model.
pub(super) const MODEL: &str = "model";
/// The same as the URL parser leaves it in a path.
pub(super) const MODEL_IN_PATH: &str = "%7Bmodel%7D";
/// A condition that any value fulfils.
const ANY: &str = "*";

/// A variable of a preset's URLs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Var {
    /// Environment variables that commonly hold it, the strongest first.
    #[serde(default)]
    pub env: Vec<String>,
    /// What it is unless somebody says.
    pub default: Option<String>,
    /// What it is, for people.
    pub help: String,
}

/// A URL that holds under a condition.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Variables and the value that each must have; `*` is any value.
    pub when: BTreeMap<String, String>,
    /// The base URL then.
    pub base_url: String,
}

/// Where a preset's provider is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// Template of the base URL; `None` where every installation has its own.
    pub base_url: Option<String>,
    /// What holds instead under conditions; the first that fits.
    pub variants: Vec<Variant>,
    /// The variables of all of them.
    pub vars: BTreeMap<String, Var>,
}

impl Address {
    /// The template that holds for these values.
    pub(super) fn template(&self, values: &BTreeMap<String, String>) -> Option<&str> {
        let fits = |variant: &&Variant| {
            let met = |(name, wanted): (&String, &String)| {
                values
                    .get(name)
                    .is_some_and(|value| wanted == ANY || value == wanted)
            };
            variant.when.iter().all(met)
        };
        let variant = self.variants.iter().find(fits);
        variant
            .map(|variant| variant.base_url.as_str())
            .or(self.base_url.as_deref())
    }

    /// Whether the environment or the preset holds every variable.
    pub(super) fn is_known(&self, env: &Env) -> bool {
        self.base_url.is_some() && self.unknown(env).is_none()
    }

    /// The first variable that neither the environment nor the preset holds.
    pub(super) fn unknown(&self, env: &Env) -> Option<(&str, &Var)> {
        let holds = |var: &Var| var.default.is_some() || var.env.iter().any(|name| env.var(name).is_some());
        let needed = self.base_url.as_deref().into_iter().flat_map(names);
        needed
            .filter_map(|name| Some((name, self.vars.get(name)?)))
            .find(|(_, var)| !holds(var))
    }

    /// Whether it is one address for everybody.
    pub(super) fn is_fixed(&self) -> bool {
        self.base_url
            .as_deref()
            .is_some_and(|template| names(template).all(|name| name == MODEL))
    }

    /// What is wrong with it: `templates` are all URLs of the preset.
    pub(super) fn check<'a>(&'a self, further: impl Iterator<Item = &'a str>) -> Result<(), String> {
        let variants = self.variants.iter().map(|variant| variant.base_url.as_str());
        for template in self
            .base_url
            .as_deref()
            .into_iter()
            .chain(variants)
            .chain(further)
        {
            if let Some(name) = names(template).find(|name| *name != MODEL && !self.vars.contains_key(*name))
            {
                return Err(format!(
                    "{template:?} holds {{{name}}}, but there is no [vars.{name}]"
                ));
            }
            let filled = fill(template, |_| Some("x".to_owned())).unwrap_or_default();
            Url::parse(&filled).map_err(|e| format!("{template:?} is not a URL: {e}"))?;
        }
        let conditions = self.variants.iter().flat_map(|variant| variant.when.keys());
        for name in conditions {
            if !self.vars.contains_key(name) {
                return Err(format!(
                    "a variant asks for {name}, but there is no [vars.{name}]"
                ));
            }
        }
        for (name, var) in &self.vars {
            if name == MODEL || !is_name(name) {
                return Err(format!("{name:?} is no name of a variable"));
            }
            if let Some(value) = var.default.as_deref().filter(|value| !is_value(value)) {
                return Err(format!("default {value:?} of {name} is no value of a variable"));
            }
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

/// What may stand in a host, a path segment or a query without changing which of them it stands in.
pub(super) fn is_value(value: &str) -> bool {
    (1..=MAX_VAR_BYTES).contains(&value.len())
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && !value.starts_with('.')
}

/// The names in braces.
pub(super) fn names(template: &str) -> impl Iterator<Item = &str> {
    template
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

/// The template with every name replaced, `{model}` left alone; `Err` is the first name without a value.
pub(super) fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, &str> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            continue;
        };
        if name == MODEL {
            out.push_str("{model}");
        } else {
            out.push_str(&value(name).ok_or(name)?);
        }
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

/// The URL up to the path segments `cut`, if its path holds them; a query stays.
pub(super) fn cut_before(url: &Url, cut: &str) -> Option<Url> {
    let path = url.path();
    let at = path
        .match_indices(cut)
        .map(|(at, _)| at)
        .find(|at| matches!(path.as_bytes().get(at + cut.len()), None | Some(b'/')))?;
    let mut url = url.clone();
    let kept = path[..at].to_owned();
    url.set_path(&kept);
    Some(url)
}

/// The URL without the path from the model's placeholder on; itself where there is none.
pub(super) fn without_model(url: &Url) -> Url {
    let mut url = url.clone();
    if let Some(at) = url.path().find(MODEL_IN_PATH) {
        let kept = url.path()[..at].trim_end_matches('/').to_owned();
        url.set_path(&kept);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled() {
        let value = |name: &str| (name == "a").then(|| "1".to_owned());
        for (template, filled) in [
            ("https://h/{a}/{model}?x={a}", Ok("https://h/1/{model}?x=1")),
            ("https://h/{b}", Err("b")),
            ("https://h/{", Ok("https://h/{")),
            ("", Ok("")),
        ] {
            assert_eq!(fill(template, value), filled.map(str::to_owned));
        }
    }

    #[test]
    fn paths_are_cut_at_whole_segments() {
        let cut = |url: &str, cut: &str| cut_before(&url.parse().unwrap(), cut).map(|url| url.to_string());
        assert_eq!(cut("http://h/v1", "/v1").as_deref(), Some("http://h/"));
        assert_eq!(
            cut("http://h/p/openai/v1?a=b", "/openai").as_deref(),
            Some("http://h/p?a=b")
        );
        assert_eq!(cut("http://h/v1beta", "/v1"), None);
        assert_eq!(cut("http://h/", "/v1"), None);
        let url: Url = "http://h/a/{model}/b?q=1".parse().unwrap();
        assert_eq!(without_model(&url).as_str(), "http://h/a?q=1");
    }

    #[test]
    fn values_stay_where_they_are_put() {
        for value in ["us-east-1", "my_res", "2024-10-21", "a.b"] {
            assert!(is_value(value), "{value}");
        }
        for value in ["", "a/b", "a@b", "a:b", "..", "a?b", "a#b", "a b", "é", "a%2fb"] {
            assert!(!is_value(value), "{value}");
        }
        assert!(is_value(&"x".repeat(MAX_VAR_BYTES)) && !is_value(&"x".repeat(MAX_VAR_BYTES + 1)));
    }
}
