//! The way out: probes by a proxy, and certificates that one provider is trusted by.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use endturn::{
    clock::Clock,
    config::{Egress, ProbeLimits, Provider, Proxy as ProxyUse, ProxyServer, Secret},
    probe::{ProbeKind, ProbeReport, Prober},
    protocol::ErrorClass,
    verdict::{Connection, FailedAt, Failure, Verdict},
};

use crate::support::{
    good_answer, job, provider,
    proxy::{Manner, Proxy, nobody},
    server::{Server, request, send, serve},
    short_limits, tls,
};

/// What the proxies of this file want, and how they are told.
const LOGIN: &str = "planted-user:planted-password";
const TOLD: &str = "Proxy-Authorization: Basic cGxhbnRlZC11c2VyOnBsYW50ZWQtcGFzc3dvcmQ=";

/// A way out by that proxy, with the test's own certificate trusted.
fn by(scheme: &str, name: &str, login: Option<&str>) -> Egress {
    Egress {
        proxy: ProxyUse::Through(ProxyServer {
            url: format!("{scheme}://{name}").parse().unwrap(),
            login: login.map(Secret::new),
        }),
        roots: vec![tls::root()].into(),
    }
}

fn behind(origin: &str, egress: &Egress, limits: ProbeLimits) -> Provider {
    Provider {
        egress: egress.clone(),
        ..provider(origin, limits)
    }
}

/// Somebody who answers every canary rightly, by https or plain http; with the origin.
async fn answering(scheme: &'static str) -> (Server, String) {
    let server = serve(move |_, mut socket| async move {
        if scheme == "http" {
            while request(&mut socket).await.is_some() && send(&mut socket, good_answer()).await {}
        } else if let Ok(mut socket) = tls::acceptor("http/1.1").accept(socket).await {
            while request(&mut socket).await.is_some() && send(&mut socket, good_answer()).await {}
        }
    })
    .await;
    let origin = format!("{scheme}://{}", server.addr);
    (server, origin)
}

async fn probe(prober: &Prober, provider: Provider, kind: ProbeKind) -> ProbeReport {
    prober.run(&job(provider, kind), |_, _| {}).await
}

fn errored(class: ErrorClass) -> Verdict {
    let at = FailedAt::Transport;
    Verdict::Errored(Failure { class, at })
}

#[tokio::test]
async fn probes_go_by_the_proxy_of_their_provider() {
    for (scheme, asked) in [("https", "CONNECT "), ("http", "POST http://")] {
        let (server, origin) = answering(scheme).await;
        let proxy = Proxy::start(Manner::Wants(TOLD)).await;
        let prober = Prober::new(Clock::system()).unwrap();
        let provider = behind(
            &origin,
            &by("http", &proxy.name, Some(LOGIN)),
            ProbeLimits::default(),
        );
        let first = probe(&prober, provider.clone(), ProbeKind::Canary).await;
        let seen = &first.observation;
        assert_eq!(seen.verdict, Verdict::Complete, "{scheme}: {:?}", seen.detail);
        assert_eq!(seen.connection, Some(Connection::Fresh));
        assert!(
            seen.phases.connect.is_some() && seen.phases.dns.is_none(),
            "{scheme}"
        );
        assert_eq!(proxy.asked().len(), 1);
        let line = &proxy.asked()[0];
        assert!(line.starts_with(&format!("{asked}{}", server.addr)), "{line}");
        // A tunnel is kept as any connection is; the first one after it may be that of the freshness rule.
        let again = probe(&prober, provider, ProbeKind::Canary).await.observation;
        assert_eq!(again.verdict, Verdict::Complete, "{scheme}: {:?}", again.detail);
        assert_eq!(
            proxy.asked().len(),
            2 - usize::from(again.connection == Some(Connection::Reused))
        );
    }
}

#[tokio::test]
async fn a_tunnel_is_part_of_connecting_and_of_no_later_phase() {
    let wait = Duration::from_millis(150);
    let (_server, origin) = answering("https").await;
    let proxy = Proxy::start(Manner::PassesAfter(wait)).await;
    let name = proxy.name.replace("127.0.0.1", "localhost");
    let prober = Prober::new(Clock::system()).unwrap();
    let provider = behind(&origin, &by("http", &name, None), ProbeLimits::default());
    let report = probe(&prober, provider, ProbeKind::Canary).await;
    let phases = report.observation.phases;
    assert_eq!(
        report.observation.verdict,
        Verdict::Complete,
        "{:?}",
        report.observation.detail
    );
    // The proxy's name was looked up; whatever came after it until the connection was open is one figure.
    assert!(
        phases.dns.is_some() && phases.connect.unwrap() >= wait,
        "{phases:?}"
    );
    assert_eq!(phases.request, Some(Duration::ZERO));
}

