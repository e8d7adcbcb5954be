//! Providers that the tap reaches by a proxy, or by a certificate of their own.

use endturn::{
    protocol::ErrorClass,
    verdict::{FailedAt, Failure, Verdict},
};

use super::{End, Tapped, ask, entry, post};
use crate::support::{
    events, good_answer,
    proxy::{Manner, Proxy, nobody},
    server::{Server, request, send, serve},
    tls,
};

const PATH: &str = "/openai/v1/chat/completions";
const BODY: &str = r#"{"model":"m","stream":true}"#;

async fn answering() -> Server {
    serve(|_, socket| async move {
        let Ok(mut socket) = tls::acceptor("http/1.1").accept(socket).await else {
            return;
        };
        while request(&mut socket).await.is_some() && send(&mut socket, good_answer()).await {}
    })
    .await
}

/// An entry for that server with these lines, its certificate trusted for it.
fn trusting(server: &Server, dir: &tempfile::TempDir, lines: &str) -> String {
    let path = dir.path().join("ca.pem");
    std::fs::write(&path, tls::pem()).unwrap();
    let base = format!("https://localhost:{}", server.addr.port());
    format!("{}ca = \"{}\"\n{lines}\n", entry("openai", &base), path.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_reached_by_its_proxy_and_trusted_by_its_certificate() {
    let (server, dir) = (answering().await, tempfile::tempdir().unwrap());
    let proxy = Proxy::start(Manner::Passes).await;
    let named = format!("proxy = \"http://{}\"", proxy.name);
    for (lines, tunnels) in [("", 0), ("proxy = false", 0), (named.as_str(), 1)] {
        let tapped = Tapped::start(&trusting(&server, &dir, lines));
        for _ in 0..2 {
            let answer = ask(tapped.addr, post(tapped.addr, PATH, BODY)).await;
            assert_eq!(
                (answer.end, &answer.body[..]),
                (End::Whole, events().concat().as_bytes()),
                "{lines}"
            );
        }
        let seen = tapped.seen(2).await;
        assert!(
            seen.iter().all(|seen| seen.verdict == Verdict::Complete),
            "{seen:?}"
        );
        assert_eq!(proxy.asked().len(), tunnels, "{lines}");
    }
    let asked = proxy.asked();
    assert!(
        asked[0].starts_with(&format!("CONNECT localhost:{} ", server.addr.port())),
        "{asked:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_refuses_is_no_evidence_against_the_provider() {
    let (server, dir) = (answering().await, tempfile::tempdir().unwrap());
    for manner in [
        None,
        Some(Manner::Answers(407)),
        Some(Manner::Answers(502)),
        Some(Manner::Closes),
    ] {
        let proxy = match manner {
            Some(manner) => Some(Proxy::start(manner).await),
            None => None,
        };
        let name = match &proxy {
            Some(proxy) => proxy.name.clone(),
            None => nobody().await,
        };
        let tapped = Tapped::start(&trusting(&server, &dir, &format!("proxy = \"http://{name}\"")));
        let answer = ask(tapped.addr, post(tapped.addr, PATH, BODY)).await;
        assert_eq!(answer.end, End::Refused, "{manner:?}");
        let seen = tapped.seen(1).await;
        let (class, at) = (ErrorClass::InvalidRequest, FailedAt::Transport);
        assert_eq!(
            seen[0].verdict,
            Verdict::Errored(Failure { class, at }),
            "{manner:?}"
        );
        let detail = seen[0].detail.as_deref().unwrap_or_default();
        assert!(detail.starts_with(&format!("proxy {name}: ")), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_not_passed_on_by_a_proxy_and_never_past_it() {
    let server = serve(|_, _| async { panic!("nobody is to come here") }).await;
    let proxy = Proxy::start(Manner::Passes).await;
    let base = format!("http://{}", server.addr);
    let lines = format!("{}proxy = \"http://{}\"\n", entry("openai", &base), proxy.name);
    let tapped = Tapped::start(&lines);
    let answer = ask(tapped.addr, post(tapped.addr, PATH, BODY)).await;
    let text = String::from_utf8_lossy(&answer.body);
    assert!(
        answer.end == End::Whole && text.contains("provider openai has a proxy"),
        "{text}"
    );
    assert!(proxy.asked().is_empty());
}
