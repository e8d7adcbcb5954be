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
