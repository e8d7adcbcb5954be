//! A provider's credential: what its entry names, else what the environment commonly holds for the preset.
//!
//! A vendor's ambient credential is taken for the preset's own URL only: it is not sent to anybody else unless the
//! file says so.

use std::collections::BTreeMap;

use toml::Spanned;

use super::{
    Auth, CloudCredential, Secret,
    error::Diagnostic,
    file::{AwsFile, GoogleFile, ProviderFile, SecretRef},
    key::{self, KeyError},
    preset::{CloudKind, Preset},
    resolve::Resolver,
};

/// The variables that the AWS tools read keys from.
pub(super) const AWS_ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
pub(super) const AWS_SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const AWS_SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
/// The variable that holds the path of a service account's key.
pub(super) const GOOGLE_APPLICATION_CREDENTIALS: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// What is sent, and how.
pub(super) struct Credential {
    pub(super) auth: Auth,
    pub(super) key: Option<Secret>,
    pub(super) cloud: Option<CloudCredential>,
}

impl Credential {
    const NONE: Self = Self {
        auth: Auth::None,
        key: None,
        cloud: None,
    };

    /// Whether there is one.
    pub(super) fn is_some(&self) -> bool {
        self.key.is_some() || self.cloud.is_some()
    }
}

impl Resolver<'_> {
    /// The credential of an entry. `own_url`: it is sent elsewhere than the preset says.
    pub(super) fn credential(
        &mut self,
        file: &ProviderFile,
        preset: &Preset,
        own_url: bool,
        vars: &BTreeMap<String, String>,
    ) -> Credential {
        self.one_credential(file);
        let cloud = preset.auth.cloud.as_ref();
        if let Some(reference) = &file.api_key {
            return with_key(preset, self.named(reference, key::read));
        }
        if let Some(aws) = &file.aws {
            let keys = self.aws(aws);
            return match cloud {
                Some(CloudKind::Aws { service }) => {
                    let region = self.region(vars, aws);
                    signed(keys.zip(region), service)
                }
                _ => self.foreign(aws, "AWS", preset),
            };
        }
        if let Some(google) = &file.google {
            let token = self.google(google);
            return match cloud {
                Some(CloudKind::Google) => with_token(token),
                _ => self.foreign(google, "Google", preset),
            };
        }
        if own_url {
            return Credential::NONE;
        }
        self.ambient(preset, vars)
    }

    /// What the environment holds: the plain key first, then what the cloud's own tools would take.
    fn ambient(&mut self, preset: &Preset, vars: &BTreeMap<String, String>) -> Credential {
        let set = |name: &str| self.env.var(name).is_some();
        if let Some(name) = preset.key_env.clone().filter(|name| set(name)) {
            return with_key(
                preset,
                self.unplaced(key::read(&SecretRef::Env(name), self.env, self.dir)),
            );
        }
        match &preset.auth.cloud {
            Some(CloudKind::Aws { service }) if set(AWS_ACCESS_KEY_ID) && set(AWS_SECRET_ACCESS_KEY) => {
                let session = set(AWS_SESSION_TOKEN);
                let read = |name: &str| key::read(&SecretRef::Env(name.to_owned()), self.env, self.dir);
                let keys = read(AWS_ACCESS_KEY_ID).and_then(|access_key_id| {
                    Ok(CloudCredential::AwsKeys {
                        access_key_id,
                        secret_access_key: read(AWS_SECRET_ACCESS_KEY)?,
                        session_token: session.then(|| read(AWS_SESSION_TOKEN)).transpose()?,
                    })
                });
                signed(self.unplaced(keys).zip(vars.get("region").cloned()), service)
            }
            Some(CloudKind::Google) => {
                let Some(path) = self.env.var(GOOGLE_APPLICATION_CREDENTIALS) else {
                    return Credential::NONE;
                };
                let json = key::read_ambient_login(&self.env.working_dir.join(path));
                with_token(self.unplaced(json).map(CloudCredential::GoogleServiceAccount))
            }
            _ => Credential::NONE,
        }
    }

    /// Two credentials in one entry are a mistake: which of them counts is nobody's guess.
    fn one_credential(&mut self, file: &ProviderFile) {
        let api_key = file.api_key.as_ref().map(Spanned::span);
        let aws = file.aws.as_ref().map(Spanned::span);
        let google = file.google.as_ref().map(Spanned::span);
        let named: Vec<_> = [api_key, aws, google].into_iter().flatten().collect();
        if let [_, second, ..] = named.as_slice() {
            let here = Spanned::new(second.clone(), ());
            let help = "keep one of api_key, aws and google";
            self.error(&here, "a provider has two credentials", help);
        }
    }

    fn foreign<T>(&mut self, value: &Spanned<T>, whose: &str, preset: &Preset) -> Credential {
        let message = format!("preset {} takes no {whose} credential", preset.name);
        let finding = Diagnostic::error(message).at(self.place(value));
        self.report
            .push(finding.hiding().help("its credential is api_key"));
        Credential::NONE
    }

    fn region(&mut self, vars: &BTreeMap<String, String>, here: &Spanned<AwsFile>) -> Option<String> {
        let region = vars.get("region").cloned();
        if region.is_none() {
            let help = "set vars = { region = \"us-east-1\" }";
            self.error(here, "requests are signed for a region, and none is named", help);
        }
        region
    }

    /// An error at a table, unless what is missing in it was taken out as wrong before.
    fn incomplete<T>(&mut self, table: &Spanned<T>, message: &str, help: &str) {
        let place = self.place(table);
        if place.is_none_or(|place| !self.report.touches(&place)) {
            self.error(table, message, help);
        }
    }

    fn aws(&mut self, file: &Spanned<AwsFile>) -> Option<CloudCredential> {
        let keys = file.get_ref();
        let named = [&keys.access_key_id, &keys.secret_access_key, &keys.session_token];
        let ambient = keys.ambient.as_ref().is_some_and(|on| *on.get_ref());
        if ambient && named.iter().all(|key| key.is_none()) {
            return Some(CloudCredential::AwsAmbient);
        }
        let (Some(id), Some(secret), false) = (&keys.access_key_id, &keys.secret_access_key, ambient) else {
            let help = "write aws = { access_key_id = { env = \"..\" }, secret_access_key = { env = \"..\" } } \
                        or { ambient = true }";
            let message = "aws needs either access_key_id and secret_access_key or ambient";
            self.incomplete(file, message, help);
            return None;
        };
        let access_key_id = self.named(id, key::read);
        let secret_access_key = self.named(secret, key::read);
        let session_token = keys
            .session_token
            .as_ref()
            .map(|token| self.named(token, key::read));
        Some(CloudCredential::AwsKeys {
            access_key_id: access_key_id?,
            secret_access_key: secret_access_key?,
            session_token: match session_token {
                Some(token) => Some(token?),
                None => None,
            },
        })
    }

    fn google(&mut self, file: &Spanned<GoogleFile>) -> Option<CloudCredential> {
        let metadata = file.get_ref().metadata.as_ref().is_some_and(|on| *on.get_ref());
        match (&file.get_ref().service_account, metadata) {
            (Some(reference), false) => self
                .named(reference, key::read_service_account)
                .map(CloudCredential::GoogleServiceAccount),
            (None, true) => Some(CloudCredential::GoogleMetadata),
            _ => {
                let help = "write google = { service_account = { file = \"..\" } } or { metadata = true }";
                self.incomplete(file, "google needs either service_account or metadata", help);
                None
            }
        }
    }

    /// Reads what the file names; what is wrong is shown where it is named.
    pub(super) fn named(
        &mut self,
        reference: &Spanned<SecretRef>,
        read: fn(&SecretRef, &super::Env, &std::path::Path) -> Result<Secret, KeyError>,
    ) -> Option<Secret> {
        let why = match read(reference.get_ref(), self.env, self.dir) {
            Ok(secret) => return Some(secret),
            Err(why) => why,
        };
        let finding = Diagnostic::error(why.message)
            .at(self.place(reference))
            .help(why.help);
        self.report
            .push(if why.suspicious { finding.hiding() } else { finding });
        None
    }

    /// What the environment offered, or an error without a place.
    fn unplaced<T>(&mut self, read: Result<T, KeyError>) -> Option<T> {
        read.map_err(|why| self.report.push(Diagnostic::error(why.message).help(why.help)))
            .ok()
    }

    /// Says that nothing but reachability is probed, where the file doesn't have it so on purpose.
    pub(super) fn warn_without_credential(
        &mut self,
        id: &crate::id::ProviderId,
        preset: &Preset,
        here: &Spanned<()>,
    ) {
        if self.source.is_none() {
            return;
        }
        let variable = preset.key_env.as_deref();
        let help = match (&preset.auth.cloud, variable) {
            (Some(CloudKind::Aws { .. }), Some(variable)) => {
                format!(
                    "set {variable} or {AWS_ACCESS_KEY_ID} and {AWS_SECRET_ACCESS_KEY}, or api_key or aws"
                )
            }
            (Some(CloudKind::Google), _) => format!("set {GOOGLE_APPLICATION_CREDENTIALS}, or google"),
            (_, variable) => format!("set {} or api_key", variable.unwrap_or("its key's variable")),
        };
        let message = format!("provider {id} has no credential: only its reachability is probed");
        let finding = Diagnostic::warning(message).at(self.place(here)).help(help);
        self.report.push(finding);
    }
}

fn with_key(preset: &Preset, key: Option<Secret>) -> Credential {
    match key {
        Some(key) => Credential {
            auth: preset.auth.key.clone(),
            key: Some(key),
            cloud: None,
        },
        None => Credential::NONE,
    }
}

fn signed(found: Option<(CloudCredential, String)>, service: &str) -> Credential {
    match found {
        Some((keys, region)) => Credential {
            auth: Auth::SigV4 {
                region,
                service: service.to_owned(),
            },
            key: None,
            cloud: Some(keys),
        },
        None => Credential::NONE,
    }
}

fn with_token(token: Option<CloudCredential>) -> Credential {
    match token {
        Some(token) => Credential {
            auth: Auth::GoogleToken,
            key: None,
            cloud: Some(token),
        },
        None => Credential::NONE,
    }
}
