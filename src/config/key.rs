//! From a reference to the credential itself. No message here ever holds a key.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Env, Secret, file::SecretRef};

/// Largest credential in bytes.
pub const MAX_SECRET_BYTES: usize = 8 * 1024;

/// Why there is no credential, and what to do.
pub(super) struct KeyError {
    pub(super) message: String,
    pub(super) help: &'static str,
    /// What stands in the file may itself be a key.
    pub(super) suspicious: bool,
}

impl KeyError {
    fn new(message: String, help: &'static str) -> Self {
        Self {
            message,
            help,
            suspicious: false,
        }
    }
}

/// Reads the credential. Relative files lie beside the configuration, in `dir`.
pub(super) fn read(reference: &SecretRef, env: &Env, dir: &Path) -> Result<Secret, KeyError> {
    match reference {
        SecretRef::Env(name) if !is_variable_name(name) => Err(KeyError {
            message: "`env` holds something that is no variable's name".to_owned(),
            help: "`env` names the variable that holds the key; the key itself must not stand in the file",
            suspicious: true,
        }),
        SecretRef::Env(name) => match env.var(name) {
            Some(value) => checked(value, &format!("the environment variable {name}")),
            None => Err(KeyError::new(
                format!("the environment variable {name} is not set"),
                "set it, or take the key from a file: api_key = { file = \"PATH\" }",
            )),
        },
        SecretRef::File(path) => from_file(&dir.join(path)),
        SecretRef::Credential(name) => {
            if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
                return Err(KeyError::new(
                    "a credential is named without a path".to_owned(),
                    "use the name of systemd's LoadCredential=NAME:PATH",
                ));
            }
            match env.var("CREDENTIALS_DIRECTORY") {
                Some(dir) => from_file(&PathBuf::from(dir).join(name)),
                None => Err(KeyError::new(
                    format!("credential {name}: $CREDENTIALS_DIRECTORY is not set"),
                    "run as a systemd service with LoadCredential=, or use { env = \"NAME\" } or { file = \"PATH\" }",
                )),
            }
        }
    }
}

fn from_file(path: &Path) -> Result<Secret, KeyError> {
    let shown = path.display();
    let help = "the file holds nothing but the key and must be readable by the user that endturn runs as";
    match fs::metadata(path) {
        Ok(meta) if meta.len() > MAX_SECRET_BYTES as u64 => {
            let message = format!(
                "key file {shown} has {} bytes, at most {MAX_SECRET_BYTES} are read",
                meta.len()
            );
            return Err(KeyError::new(message, help));
        }
        Ok(_) => {}
        Err(why) => {
            return Err(KeyError::new(
                format!("cannot read the key file {shown}: {why}"),
                help,
            ));
        }
    }
    match fs::read_to_string(path) {
        Ok(text) => checked(&text, &format!("the key file {shown}")),
        Err(why) => Err(KeyError::new(
            format!("cannot read the key file {shown}: {why}"),
            help,
        )),
    }
}

/// A key must fit into a header: visible ASCII, not empty, bounded.
fn checked(text: &str, whence: &str) -> Result<Secret, KeyError> {
    let help = "a key is one line of visible ASCII characters";
    let text = text.trim();
    if text.is_empty() {
        return Err(KeyError::new(format!("{whence} is empty"), help));
    }
    if text.len() > MAX_SECRET_BYTES {
        return Err(KeyError::new(
            format!("{whence} has more than {MAX_SECRET_BYTES} bytes"),
            help,
        ));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(KeyError::new(
            format!("{whence} holds characters that no header can carry"),
            help,
        ));
    }
    Ok(Secret::new(text))
}

fn is_variable_name(name: &str) -> bool {
    name.bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
