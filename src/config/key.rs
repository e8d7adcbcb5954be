//! From a reference to the credential itself. No message here ever holds a key.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{Env, Secret, file::SecretRef};

/// Largest credential in bytes.
pub const MAX_SECRET_BYTES: usize = 8 * 1024;

/// Bits of a file's mode that are for everybody.
const OTHERS_READ: u32 = 0o004;
const OTHERS_WRITE: u32 = 0o002;
const OTHERS_ENTER: u32 = 0o001;
/// The worse of what everybody may do with a file.
const CHANGE: &str = "change";
/// Where Docker, Podman and Kubernetes put what they are given to hand over.
const HANDED_OVER: [&str; 2] = ["/run/secrets", "/var/run/secrets"];

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

/// Reads a key. Relative files lie beside the configuration, in `dir`.
pub(super) fn read(reference: &SecretRef, env: &Env, dir: &Path) -> Result<Secret, KeyError> {
    read_as(reference, env, dir, checked)
}

/// Reads the value of a header that is no key of a provider: it may hold spaces, as `Bearer TOKEN` does.
pub(super) fn read_line(reference: &SecretRef, env: &Env, dir: &Path) -> Result<Secret, KeyError> {
    read_as(reference, env, dir, line)
}

/// Reads the JSON of a Google service account's key.
pub(super) fn read_service_account(reference: &SecretRef, env: &Env, dir: &Path) -> Result<Secret, KeyError> {
    read_as(reference, env, dir, service_account)
}

/// Reads a key from a file that is named elsewhere than in a configuration.
///
/// # Errors
/// Why there is none, with what to do; never anything of the file.
pub fn read_key_file(path: &Path) -> Result<Secret, String> {
    own_file(path, checked).map_err(|why| format!("{}\n\nhelp: {}", why.message, why.help))
}

/// Reads the login that Google's own tools keep: whoever may read that is theirs to say.
pub(super) fn read_ambient_login(path: &Path) -> Result<Secret, KeyError> {
    from_file(path, service_account)
}

/// What a secret must look like; the second argument says whence it came.
type Check = fn(&str, &str) -> Result<Secret, KeyError>;

fn read_as(reference: &SecretRef, env: &Env, dir: &Path, checked: Check) -> Result<Secret, KeyError> {
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
                "set it, or name a file instead: { file = \"PATH\" }",
            )),
        },
        SecretRef::File(path) => own_file(&dir.join(path), checked),
        SecretRef::Credential(name) => {
            if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
                return Err(KeyError::new(
                    "a credential is named without a path".to_owned(),
                    "use the name of systemd's LoadCredential=NAME:PATH",
                ));
            }
            match env.var("CREDENTIALS_DIRECTORY") {
                Some(dir) => from_file(&PathBuf::from(dir).join(name), checked),
                None => Err(KeyError::new(
                    format!("credential {name}: $CREDENTIALS_DIRECTORY is not set"),
                    "run as a systemd service with LoadCredential=, or use { env = \"NAME\" } or { file = \"PATH\" }",
                )),
            }
        }
    }
}

/// A key file of ours, which nobody else on this machine may read or change.
fn own_file(path: &Path, checked: Check) -> Result<Secret, KeyError> {
    let secret = from_file(path, checked)?;
    let exposed = exposed(path).filter(|_| !is_handed_over(path));
    match exposed {
        Some(how) => Err(KeyError::new(
            format!(
                "everybody on this machine may {how} the key file {}",
                path.display()
            ),
            "chmod 600 it (640 for a group of its own), or keep it in a directory that others can't enter; in Kubernetes \
             set defaultMode: 0400, or mount it below /run/secrets",
        )),
        None => Ok(secret),
    }
}

/// Whether everybody may write into a file that is no secret, but is believed.
pub(super) fn is_anybodys(path: &Path) -> bool {
    exposed(path) == Some(CHANGE)
}

/// What everybody may do with a file, if anything: its own mode says so, and every directory above lets everybody in.
fn exposed(path: &Path) -> Option<&'static str> {
    let path = fs::canonicalize(path).ok()?;
    let mode = |path: &Path| fs::metadata(path).map(|meta| meta.permissions().mode());
    let file = mode(&path).ok()?;
    let how = if file & OTHERS_WRITE != 0 {
        CHANGE
    } else if file & OTHERS_READ != 0 {
        "read"
    } else {
        return None;
    };
    // A directory that can't be looked at is one that we know nothing of.
    let open = path
        .ancestors()
        .skip(1)
        .all(|dir| mode(dir).is_ok_and(|mode| mode & OTHERS_ENTER != 0));
    open.then_some(how)
}

