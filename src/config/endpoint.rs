//! Where a provider is reached, and the headers that go there.

use std::{collections::BTreeMap, net::IpAddr};

use toml::Spanned;
use url::{Host, Url};

use super::{
    address::{MODEL_IN_PATH, cut_before, fill, is_value, without_model},
    error::Diagnostic,
    parse::nearest,
    preset::Preset,
    resolve::Resolver,
};

/// Most headers of one provider.
pub const MAX_HEADERS: usize = 32;
/// Longest header value in bytes.
pub const MAX_HEADER_BYTES: usize = 1_024;

/// What may stand in the query of a base URL: nothing that could be a credential.
const HARMLESS_QUERY: [&str; 1] = ["api-version"];
/// What a variable may be.
const VALUE_HELP: &str = "1 to 128 letters, digits, `-`, `_` and `.`, as in \"us-east-1\"";

/// Headers that carry credentials: those belong into `api_key`, where they are redacted.
const CREDENTIAL_HEADERS: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "x-goog-api-key",
    "api-key",
    "cookie",
];
/// Headers that the HTTP client owns.
const OWNED_HEADERS: [&str; 5] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "content-type",
];

/// Where an entry sends its requests.
pub(super) struct Place {
    /// Base URL of generation requests.
    pub(super) base: Url,
    /// Base URL of the reach request, where it is another one.
    pub(super) reach: Option<Url>,
    /// Whether the file sends them elsewhere than the preset.
    pub(super) own: bool,
}

