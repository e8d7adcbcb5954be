//! What `[server]` may say, and what follows from it.

use std::path::PathBuf;

use super::*;
use crate::config::{Env, load_text};

const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn loaded(server: &str) -> Result<Server, Vec<String>> {
    let env = Env {
        working_dir: PathBuf::from("."),
        system_dir: PathBuf::new(),
        ..Env::default()
    };
    let provider = "[[provider]]\nid = \"anthropic\"\n";
    match load_text("endturn.toml", &format!("[server]\n{server}\n{provider}"), &env) {
        Ok(loaded) => Ok(loaded.config.server),
        Err(crate::config::ConfigError::Invalid(findings)) => {
            let told = findings
                .lines()
                .filter(|line| !line.contains("has no credential"));
            Err(told.collect())
        }
        Err(other) => panic!("{other}"),
    }
}

fn token(scope: &str) -> String {
    format!("[[server.token]]\nname = \"{scope}\"\nsha256 = \"{DIGEST}\"\nscopes = [\"{scope}\"]\n")
}

#[test]
fn beyond_loopback_only_with_tokens_and_names() {
    let hosts = "allowed_hosts = [\"status.example.com\"]";
    for listen in ["0.0.0.0:7411", "[::]:7411", "10.0.0.5:7411"] {
        let server = |hosts: &str, token: &str| loaded(&format!("listen = \"{listen}\"\n{hosts}\n{token}"));
        let whole = server(hosts, &token("report")).unwrap();
        assert!(whole.is_guarded() && whole.reading == Reading::Tokens, "{listen}");
        for (hosts, token, parts) in [
            ("", String::new(), &["no access tokens", "names no host"][..]),
            (hosts, String::new(), &["no access tokens"]),
            ("", token("read"), &["names no host"]),
            ("allowed_hosts = []", token("read"), &["names no host"]),
        ] {
            let found = server(hosts, &token).unwrap_err();
            assert_eq!(found.len(), parts.len(), "{found:?}");
            for (found, part) in found.iter().zip(parts) {
                assert!(found.contains(part), "{listen}: {found}");
            }
        }
    }
}

#[test]
fn reading_is_free_where_it_always_was() {
    use Reading::{Free, Public, Tokens};
    let (hosts, none) = ("allowed_hosts = [\"status.example.com\"]", "");
    for (head, tokens, wanted) in [
        (none, String::new(), Free),
        ("public_read = true", String::new(), Free),
        (hosts, String::new(), Free),
        (none, token("report"), Free),
        (none, token("admin"), Free),
        (none, token("read"), Tokens),
        (hosts, token("report"), Tokens),
        ("public_read = true", token("report"), Public),
        ("public_read = true", token("read"), Public),
        ("public_read = false", token("report"), Tokens),
    ] {
        let server = loaded(&format!("{head}\n{tokens}")).unwrap();
        assert_eq!(server.reading, wanted, "{head} {tokens}");
    }
}

#[test]
fn names_and_networks_are_checked() {
    let server = loaded(
        "allowed_hosts = [\"Status.Example.COM\", \"10.0.0.5\", \"[fd00::5]\", \"bücher.example\"]\n\
         trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/24\", \"fd00::/64\"]\n\
         agent = \"0.0.0.0:7413\"\nagent_allow = [\"10.0.0.5\"]",
    )
    .unwrap();
    assert_eq!(
        server.allowed_hosts,
        [
            "status.example.com",
            "10.0.0.5",
            "[fd00::5]",
            "xn--bcher-kva.example"
        ]
    );
    let networks: Vec<String> = server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["127.0.0.1/32", "10.0.0.0/24", "fd00::/64"]);
    assert_eq!(server.agent_allow[0].to_string(), "10.0.0.5/32");
    for (line, part) in [
        ("allowed_hosts = [\"*\"]", "no name of a host"),
        ("allowed_hosts = [\"*.example.com\"]", "no name of a host"),
        ("allowed_hosts = [\"https://example.com\"]", "no name of a host"),
        ("allowed_hosts = [\"example.com:443\"]", "no name of a host"),
        ("allowed_hosts = [\"\"]", "no name of a host"),
        ("allowed_hosts = [\"fd00::5\"]", "no name of a host"),
        (
            "trusted_proxies = [\"caddy\"]",
            "neither an address nor a network",
        ),
        ("trusted_proxies = [\"0.0.0.0/0\"]", "the whole internet"),
        ("agent_allow = [\"::/0\"]", "the whole internet"),
        (
            "agent_allow = [\"10.0.0.0/33\"]",
            "neither an address nor a network",
        ),
        ("agent = \"0.0.0.0:1\"", "agent_allow names nobody"),
    ] {
        let found = loaded(line).unwrap_err();
        assert!(found.len() == 1 && found[0].contains(part), "{line}: {found:?}");
    }
}

#[test]
fn lists_are_held_at_their_limits() {
    let list = |key: &str, n: usize, entry: &dyn Fn(usize) -> String| {
        let entries: Vec<String> = (0..n).map(|n| format!("\"{}\"", entry(n))).collect();
        loaded(&format!("{key} = [{}]", entries.join(", ")))
    };
    let host = |n: usize| format!("h{n}.example");
    assert_eq!(
        list("allowed_hosts", MAX_ALLOWED_HOSTS, &host)
            .unwrap()
            .allowed_hosts
            .len(),
        32
    );
    assert!(list("allowed_hosts", MAX_ALLOWED_HOSTS + 1, &host).unwrap_err()[0].contains("too many"));
    let net = |n: usize| format!("10.0.0.{n}");
    for key in ["trusted_proxies", "agent_allow"] {
        assert!(list(key, MAX_NETWORKS, &net).is_ok());
        assert!(list(key, MAX_NETWORKS + 1, &net).unwrap_err()[0].contains("too many"));
    }
}

#[test]
fn a_token_has_one_entry_and_trust_only_to_report() {
    let twice = format!("{}{}", token("read"), token("admin"));
    assert!(loaded(&twice).unwrap_err()[0].contains("the same token is there twice"));
    let trust = token("read") + "trust = \"full\"\n";
    assert!(loaded(&trust).unwrap_err()[0].contains("trust is for reports"));
    let server = loaded(&token("read").replace("[\"read\"]", "[\"read\", \"admin\"]")).unwrap();
    let scopes = &server.tokens[0].scopes;
    assert_eq!(Scope::ALL.map(|scope| scopes.has(scope)), [true, false, true]);
}

#[test]
fn a_reload_takes_tokens_and_names_but_opens_no_socket() {
    let (loopback, public) = (([127, 0, 0, 1], 7411).into(), ([0, 0, 0, 0], 7411).into());
    let guarded = loaded(&format!(
        "listen = \"0.0.0.0:7411\"\nallowed_hosts = [\"a.example\"]\n{}",
        token("read")
    ))
    .unwrap();
    let other = loaded(&format!("allowed_hosts = [\"b.example\"]\n{}", token("admin"))).unwrap();
    let open = loaded("agent = \"127.0.0.1:1\"").unwrap();
    // Names and tokens are the new ones, addresses the old ones.
    let next = guarded.reloaded(&other, public);
    assert_eq!(
        (next.listen, next.allowed_hosts),
        (public, other.allowed_hosts.clone())
    );
    assert_eq!(next.tokens, other.tokens);
    assert_eq!(
        guarded.reloaded(&open, public),
        guarded,
        "nothing that would open it"
    );
    let next = other.reloaded(&open, loopback);
    assert!(next.tokens.is_empty() && next.agent.is_none());
}
