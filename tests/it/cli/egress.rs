//! `proxy` and `ca` of a provider as an operator has them: files, variables, reloads.

use super::{Place, running::Running};
use crate::support::{
    live::{Providers, get, json, until},
    proxy::{Manner, Proxy, nobody},
    server::{Server, serve},
    tls,
};

const PASSWORD: &str = "planted-5f2c9d1e7a";
/// What the proxy is told of `corp` and that password.
const TOLD: &str = "Proxy-Authorization: Basic Y29ycDpwbGFudGVkLTVmMmM5ZDFlN2E=";
const HAIKU: &str = "anthropic/haiku";

/// TLS in front of a simulator.
async fn encrypted(providers: &Providers) -> Server {
    let behind = providers.addr;
    serve(move |_, socket| async move {
        if let Ok(mut socket) = tls::acceptor("http/1.1").accept(socket).await {
            let mut plain = tokio::net::TcpStream::connect(behind).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut socket, &mut plain).await;
        }
    })
    .await
}

fn entry(providers: &Providers, server: &Server, lines: &str) -> String {
    providers
        .entry("anthropic", "anthropic", "\"haiku\"", "100ms")
        .replace(
            &format!("http://{}", providers.addr),
            &format!("https://{}", server.addr),
        )
        .replace("reach = false", "reach = { every = \"100ms\" }")
        + lines
}

async fn state(addr: std::net::SocketAddr) -> String {
    let health = json(addr, &format!("/v1/health/{HAIKU}")).await;
    health["state"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_refuses_is_nobodys_outage_and_a_wrong_file_changes_nothing() {
    let (place, providers) = (Place::new(), Providers::start().await);
    let server = encrypted(&providers).await;
    let proxy = Proxy::start(Manner::Wants(TOLD)).await;
    place.write("ca.pem", tls::pem());
    place.write("proxy.url", &format!("http://corp:{PASSWORD}@{}", proxy.name));
    // A second one, well and reached directly, vouches for our network: what fails is told.
    let other = providers.entry("openai", "openai/v1", "\"gpt-5.2\"", "100ms");
    let configure = |lines: &str| {
        place.configure("endturn.toml", &(entry(&providers, &server, lines) + &other));
    };
    configure("ca = \"ca.pem\"\nproxy = { file = \"proxy.url\" }\n");
    let daemon = Running::start(&place, &["run"]);
    let addr = daemon.addr().await;
    until("health", || async {
        (state(addr).await == "operational").then_some(())
    })
    .await;
    assert!(
        proxy.asked()[0].starts_with(&format!("CONNECT {}", server.addr)),
        "{:?}",
        proxy.asked()
    );

    let away = nobody().await;
    configure(&format!("ca = \"ca.pem\"\nproxy = \"http://{away}\"\n"));
    daemon.signal("HUP");
    let asked = format!("/v1/observations?target={HAIKU}&limit=100");
    let detail = format!("proxy {away}: Connection refused");
    let refused = until("what the proxy refuses", || async {
        let (_, body) = get(addr, &asked).await;
        (body.matches(&detail).count() >= 30).then_some(body)
    })
    .await;
    assert!(refused.contains("\"invalid_request\""), "{refused}");
    let told = daemon.line("nothing gets out to the provider").await;
    assert!(told.contains("anthropic") && told.contains(&detail), "{told}");
    assert_eq!(state(addr).await, "operational");
    assert_eq!(
        json(addr, "/v1/incidents").await["items"]
            .as_array()
            .map(Vec::len),
        Some(0)
    );

    // Whatever is wrong now, the old configuration goes on.
    for (ca, told) in [
        ("gone.pem", "cannot read the certificates"),
        ("proxy.url", "there is no certificate"),
    ] {
        configure(&format!("ca = \"{ca}\"\n"));
        daemon.signal("HUP");
        daemon.line(told).await;
        let checked = place.run(&["check"]).await.expect(3);
        assert!((checked.out + &checked.err).contains(told));
    }
    configure("ca = \"ca.pem\"\nproxy = { file = \"proxy.url\" }\n");
    let before = proxy.asked().len();
    daemon.signal("HUP");
    until("the way back", || async {
        (proxy.asked().len() > before).then_some(())
    })
    .await;
    daemon.line("requests get out to the provider again").await;
    daemon.signal("TERM");
    let done = daemon.end().await.expect(0);
    assert_eq!(done.err.matches("nothing gets out").count(), 1, "{}", done.err);
    assert!(!done.err.contains(PASSWORD), "{}", done.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_without_a_proxy_goes_past_the_one_that_the_environment_names() {
    let (place, providers) = (Place::new(), Providers::start().await);
    let away = nobody().await;
    let plain = providers.entry("anthropic", "anthropic", "\"haiku\"", "1h");
    let proxy = Proxy::start(Manner::Passes).await;
    let named = format!("proxy = \"http://{}\"\n", proxy.name);
    for (lines, environment, code, told) in [
        ("proxy = false\n", &away, 0, "complete".to_owned()),
        ("", &proxy.name, 0, "complete".to_owned()),
        ("", &away, 5, format!("proxy {away}: Connection refused")),
        (named.as_str(), &away, 0, "complete".to_owned()),
    ] {
        place.configure("endturn.toml", &(plain.clone() + lines));
        let mut command = place.command(&["probe", HAIKU]);
        command.env("http_proxy", format!("http://corp:{PASSWORD}@{environment}"));
        let done = tokio::task::spawn_blocking(move || command.output().unwrap());
        let done = super::Done::from(done.await.unwrap()).expect(code);
        assert!(done.out.contains(&told), "{lines}: {done:#?}");
        assert!(!(done.out + &done.err).contains(PASSWORD), "{lines}");
    }
    assert_eq!(proxy.asked().len(), 2, "{:?}", proxy.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn check_shows_the_way_out_and_no_password() {
    let (place, providers) = (Place::new(), Providers::start().await);
    place.write("ca.pem", tls::pem());
    place.write("proxy.url", &format!("http://corp:{PASSWORD}@proxy.example:3128"));
    let entry = |id: &str, path: &str, lines: &str| providers.entry(id, path, "\"m\"", "1h") + lines;
    let entries = [
        entry(
            "anthropic",
            "anthropic",
            "proxy = { file = \"proxy.url\" }\nca = [\"ca.pem\", \"ca.pem\"]\n",
        ),
        entry("openai", "openai/v1", "proxy = false\n"),
        entry("gemini", "gemini", "ca = \"ca.pem\"\n"),
        entry("mistral", "mistral", ""),
    ];
    place.configure("endturn.toml", &entries.concat());
    let shown = place.run(&["check"]).await.expect(0).out;
    for line in [
        "anthropic is reached by the proxy http://proxy.example:3128/, 2 certificates trusted beside the system's",
        "openai is reached without a proxy, whatever the environment names",
        "gemini is reached as the environment says, 1 certificate trusted beside the system's",
    ] {
        assert!(shown.contains(&format!("\n{line}\n")), "{shown}");
    }
    assert!(
        !shown.contains("mistral is reached") && !shown.contains(PASSWORD),
        "{shown}"
    );
    let json = place.run(&["check", "--json"]).await.expect(0).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let ways: Vec<_> = json["providers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (&it["proxy"], &it["ca"]))
        .collect();
    let url = serde_json::Value::from("http://proxy.example:3128/");
    let (none, null) = (false.into(), serde_json::Value::Null);
    assert_eq!(
        ways,
        [
            (&url, &2.into()),
            (&none, &0.into()),
            (&null, &1.into()),
            (&null, &0.into())
        ]
    );
}
