use std::{fmt::Write, os::unix::fs::PermissionsExt};

use super::{super::*, *};

/// What no message may hold.
const PLANTED: &str = "planted-9f86d081";

/// A certificate, PEM.
fn certificate() -> String {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    made.cert.pem()
}

/// A folder with a configuration whose only provider has these lines.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(files: &[(&str, &str)]) -> Self {
        let place = Self::new();
        for (name, text) in files {
            fs::write(place.0.path().join(name), text).unwrap();
        }
        place
    }

    fn load(&self, lines: &str) -> Result<Egress, Diagnostics> {
        let path = self.0.path().join("endturn.toml");
        fs::write(&path, format!("[[provider]]\nid = \"anthropic\"\n{lines}\n")).unwrap();
        let vars = [
            ("ANTHROPIC_API_KEY", "k".to_owned()),
            ("PLAIN", "https://proxy.corp".to_owned()),
            ("LOGIN", format!("http://me%40corp:{PLANTED}%3A@proxy.corp:3128/")),
            ("WRONG", format!("socks5://me:{PLANTED}@proxy.corp")),
            ("TEXT", PLANTED.to_owned()),
        ];
        let env = Env {
            vars: vars.map(|(name, value)| (name.to_owned(), value)).into(),
            // Relative paths don't count from here.
            working_dir: "/nowhere".into(),
            ..Env::default()
        };
        match load(Some(&path), &env) {
            Ok(mut loaded) => Ok(loaded.config.providers.remove(0).egress),
            Err(ConfigError::Invalid(findings)) => Err(findings),
            Err(error) => panic!("{error}"),
        }
    }

    /// The only message of what is wrong, without the folder's name; it stands in line 3.
    fn wrong(&self, lines: &str) -> String {
        let findings = self.load(lines).expect_err(lines);
        let shown = findings.render(false);
        assert!(!shown.contains(PLANTED), "{shown}");
        let found: Vec<_> = findings.found().collect();
        assert_eq!(found.len(), 1, "{shown}");
        assert_eq!(found[0].position.map(|at| at.line), Some(3), "{shown}");
        assert!(
            found[0].item.help.is_some() || found[0].item.message.contains("expected"),
            "{shown}"
        );
        let dir = format!("{}/", self.0.path().display());
        found[0].item.message.replace(&dir, "")
    }
}

#[test]
fn a_proxy_is_named_by_url_or_reference_or_ruled_out() {
    let place = Place::new();
    let proxy = |lines: &str| {
        place
            .load(lines)
            .unwrap_or_else(|e| panic!("{}", e.render(false)))
            .proxy
    };
    assert_eq!(proxy(""), Proxy::Environment);
    assert_eq!(proxy("proxy = false"), Proxy::Direct);
    for (lines, name, login) in [
        ("proxy = \"http://proxy.corp:3128\"", "proxy.corp:3128", None),
        ("proxy = \"http://10.0.0.1/\"", "10.0.0.1:80", None),
        ("proxy = \"https://[fd00::1]\"", "[fd00::1]:443", None),
        ("proxy = { env = \"PLAIN\" }", "proxy.corp:443", None),
        (
            "proxy = { env = \"LOGIN\" }",
            "proxy.corp:3128",
            Some(format!("me@corp:{PLANTED}:")),
        ),
    ] {
        let Proxy::Through(server) = proxy(lines) else {
            panic!("{lines}")
        };
        assert_eq!(server.name(), name, "{lines}");
        assert_eq!(
            server.login.as_ref().map(Secret::expose),
            login.as_deref(),
            "{lines}"
        );
        assert!(!server.url.as_str().contains('@'), "{lines}");
        let sent = server.authorization();
        assert_eq!(sent.is_some(), login.is_some());
        assert!(sent.is_none_or(|value| value.is_sensitive()));
        assert!(!format!("{server:?}").contains(PLANTED));
    }
}

#[test]
fn a_login_is_sent_as_rfc_7617_has_it() {
    let server = server("http://Aladdin:open%20sesame@proxy").unwrap();
    assert_eq!(
        server.authorization().unwrap(),
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    );
}

#[test]
fn a_wrong_proxy_is_an_error_that_shows_nothing() {
    let place = Place::new();
    let no_url = "proxy is no http or https URL";
    let more = "proxy has more behind its host and port";
    let socks = "proxy is a SOCKS proxy, which endturn doesn't speak to";
    for (value, message) in [
        (format!("\"http://me:{PLANTED}@proxy.corp\""), INLINE_SECRET),
        (format!("\"me:{PLANTED}@proxy.corp:3128\""), INLINE_SECRET),
        ("\"proxy.corp:3128\"".to_owned(), no_url),
        ("\"ftp://proxy.corp\"".to_owned(), no_url),
        ("\"http://\"".to_owned(), no_url),
        ("\"\"".to_owned(), no_url),
        (format!("\"http://proxy.corp/{PLANTED}\""), more),
        (format!("\"http://proxy.corp?{PLANTED}\""), more),
        ("\"socks5h://proxy.corp:1080\"".to_owned(), socks),
        ("{ env = \"WRONG\" }".to_owned(), socks),
        ("{ env = \"TEXT\" }".to_owned(), no_url),
        (
            "{ env = \"UNSET\" }".to_owned(),
            "the environment variable UNSET is not set",
        ),
        (
            "true".to_owned(),
            "invalid type: boolean `true`, expected \"http://proxy.example:3128\", { env = \"NAME\" } or false",
        ),
    ] {
        assert_eq!(place.wrong(&format!("proxy = {value}")), message, "{value}");
    }
}

