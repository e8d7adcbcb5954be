//! Which status pages are read: `[official]` for all of them, `official` of a provider for its own.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use toml::Spanned;
use url::Url;

use super::{
    file::Switch,
    preset::{MAX_STATUS_COMPONENTS, Preset, STATUS_FORMATS, StatusPage},
    resolve::Resolver,
};

/// Shortest and longest interval between two readings of one status page. Vendors' pages are not ours to load.
pub const OFFICIAL_EVERY: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(86_400));

/// `official` of a provider.
#[derive(Clone)]
pub(super) enum OfficialFile {
    /// Its page is not read.
    Off,
    /// The preset's page, even though `base_url` is another.
    Preset,
    /// This page.
    Page(PageFile),
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageFile {
    url: Spanned<String>,
    format: Spanned<String>,
    #[serde(default)]
    components: Vec<Spanned<String>>,
}

impl<'de> Deserialize<'de> for OfficialFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = OfficialFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{ url = \"https://..\", format = \"statuspage\" }, true or false")
            }

            fn visit_bool<E: de::Error>(self, on: bool) -> Result<OfficialFile, E> {
                Ok(if on {
                    OfficialFile::Preset
                } else {
                    OfficialFile::Off
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OfficialFile, A::Error> {
                PageFile::deserialize(MapAccessDeserializer::new(map)).map(OfficialFile::Page)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Resolver<'_> {
    /// How often pages are read; `None`: never.
    pub(super) fn official_every(&mut self, value: Option<&Spanned<Switch>>) -> Option<Duration> {
        let every = match value.map(Spanned::get_ref) {
            Some(Switch::Off) => return None,
            Some(Switch::Every(every)) => every.clone(),
            Some(Switch::On) | None => match &self.defaults.official {
                Some(Switch::Every(every)) => return Some(every.get_ref().0),
                _ => return None,
            },
        };
        Some(self.span("the interval of official", &every, OFFICIAL_EVERY))
    }

    /// A provider's status page: the one that the file names, else the preset's, unless the requests go somewhere
    /// else than the preset's: then its page is about somebody else.
    pub(super) fn official_page(
        &mut self,
        value: Option<&Spanned<OfficialFile>>,
        preset: &Preset,
        own_url: bool,
    ) -> Option<StatusPage> {
        let Some(value) = value else {
            return preset.status.clone().filter(|_| !own_url);
        };
        match value.get_ref().clone() {
            OfficialFile::Off => None,
            OfficialFile::Preset => {
                if preset.status.is_none() {
                    let help = "name it: official = { url = \"https://..\", format = \"statuspage\" }";
                    self.error(value, format!("no status page of {} is known", preset.name), help);
                }
                preset.status.clone()
            }
            OfficialFile::Page(file) => self.named_page(file),
        }
    }

    fn named_page(&mut self, file: PageFile) -> Option<StatusPage> {
        let url = match Url::parse(file.url.get_ref()) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && plain(&url) => Some(url),
            _ => {
                let help =
                    "write it as in \"https://status.example.com/api/v2/summary.json\", without a user name";
                self.error(&file.url, "a status page is no plain http or https URL", help);
                None
            }
        };
        let known = STATUS_FORMATS.contains(&file.format.get_ref().as_str());
        if !known {
            let help = format!("known are {}", STATUS_FORMATS.join(", "));
            let message = format!("there is no status page format {:?}", file.format.get_ref());
            self.error(&file.format, message, help);
        }
        if let Some(extra) = file.components.get(MAX_STATUS_COMPONENTS) {
            let message = format!("more than {MAX_STATUS_COMPONENTS} components of a status page");
            self.error(extra, message, "name a part that several of them share");
        }
        for name in &file.components {
            if name.get_ref().trim().is_empty() {
                self.error(name, "a component of a status page has no name", "take it out");
            }
        }
        Some(StatusPage {
            url: url?,
            format: file.format.into_inner(),
            components: file.components.into_iter().map(Spanned::into_inner).collect(),
        })
        .filter(|_| known)
    }
}

/// It is shown to people: nothing in it may be a secret.
fn plain(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none() && url.host().is_some()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{super::*, *};

    fn loaded(head: &str, entry: &str) -> Result<Config, Vec<String>> {
        let text = format!("{head}[[provider]]\nid = \"anthropic\"\n{entry}");
        let env = Env {
            vars: [("ANTHROPIC_API_KEY".to_owned(), "k".to_owned())].into(),
            working_dir: PathBuf::from("."),
            ..Env::default()
        };
        match load_text("t.toml", &text, &env) {
            Ok(loaded) => Ok(loaded.config),
            Err(ConfigError::Invalid(findings)) => {
                Err(findings.items().iter().map(|item| item.message.clone()).collect())
            }
            Err(error) => Err(vec![error.to_string()]),
        }
    }

    fn page(head: &str, entry: &str) -> Option<StatusPage> {
        let config = loaded(head, entry).unwrap();
        config.official.pages.into_iter().next().map(|(_, page)| page)
    }

    const OWN: &str = "base_url = \"http://127.0.0.1:9\"\nfree = true\n";

    #[test]
    fn the_presets_page_is_read_where_the_presets_url_is_asked() {
        let shipped = page("", "").unwrap();
        assert_eq!(shipped.format, "statuspage");
        assert_eq!(page("", "official = false\n"), None);
        assert_eq!(page("", OWN), None);
        assert_eq!(
            page("", &format!("{OWN}official = true\n")),
            Some(shipped.clone())
        );
        let named =
            "official = { url = \"https://s.example/x\", format = \"rss\", components = [\"API\"] }\n";
        let named = page("", &format!("{OWN}{named}")).unwrap();
        assert_eq!(
            (
                named.url.as_str(),
                named.format.as_str(),
                named.components.as_slice()
            ),
            ("https://s.example/x", "rss", &["API".to_owned()][..])
        );
    }

    #[test]
    fn pages_are_read_once_a_minute_or_seldomer_or_not_at_all() {
        let every =
            |head: &str| loaded(head, "").map(|config| config.official.every.map(|every| every.as_secs()));
        assert_eq!(every(""), Ok(Some(60)));
        assert_eq!(every("official = false\n"), Ok(None));
        assert_eq!(every("[official]\nevery = \"60s\"\n"), Ok(Some(60)));
        assert_eq!(every("[official]\nevery = \"1d\"\n"), Ok(Some(86_400)));
        for bad in ["59s", "59999ms", "86401s"] {
            let errors = every(&format!("[official]\nevery = \"{bad}\"\n")).unwrap_err();
            assert!(errors[0].starts_with("the interval of official is"), "{errors:?}");
        }
    }

    #[test]
    fn a_wrong_page_is_an_error() {
        let many = vec!["\"a\""; MAX_STATUS_COMPONENTS + 1].join(", ");
        for (url, more, message) in [
            (
                "https://s.example",
                "format = \"rrs\"",
                "there is no status page format \"rrs\"",
            ),
            (
                "ftp://s.example",
                "format = \"rss\"",
                "a status page is no plain http or https URL",
            ),
            (
                "s.example",
                "format = \"rss\"",
                "a status page is no plain http or https URL",
            ),
            (
                "https://me:pw@s.example",
                "format = \"rss\"",
                "a status page is no plain http or https URL",
            ),
            (
                "https://s.example",
                "format = \"rss\", components = [\" \"]",
                "a component of a status page has no name",
            ),
            (
                "https://s.example",
                &format!("format = \"rss\", components = [{many}]"),
                "more than 32 components of a status page",
            ),
        ] {
            let errors = loaded("", &format!("official = {{ url = \"{url}\", {more} }}\n")).unwrap_err();
            assert_eq!(errors, [message]);
        }
        let plain = "preset = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:9/v1\"\nfree = true\n\
                     models = [\"m\"]\nofficial = true\n";
        assert_eq!(
            loaded("", plain).unwrap_err(),
            ["no status page of openai-compatible is known"]
        );
    }
}