#[tokio::test]
async fn what_a_proxy_refuses_is_ours_and_names_it() {
    let hang = "no connection within 400ms";
    let login = "it asks for a login or refuses ours (407)";
    let refused = "it refused to connect us";
    for (manner, why) in [
        (None, "Connection refused"),
        (Some(Manner::Wants(TOLD)), login),
        (Some(Manner::Answers(403)), refused),
        (Some(Manner::Answers(502)), refused),
        (Some(Manner::Closes), "unexpected end of file"),
        (Some(Manner::Hangs), hang),
    ] {
        let (_server, origin) = answering("https").await;
        let proxy = match manner {
            Some(manner) => Some(Proxy::start(manner).await),
            None => None,
        };
        let name = match &proxy {
            Some(proxy) => proxy.name.clone(),
            None => nobody().await,
        };
        let prober = Prober::new(Clock::system()).unwrap();
        let egress = by("http", &name, Some("planted-user:planted-wrong"));
        for kind in [ProbeKind::Canary, ProbeKind::Reach] {
            let report = probe(&prober, behind(&origin, &egress, short_limits()), kind).await;
            let seen = &report.observation;
            assert_eq!(
                seen.verdict,
                errored(ErrorClass::InvalidRequest),
                "{manner:?}: {:?}",
                seen.detail
            );
            let detail = seen.detail.as_deref().unwrap();
            assert!(
                detail.starts_with(&format!("proxy {name}: ")) && detail.contains(why),
                "{manner:?}: {detail}"
            );
            assert!(!format!("{report:?}").contains("planted"), "{report:?}");
        }
    }
}

#[tokio::test]
async fn plain_http_that_the_proxy_stops_is_ours_too() {
    let (_server, origin) = answering("http").await;
    let wanting = Proxy::start(Manner::Wants(TOLD)).await;
    let names = [nobody().await, wanting.name.clone()];
    for name in names {
        let prober = Prober::new(Clock::system()).unwrap();
        let provider = behind(&origin, &by("http", &name, None), short_limits());
        let seen = probe(&prober, provider, ProbeKind::Canary).await.observation;
        assert_eq!(
            seen.verdict,
            errored(ErrorClass::InvalidRequest),
            "{:?}",
            seen.detail
        );
        assert!(seen.detail.unwrap().starts_with(&format!("proxy {name}: ")));
    }
}

#[tokio::test]
async fn what_happens_inside_the_tunnel_is_between_us_and_the_provider() {
    let (_server, origin) = answering("https").await;
    let proxy = Proxy::start(Manner::Passes).await;
    let prober = Prober::new(Clock::system()).unwrap();
    // Nobody vouches for its certificate.
    let stranger = Egress {
        roots: [].into(),
        ..by("http", &proxy.name, None)
    };
    let seen = probe(
        &prober,
        behind(&origin, &stranger, short_limits()),
        ProbeKind::Canary,
    )
    .await;
    let seen = seen.observation;
    assert_eq!(seen.verdict, errored(ErrorClass::Tls), "{:?}", seen.detail);
    assert_eq!(proxy.asked().len(), 1);
}

#[tokio::test]
async fn a_proxy_may_be_spoken_to_by_https() {
    let (server, origin) = answering("https").await;
    let behind_tls = Proxy::start(Manner::Passes).await;
    let at = behind_tls.name.clone();
    // TLS in front of the plain one.
    let front = serve(move |_, socket| {
        let at = at.clone();
        async move {
            if let Ok(mut socket) = tls::acceptor("http/1.1").accept(socket).await {
                let mut plain = tokio::net::TcpStream::connect(at).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut socket, &mut plain).await;
            }
        }
    })
    .await;
    let prober = Prober::new(Clock::system()).unwrap();
    let name = front.addr.to_string();
    let provider = behind(&origin, &by("https", &name, None), ProbeLimits::default());
    let seen = probe(&prober, provider, ProbeKind::Canary).await.observation;
    assert_eq!(seen.verdict, Verdict::Complete, "{:?}", seen.detail);
    assert!(behind_tls.asked()[0].contains(&server.addr.to_string()));
    // A proxy whose certificate nobody vouches for is no evidence against the provider.
    let stranger = Egress {
        roots: [].into(),
        ..by("https", &name, None)
    };
    let seen = probe(
        &prober,
        behind(&origin, &stranger, short_limits()),
        ProbeKind::Canary,
    )
    .await;
    let seen = seen.observation;
    assert_eq!(
        seen.verdict,
        errored(ErrorClass::InvalidRequest),
        "{:?}",
        seen.detail
    );
    assert!(seen.detail.unwrap().starts_with(&format!("proxy {name}: ")));
}

#[tokio::test]
async fn a_certificate_is_trusted_for_its_provider_only() {
    let (_server, origin) = answering("https").await;
    let prober = Prober::new(Clock::system()).unwrap();
    let trusting = Egress {
        roots: vec![tls::root()].into(),
        ..Egress::default()
    };
    for (egress, verdict) in [
        (&trusting, Verdict::Complete),
        (&Egress::default(), errored(ErrorClass::Tls)),
        (&trusting, Verdict::Complete),
    ] {
        let seen = probe(
            &prober,
            behind(&origin, egress, short_limits()),
            ProbeKind::Canary,
        )
        .await;
        assert_eq!(seen.observation.verdict, verdict, "{:?}", seen.observation.detail);
    }
    // Given up at a reload, it is made anew where it is asked for.
    prober.set_providers(&[provider(&origin, short_limits())]);
    let seen = probe(
        &prober,
        behind(&origin, &trusting, short_limits()),
        ProbeKind::Canary,
    )
    .await;
    assert_eq!(seen.observation.connection, Some(Connection::Fresh));
    assert_eq!(seen.observation.verdict, Verdict::Complete);
}