impl Resolver<'_> {
    /// The values of the preset's variables: the file's, else the environment's, else the preset's own. `None` where one
    /// of them is wrong; the report then says which.
    pub(super) fn vars(
        &mut self,
        file: Option<&BTreeMap<Spanned<String>, Spanned<String>>>,
        preset: &Preset,
    ) -> Option<BTreeMap<String, String>> {
        let known = &preset.address.vars;
        let mut values = BTreeMap::new();
        let mut sound = true;
        let named = |name: &String| file.is_some_and(|file| file.keys().any(|key| key.get_ref() == name));
        for (name, var) in known.iter().filter(|(name, _)| !named(name)) {
            let set = var
                .env
                .iter()
                .find_map(|env| Some((env, self.env.var(env)?.trim())));
            match set {
                Some((_, value)) if is_value(value) => drop(values.insert(name.clone(), value.to_owned())),
                Some((env, _)) => {
                    let message = format!("the environment variable {env} is no {name}");
                    sound = false;
                    self.report.push(Diagnostic::error(message).help(VALUE_HELP));
                }
                None => values.extend(var.default.clone().map(|value| (name.clone(), value))),
            }
        }
        for (name, value) in file.into_iter().flatten() {
            if !known.contains_key(name.get_ref()) {
                sound = false;
                let help = match nearest(name.get_ref(), known.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean {near}?"),
                    None if known.is_empty() => "take it out; the preset's URL has none".to_owned(),
                    None => format!("it has {}", known.keys().cloned().collect::<Vec<_>>().join(", ")),
                };
                let message = format!("preset {} has no variable {:?}", preset.name, name.get_ref());
                self.error(name, message, help);
            } else if is_value(value.get_ref()) {
                values.insert(name.get_ref().clone(), value.get_ref().clone());
            } else {
                sound = false;
                self.error(
                    value,
                    format!("this is no value of {}", name.get_ref()),
                    VALUE_HELP,
                );
            }
        }
        sound.then_some(values)
    }

    /// The file's URL, else the preset's.
    pub(super) fn base_url(
        &mut self,
        text: Option<&Spanned<String>>,
        preset: &Preset,
        vars: &BTreeMap<String, String>,
        here: &Spanned<()>,
    ) -> Option<Place> {
        let value = |name: &str| vars.get(name).cloned();
        let parsed = |template: &str| Some(trimmed(&Url::parse(&fill(template, value).ok()?).ok()?));
        let template = preset.address.template(vars);
        let standard = template.and_then(parsed);
        let base = match text {
            Some(text) => self.own_url(text, preset, vars)?,
            None => match (&standard, template) {
                (Some(url), _) => url.clone(),
                (None, Some(template)) => {
                    if let Err(name) = fill(template, value) {
                        self.missing(name, preset, here);
                    }
                    return None;
                }
                (None, None) => {
                    let help = "add base_url, with its version path: base_url = \"http://127.0.0.1:8000/v1\"";
                    self.error(here, format!("preset {} needs a base_url", preset.name), help);
                    return None;
                }
            },
        };
        let own = standard.is_none_or(|standard| standard != base);
        let elsewhere = preset.reach.base_url.as_deref().filter(|_| !own).and_then(parsed);
        Some(Place {
            reach: elsewhere.or_else(|| beside(&base, preset)),
            base,
            own,
        })
    }

    fn missing(&mut self, name: &str, preset: &Preset, here: &Spanned<()>) {
        let Some(var) = preset.address.vars.get(name) else {
            return;
        };
        let env: Vec<String> = var.env.iter().map(|env| format!("${env}")).collect();
        let or = if env.is_empty() {
            String::new()
        } else {
            format!(", or set {}", env.join(" or "))
        };
        let help = format!("write vars = {{ {name} = \"..\" }}{or}: {}", var.help);
        self.error(
            here,
            format!("preset {} needs the variable {name}", preset.name),
            help,
        );
    }

    /// The URL that the file names, checked.
    fn own_url(
        &mut self,
        text: &Spanned<String>,
        preset: &Preset,
        vars: &BTreeMap<String, String>,
    ) -> Option<Url> {
        let help = "write it as in \"https://api.example.com/v1\"";
        let filled = match fill(text.get_ref(), |name| vars.get(name).cloned()) {
            Ok(filled) => filled,
            Err(name) => {
                let message = format!("base_url holds {{{name}}}, which has no value");
                let help = if preset.address.vars.contains_key(name) {
                    format!("write vars = {{ {name} = \"..\" }}")
                } else {
                    "only {model} and the preset's variables may stand in it".to_owned()
                };
                self.error(text, message, help);
                return None;
            }
        };
        let url = match Url::parse(&filled) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => {
                self.error(text, "base_url is not an http or https URL", help);
                return None;
            }
        };
        let harmless = url
            .query_pairs()
            .all(|(name, _)| HARMLESS_QUERY.contains(&name.as_ref()));
        if !url.username().is_empty() || url.password().is_some() || !harmless {
            let place = self.place(text);
            let finding = Diagnostic::error("base_url holds a credential or a query");
            self.report.push(
                finding
                    .at(place)
                    .hiding()
                    .help("put the credential into api_key; a URL ends up in logs"),
            );
            return None;
        }
        if url.fragment().is_some() {
            self.error(text, "base_url holds a fragment", help);
            return None;
        }
        if url.scheme() == "http" && !is_private(&url) {
            let place = self.place(text);
            let message = format!("base_url of {} is unencrypted http to a public host", preset.name);
            self.report.push(
                Diagnostic::warning(message)
                    .at(place)
                    .help("the credential travels in the clear; use https"),
            );
        }
        Some(trimmed(&url))
    }

    /// The preset's headers and the file's over them, names in lower case.
    pub(super) fn headers(
        &mut self,
        file: Option<BTreeMap<Spanned<String>, Spanned<String>>>,
        preset: &Preset,
    ) -> Vec<(String, String)> {
        let mut headers = preset.headers.clone();
        let file = file.unwrap_or_default();
        if let Some((extra, _)) = file.iter().nth(MAX_HEADERS) {
            self.error(
                extra,
                format!("more than {MAX_HEADERS} headers"),
                "probes need few",
            );
        }
        for (name, value) in file {
            let lower = name.get_ref().to_ascii_lowercase();
            let place = self.place(&name);
            let mut refuse = |message: &str, help: &str| {
                self.report
                    .push(Diagnostic::error(message).at(place.clone()).hiding().help(help));
            };
            if CREDENTIAL_HEADERS.contains(&lower.as_str()) {
                refuse(
                    "a header carries a credential",
                    "put it into api_key, where it is never shown",
                );
            } else if OWNED_HEADERS.contains(&lower.as_str()) {
                refuse("this header is set by the HTTP client", "take it out");
            } else if lower.parse::<http::HeaderName>().is_err()
                || http::HeaderValue::from_str(value.get_ref()).is_err()
                || value.get_ref().len() > MAX_HEADER_BYTES
            {
                refuse(
                    "this is no valid HTTP header",
                    "a name of letters, digits and `-`, one line of ASCII as value",
                );
            } else {
                headers.retain(|(known, _)| !known.eq_ignore_ascii_case(&lower));
                headers.push((lower, value.into_inner()));
            }
        }
        headers
    }
}

/// Where the reach request goes when the base URL is this one and not the same: cut where the preset says, and never
/// below a model.
fn beside(base: &Url, preset: &Preset) -> Option<Url> {
    let cut = preset.reach.cut.as_deref().and_then(|cut| cut_before(base, cut));
    cut.or_else(|| base.path().contains(MODEL_IN_PATH).then(|| without_model(base)))
}

/// Without trailing slash, as far as a URL can be.
pub(super) fn trimmed(url: &Url) -> Url {
    let mut url = url.clone();
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    url
}

/// Whether the host is this machine or on a private network, by its address or its name.
pub(super) fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            name == "localhost"
                || name.ends_with(".localhost")
                || name.ends_with(".internal")
                || !name.contains('.')
        }
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Some(Host::Ipv6(ip)) => {
            let v4 = ip.to_ipv4_mapped().map(IpAddr::V4);
            ip.is_loopback() || ip.is_unique_local() || v4.is_some_and(|ip| ip.is_loopback())
        }
        None => false,
    }
}
