//! Access tokens: who may tell what, and how far their word goes. Only digests are held.

use std::{collections::BTreeSet, str::FromStr};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use toml::Spanned;

use super::{
    error::Diagnostic,
    file::{SecretRef, ServerFile},
    key,
    resolve::Resolver,
};
use crate::verdict::Trust;

/// Most tokens of a configuration.
pub const MAX_TOKENS_CONFIGURED: usize = 100;
/// Shortest token, in bytes: what is shorter can be guessed.
pub const MIN_TOKEN_BYTES: usize = 20;

/// What a token may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// To read: the feed, the pages, the past, figures, the tools for agents, the gate.
    Read,
    /// To tell what became of real requests: reports, telemetry, the tap.
    Report,
    /// To change how endturn runs.
    Admin,
}

impl Scope {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Report, Self::Admin];

    /// Its word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Report => "report",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| "known are: read, report, admin".to_owned())
    }
}

/// What a token is for. Each scope stands for itself: `admin` does not read, for whoever pauses a probe need not see
/// everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Whether it is for that too.
    pub fn has(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

/// An access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its name, for figures and logs.
    pub name: String,
    /// What it is for.
    pub scopes: Scopes,
    /// How far its reports are trusted.
    pub trust: Trust,
    /// SHA-256 of it.
    pub digest: [u8; 32],
}

/// A `[[server.token]]` entry.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenFile {
    name: Spanned<String>,
    sha256: Option<Spanned<String>>,
    token: Option<Spanned<SecretRef>>,
    scopes: Spanned<Vec<Spanned<String>>>,
    trust: Option<Spanned<String>>,
}

impl Resolver<'_> {
    pub(super) fn tokens(&mut self, file: &ServerFile) -> Vec<Token> {
        let mut names = BTreeSet::new();
        let mut tokens = Vec::new();
        for entry in &file.token {
            let name = entry.get_ref().name.get_ref();
            if !names.insert(name.clone()) {
                let help = "give every token a name of its own: figures and logs tell them apart by it";
                self.error(
                    &entry.get_ref().name,
                    format!("token {name:?} is there twice"),
                    help,
                );
            }
            if names.len() == MAX_TOKENS_CONFIGURED + 1 {
                let help = format!("at most {MAX_TOKENS_CONFIGURED} are taken");
                self.error(entry, "too many tokens", help);
                break;
            }
            let Some(token) = self.token(entry) else {
                continue;
            };
            // Which of the two it is would be nobody's guess.
            if tokens.iter().any(|other: &Token| other.digest == token.digest) {
                let help = "a token has one entry, with all of its scopes";
                self.error(entry, "the same token is there twice", help);
            }
            tokens.push(token);
        }
        tokens
    }

    fn token(&mut self, entry: &Spanned<TokenFile>) -> Option<Token> {
        let file = entry.get_ref();
        let name = file.name.get_ref();
        if name.is_empty() || name.len() > 64 || !name.chars().all(|c| c.is_ascii_graphic()) {
            let help = "use 1 to 64 letters, digits and signs without spaces";
            self.error(&file.name, "that is no name of a token", help);
        }
        let scopes = self.scopes(&file.scopes);
        if let Some(trust) = &file.trust
            && !scopes.has(Scope::Report)
        {
            let help = "take trust out, or add \"report\" to scopes";
            self.error(trust, "trust is for reports, and this token is not", help);
        }
        let trust = match file.trust.as_ref().map(|trust| (trust, trust.get_ref().as_str())) {
            None | Some((_, "full")) => Trust::Full,
            Some((_, "corroborate")) => Trust::Corroborate,
            Some((trust, word)) => {
                let help =
                    "use \"full\" (as a probe), or \"corroborate\" (raises suspicion, convicts nobody)";
                self.error(trust, format!("trust {word:?} is unknown"), help);
                Trust::Corroborate
            }
        };
        let digest = match (&file.sha256, &file.token) {
            (Some(hex), None) => self.digest(hex),
            (None, Some(reference)) => {
                let secret = self.named(reference, key::read)?;
                if secret.expose().len() < MIN_TOKEN_BYTES {
                    let help = format!("use at least {MIN_TOKEN_BYTES} random characters");
                    self.error(reference, "the token is too short", help);
                }
                Some(Sha256::digest(secret.expose()).into())
            }
            _ => {
                let help = "give its SHA-256 as sha256 = \"64 hex digits\", or where it is kept as \
                            token = { file = \"PATH\" }, { env = \"NAME\" } or { credential = \"NAME\" }";
                self.error(
                    entry,
                    format!("token {name:?} has not one of sha256 and token"),
                    help,
                );
                None
            }
        }?;
        Some(Token {
            name: name.clone(),
            scopes,
            trust,
            digest,
        })
    }

    fn scopes(&mut self, listed: &Spanned<Vec<Spanned<String>>>) -> Scopes {
        if listed.get_ref().is_empty() {
            let help = "use scopes = [\"read\"], or more of read, report and admin";
            self.error(listed, "the token is for nothing", help);
        }
        let mut scopes = Scopes::default();
        for scope in listed.get_ref() {
            match scope.get_ref().parse() {
                Ok(known) => {
                    scopes.0.insert(known);
                }
                Err(help) => self.error(scope, format!("scope {:?} is unknown", scope.get_ref()), help),
            }
        }
        scopes
    }

    fn digest(&mut self, hex: &Spanned<String>) -> Option<[u8; 32]> {
        let text = hex.get_ref();
        let digits: Option<Vec<u8>> = (text.is_ascii() && text.len() == 64)
            .then(|| {
                (0..32)
                    .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok())
                    .collect()
            })
            .flatten();
        let digest = digits.and_then(|digits| digits.try_into().ok());
        if digest.is_none() {
            let help = "printf %s TOKEN | sha256sum tells it; the token itself must not stand in the file";
            // Somebody may have put the token itself there.
            let finding = Diagnostic::error("that is no SHA-256: it has 64 hex digits");
            let finding = finding.at(self.place(hex)).help(help).hiding();
            self.report.push(finding);
        }
        digest
    }
}