#[test]
fn certificates_are_read_from_one_file_or_several_beside_the_configuration() {
    let (one, two) = (certificate(), certificate());
    let both = format!("# ours\n{one}\nand\n{two}");
    let place = Place::with(&[("one.pem", &one), ("two.pem", &two), ("both.pem", &both)]);
    let roots = |lines: &str| {
        place
            .load(lines)
            .unwrap_or_else(|e| panic!("{}", e.render(false)))
            .roots
    };
    let alone = roots("ca = \"one.pem\"");
    assert_eq!((roots("").len(), alone.len()), (0, 1));
    assert_eq!(
        roots("ca = [\"one.pem\", \"two.pem\"]"),
        roots("ca = \"both.pem\"")
    );
    let absolute = format!("ca = \"{}\"", place.0.path().join("one.pem").display());
    assert_eq!(roots(&absolute), alone);
    fs::write(place.0.path().join("one.pem"), &two).unwrap();
    assert_ne!(roots("ca = \"one.pem\""), alone, "a renewed file is read anew");
}

#[test]
fn a_file_without_sound_certificates_is_an_error() {
    let whole = certificate();
    let cut = whole.replace("-----END CERTIFICATE-----", "");
    let other = whole.replace("CERTIFICATE", "PUBLIC KEY");
    let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let place = Place::with(&[
        ("whole.pem", &whole),
        ("empty.pem", ""),
        ("cut.pem", &cut),
        ("other.pem", &other),
        ("second.pem", &format!("{whole}{garbled}")),
    ]);
    for (value, message) in [
        ("[]", "ca names no file"),
        ("\"empty.pem\"", "there is no certificate in empty.pem"),
        ("\"other.pem\"", "there is no certificate in other.pem"),
        ("\"cut.pem\"", "certificate 1 in cut.pem is no sound PEM"),
        (
            "[\"whole.pem\", \"second.pem\"]",
            "certificate 2 in second.pem is no X.509 certificate",
        ),
        ("\".\"", "cannot read the certificates in .: it is no file"),
        (
            "true",
            "invalid type: boolean `true`, expected the path of a PEM file, or a list of them",
        ),
    ] {
        assert_eq!(place.wrong(&format!("ca = {value}")), message);
    }
    let missing = place.wrong("ca = \"gone.pem\"");
    assert!(
        missing.starts_with("cannot read the certificates in gone.pem: No such file"),
        "{missing}"
    );
}

#[test]
fn what_everybody_may_write_into_vouches_for_nobody() {
    let place = Place::with(&[("ca.pem", &certificate())]);
    let set = |name: &str, mode| {
        fs::set_permissions(place.0.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    set(".", 0o755);
    for mode in [0o600, 0o644] {
        set("ca.pem", mode);
        assert!(place.load("ca = \"ca.pem\"").is_ok(), "{mode:o}");
    }
    set("ca.pem", 0o666);
    let told = place.wrong("ca = \"ca.pem\"");
    assert_eq!(told, "everybody on this machine may change ca.pem");
}

#[test]
fn files_and_certificates_are_bounded() {
    let one = certificate();
    let padded = |bytes: u64| format!("{one}{}", "#".repeat(usize::try_from(bytes).unwrap() - one.len()));
    let many = |n: usize| vec!["\"one.pem\""; n].join(", ");
    let mut most = String::new();
    for _ in 0..MAX_CA_CERTIFICATES {
        let _ = write!(most, "{one}");
    }
    let place = Place::with(&[
        ("one.pem", &one),
        ("large.pem", &padded(MAX_CA_BYTES)),
        ("too-large.pem", &padded(MAX_CA_BYTES + 1)),
        ("most.pem", &most),
    ]);
    for lines in [
        format!("ca = [{}]", many(MAX_CA_FILES)),
        "ca = \"large.pem\"".to_owned(),
        "ca = \"most.pem\"".to_owned(),
    ] {
        assert!(place.load(&lines).is_ok(), "{lines}");
    }
    for (value, message) in [
        (
            format!("[{}]", many(MAX_CA_FILES + 1)),
            "ca names more than 16 files",
        ),
        (
            "\"too-large.pem\"".to_owned(),
            "cannot read the certificates in too-large.pem: it has more than 1048576 bytes",
        ),
        (
            "[\"most.pem\", \"one.pem\"]".to_owned(),
            "ca holds more than 256 certificates",
        ),
    ] {
        assert_eq!(place.wrong(&format!("ca = {value}")), message);
    }
}

#[test]
fn a_list_of_tokens_is_told_where_tokens_go() {
    let text = "[server]\ntokens = []\n[[provider]]\nid = \"anthropic\"\n";
    let Err(ConfigError::Invalid(findings)) = load_text("t.toml", text, &Env::default()) else {
        panic!("this was taken")
    };
    let help = findings.items()[0].help.as_deref().unwrap();
    assert!(
        help.contains("[[server.token]]") && help.contains("endturn token new"),
        "{help}"
    );
}
