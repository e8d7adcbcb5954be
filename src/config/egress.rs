//! The way out to a provider: `proxy` and `ca` of its entry.

use std::{
    fmt,
    fs::{self, File},
    io::Read,
    path::Path,
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Unexpected, Visitor, value::MapAccessDeserializer},
};
use toml::Spanned;
use url::Url;

use super::{
    Secret,
    error::Diagnostic,
    file::{INLINE_SECRET, SecretRef},
    key,
    resolve::Resolver,
};

/// Most files that a provider's `ca` names.
pub const MAX_CA_FILES: usize = 16;
/// Largest of these files in bytes: a whole system's bundle has a quarter of it.
pub const MAX_CA_BYTES: u64 = 1 << 20;
/// Most certificates in all of a provider's files.
pub const MAX_CA_CERTIFICATES: usize = 256;

/// How a provider is reached, and whom it is believed by. Providers that agree in it share connections.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Egress {
    /// The proxy in between.
    pub proxy: Proxy,
    /// Root certificates (DER) that are trusted beside the system's.
    pub roots: Arc<[Vec<u8>]>,
}

/// Which proxy stands in between.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Proxy {
    /// The one that the environment names, if any.
    #[default]
    Environment,
    /// None, whatever the environment says.
    Direct,
    /// This one.
    Through(ProxyServer),
}

/// An HTTP proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyServer {
    /// Its address: http or https, nothing secret in it.
    pub url: Url,
    /// `user:password`, where it asks for them.
    pub login: Option<Secret>,
}

impl ProxyServer {
    /// `host:port`, by which it is called in texts.
    pub fn name(&self) -> String {
        let port = self.url.port_or_known_default().unwrap_or_default();
        format!("{}:{port}", self.url.host_str().unwrap_or_default())
    }