/// Whether a container's runtime put it there: below `/run/secrets` each file has the mode that the runtime chose, and
/// nobody else is in the container.
fn is_handed_over(path: &Path) -> bool {
    HANDED_OVER.iter().any(|dir| path.starts_with(dir))
}

fn from_file(path: &Path, checked: Check) -> Result<Secret, KeyError> {
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
    fitting(text, whence, help, u8::is_ascii_graphic)
}

/// The same with spaces inside.
fn line(text: &str, whence: &str) -> Result<Secret, KeyError> {
    let help = "a header's value is one line of visible ASCII characters and spaces";
    fitting(text, whence, help, |b| b.is_ascii_graphic() || *b == b' ')
}

fn fitting(
    text: &str,
    whence: &str,
    help: &'static str,
    fits: impl Fn(&u8) -> bool,
) -> Result<Secret, KeyError> {
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
    if !text.as_bytes().iter().all(fits) {
        return Err(KeyError::new(
            format!("{whence} holds characters that no header can carry"),
            help,
        ));
    }
    Ok(Secret::new(text))
}

/// A service account's key, or a user's login as Google's tools keep it. The members that a token is made from must be
/// there. No value of the JSON is ever told, save its type.
fn service_account(text: &str, whence: &str) -> Result<Secret, KeyError> {
    const HELP: &str = "a service account's key is a JSON file with type, project_id, client_email, private_key_id and \
                        private_key; a user's login has type, client_id, client_secret and refresh_token";
    const OTHERS: [&str; 2] = ["external_account", "impersonated_service_account"];
    let text = text.trim();
    if text.len() > MAX_SECRET_BYTES {
        let message = format!("{whence} has more than {MAX_SECRET_BYTES} bytes");
        return Err(KeyError::new(message, HELP));
    }
    let Ok(json) = serde_json::from_str::<serde_json::Value>(text) else {
        return Err(KeyError::new(format!("{whence} is not JSON"), HELP));
    };
    let member = |name: &str| {
        json.get(name)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
    };
    let has = |names: &[&str]| names.iter().all(|name| !member(name).is_empty());
    if let Some(other) = OTHERS.iter().find(|other| **other == member("type")) {
        return Err(KeyError::new(
            format!("{whence} is of type {other}, neither the key of a service account nor a login"),
            "take a service account's key, or google = { metadata = true } on a Google machine",
        ));
    }
    let is_whole = match member("type") {
        "service_account" => has(&["project_id", "client_email", "private_key_id", "private_key"]),
        "authorized_user" => has(&["client_id", "client_secret", "refresh_token"]),
        _ => false,
    };
    if !is_whole {
        return Err(KeyError::new(
            format!("{whence} is neither the key of a service account nor a login"),
            HELP,
        ));
    }
    Ok(Secret::new(text))
}

pub(super) fn is_variable_name(name: &str) -> bool {
    name.bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_file_is_for_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let (inner, file) = (dir.path().join("keys"), dir.path().join("keys/a.key"));
        fs::create_dir(&inner).unwrap();
        fs::write(&file, "sk-marked-key\n").unwrap();
        let link = dir.path().join("link.key");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for (above, around, mode, refused) in [
            (0o755, 0o755, 0o600, None),
            (0o755, 0o755, 0o640, None),
            (0o755, 0o755, 0o644, Some("may read")),
            (0o755, 0o755, 0o604, Some("may read")),
            (0o755, 0o755, 0o666, Some("may change")),
            (0o755, 0o755, 0o602, Some("may change")),
            // Nobody gets there.
            (0o755, 0o750, 0o644, None),
            (0o700, 0o755, 0o644, None),
        ] {
            set(dir.path(), above);
            set(&inner, around);
            set(&file, mode);
            for path in [&file, &link] {
                let read = read_key_file(path);
                match refused {
                    None => assert_eq!(read.unwrap().expose(), "sk-marked-key", "{mode:o}"),
                    Some(how) => {
                        let why = read.unwrap_err();
                        assert!(why.contains(how) && why.contains("chmod 600"), "{mode:o}: {why}");
                        assert!(!why.contains("sk-marked"), "{why}");
                    }
                }
            }
        }
        set(&inner, 0o700);
    }

    #[test]
    fn what_a_runtime_hands_over_has_the_mode_that_it_chose() {
        for (path, handed) in [
            ("/run/secrets/key", true),
            ("/var/run/secrets/team/key", true),
            ("/run/secrets-of-mine/key", false),
            ("/tmp/run/secrets/key", false),
        ] {
            assert_eq!(is_handed_over(Path::new(path)), handed, "{path}");
        }
    }
}