    /// The value of `Proxy-Authorization` (RFC 7617), marked as sensitive.
    pub fn authorization(&self) -> Option<HeaderValue> {
        let login = self.login.as_ref()?;
        let value = format!("Basic {}", STANDARD.encode(login.expose()));
        let mut value = HeaderValue::try_from(value).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// `proxy` of a provider.
#[derive(Clone)]
pub(super) enum ProxyFile {
    /// None.
    Off,
    /// This URL, in which nothing is secret.
    Url(String),
    /// The URL that lies there.
    Ref(SecretRef),
}

/// `ca` of a provider.
#[derive(Clone)]
pub(super) enum CaFile {
    /// One file.
    One(String),
    /// Several.
    Many(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for ProxyFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = ProxyFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"http://proxy.example:3128\", { env = \"NAME\" } or false")
            }

            fn visit_bool<E: de::Error>(self, on: bool) -> Result<ProxyFile, E> {
                if on {
                    return Err(E::invalid_type(Unexpected::Bool(on), &self));
                }
                Ok(ProxyFile::Off)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ProxyFile, E> {
                // Nothing else in the URL of a proxy has one; who stands before it may have a password.
                if text.contains('@') {
                    return Err(E::custom(INLINE_SECRET));
                }
                Ok(ProxyFile::Url(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ProxyFile, A::Error> {
                SecretRef::deserialize(MapAccessDeserializer::new(map)).map(ProxyFile::Ref)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for CaFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = CaFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the path of a PEM file, or a list of them")
            }

            fn visit_str<E: de::Error>(self, path: &str) -> Result<CaFile, E> {
                Ok(CaFile::One(path.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<CaFile, A::Error> {
                let mut paths = Vec::new();
                while let Some(path) = list.next_element()? {
                    paths.push(path);
                }
                Ok(CaFile::Many(paths))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Resolver<'_> {
    /// The way out that an entry asks for. Whatever is wrong with it stands for the default, and the report says so.
    pub(super) fn egress(
        &mut self,
        proxy: Option<&Spanned<ProxyFile>>,
        ca: Option<&Spanned<CaFile>>,
    ) -> Egress {
        Egress {
            proxy: proxy.and_then(|file| self.proxy(file)).unwrap_or_default(),
            roots: ca.map(|file| self.roots(file)).unwrap_or_default(),
        }
    }

    fn proxy(&mut self, file: &Spanned<ProxyFile>) -> Option<Proxy> {
        let parsed = match file.get_ref() {
            ProxyFile::Off => return Some(Proxy::Direct),
            ProxyFile::Url(text) => server(text),
            ProxyFile::Ref(reference) => {
                let here = Spanned::new(file.span(), reference.clone());
                server(self.named(&here, key::read)?.expose())
            }
        };
        match parsed {
            Ok(server) => Some(Proxy::Through(server)),
            Err((message, help)) => {
                let finding = Diagnostic::error(message).at(self.place(file));
                self.report.push(finding.hiding().help(help));
                None
            }
        }
    }

    fn roots(&mut self, file: &Spanned<CaFile>) -> Arc<[Vec<u8>]> {
        let paths = match file.get_ref() {
            CaFile::One(path) => vec![Spanned::new(file.span(), path.clone())],
            CaFile::Many(paths) => paths.clone(),
        };
        if paths.is_empty() {
            self.error(file, "ca names no file", "take it out, or name a PEM file");
        }
        if let Some(extra) = paths.get(MAX_CA_FILES) {
            let message = format!("ca names more than {MAX_CA_FILES} files");
            self.error(extra, message, "one file may hold many certificates");
            return Arc::default();
        }
        let mut roots = Vec::new();
        for path in &paths {
            match certificates(&self.dir.join(path.get_ref())) {
                Ok(found) => roots.extend(found),
                Err(message) => {
                    let help = "a PEM file of root certificates, -----BEGIN CERTIFICATE-----, that the user \
                                endturn runs as may read; a relative path counts from the configuration's directory";
                    self.error(path, message, help);
                }
            }
        }
        if roots.len() > MAX_CA_CERTIFICATES {
            let message = format!("ca holds more than {MAX_CA_CERTIFICATES} certificates");
            self.error(
                file,
                message,
                "the system's own are trusted anyway: leave them out",
            );
        }
        roots.into()
    }
}

/// The proxy of that URL, or what is wrong with it and what to do. Neither tells the URL: it may hold a password.
fn server(text: &str) -> Result<ProxyServer, (&'static str, &'static str)> {
    const HELP: &str = "write it as in \"http://proxy.example:3128\"; with a user and a password the whole URL is \
                        a secret: { env = \"NAME\" }, { file = \"PATH\" } or { credential = \"NAME\" }";
    let no_url = ("proxy is no http or https URL", HELP);
    let mut url = Url::parse(text).map_err(|_| no_url)?;
    if url.scheme().starts_with("socks") {
        let help = "name an http or https proxy; most that speak SOCKS have one beside it";
        return Err(("proxy is a SOCKS proxy, which endturn doesn't speak to", help));
    }
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(no_url);
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(("proxy has more behind its host and port", HELP));
    }
    let (user, password) = (url.username(), url.password());
    let login = if user.is_empty() && password.is_none() {
        None
    } else {
        let decoded = |text| percent_decode_str(text).decode_utf8().map_err(|_| no_url);
        let (user, password) = (decoded(user)?, decoded(password.unwrap_or_default())?);
        Some(Secret::new(&format!("{user}:{password}")))
    };
    // A URL with a host takes both.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(ProxyServer { url, login })
}

/// The certificates of a PEM file, DER, or why there are none.
fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let shown = path.display();
    let unread = |why: &dyn fmt::Display| format!("cannot read the certificates in {shown}: {why}");
    let meta = fs::metadata(path).map_err(|why| unread(&why))?;
    if !meta.is_file() {
        return Err(unread(&"it is no file"));
    }
    if key::is_anybodys(path) {
        return Err(format!("everybody on this machine may change {shown}"));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_CA_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|why| unread(&why))?;
    if bytes.len() as u64 > MAX_CA_BYTES {
        return Err(unread(&format_args!("it has more than {MAX_CA_BYTES} bytes")));
    }
    let mut found = Vec::new();
    for (number, item) in CertificateDer::pem_slice_iter(&bytes).enumerate() {
        let number = number + 1;
        let der = item.map_err(|_| format!("certificate {number} in {shown} is no sound PEM"))?;
        RootCertStore::empty()
            .add(der.clone())
            .map_err(|_| format!("certificate {number} in {shown} is no X.509 certificate"))?;
        found.push(der.as_ref().to_vec());
    }
    if found.is_empty() {
        return Err(format!("there is no certificate in {shown}"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
