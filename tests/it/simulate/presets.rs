//! Every shipped preset against the simulator: the preset's own paths, parameters and expectations, through the probe's
//! own code. Only the host is another.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path, sync::Arc, time::Duration};

use endturn::{
    clock::Clock,
    config::{Auth, Env, Loaded, Provider, Secret, load_text},
    health::Deadlines,
    probe::{ProbeJob, ProbeKind, ProbeReport, Prober},
    verdict::{Purpose, Truncation, Verdict},
};
use url::Url;

use super::client::Running;

/// A preset's name, with what a configuration must add, and the vendor that is to stand in.
struct Case {
    preset: String,
    vendor: String,
    model: String,
    config: String,
}

/// One case for each shipped preset, and one for each further way to say where it is or who asks.
fn cases() -> Vec<Case> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("probes/providers");
    let mut cases = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let preset = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let file: toml::Table = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let vendor = match preset.as_str() {
            "openai-responses" => "openai",
            // Anybody's: it has no base URL of its own.
            "openai-compatible" => continue,
            other => other,
        };
        let text = |name: &str| file.get(name).and_then(toml::Value::as_str).unwrap_or("");
        let config = if text("auth") == "google" {
            "google = { metadata = true }\n"
        } else {
            "api_key = { env = \"KEY\" }\n"
        };
        let case = |more: &str| Case {
            preset: preset.clone(),
            vendor: vendor.to_owned(),
            model: match text("default_model") {
                "" => "some-model".to_owned(),
                model => model.to_owned(),
            },
            config: format!("{config}{more}"),
        };
        let vars = file.get("vars").and_then(toml::Value::as_table);
        let named: Vec<&str> = vars
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        for region in ["us-east-1", "global"] {
            let mut values = BTreeMap::from([("resource", "r"), ("project", "p")]);
            values.insert("region", region);
            values.retain(|name, _| named.contains(name));
            if named.contains(&"region") || region == "global" {
                cases.push(case(&table("vars", &values)));
            }
            if named.contains(&"api_version") && region == "global" {
                values.insert("api_version", "2024-10-21");
                cases.push(case(&table("vars", &values)));
            }
        }
        if text("auth") == "aws" {
            let keys = "aws = { access_key_id = { env = \"KEY\" }, secret_access_key = { env = \"KEY\" } }\n";
            let vars = table("vars", &BTreeMap::from([("region", "eu-west-1")]));
            cases.push(Case {
                config: format!("{keys}{vars}"),
                ..case("")
            });
        }
    }
    cases
}

fn table(name: &str, values: &BTreeMap<&str, &str>) -> String {
    if values.is_empty() {
        return String::new();
    }
    let mut pairs = String::new();
    for (name, value) in values {
        let _ = write!(pairs, "{name} = \"{value}\", ");
    }
    format!("{name} = {{ {} }}\n", pairs.trim_end_matches(", "))
}

fn load(case: &Case) -> Loaded {
    let text = format!(
        "[[provider]]\nid = \"{}\"\nlong = {{ every = \"1h\" }}\njson = {{ every = \"1h\" }}\n\
         tool = {{ every = \"1h\" }}\n{}[[provider.model]]\nid = \"{}\"\n\
         price = {{ input_usd_per_mtok = 0, output_usd_per_mtok = 0 }}\n",
        case.preset, case.config, case.model
    );
    let env = Env {
        vars: BTreeMap::from([("KEY".to_owned(), "k".to_owned())]),
        ..Env::default()
    };
    load_text("presets.toml", &text, &env).unwrap_or_else(|error| panic!("{}: {error}\n{text}", case.preset))
}

/// The same URL at the simulator, below the vendor's base path.
fn moved(url: &Url, sim: &Running, vendor: &str) -> Url {
    let mut moved = url.clone();
    moved.set_scheme("http").unwrap();
    moved.set_host(Some("127.0.0.1")).unwrap();
    moved.set_port(Some(sim.addr.port())).unwrap();
    moved.set_path(&format!("/{vendor}{}", url.path()));
    moved
}

/// The preset's provider, moved. A token that somebody else would have to issue becomes a plain one.
fn provider(case: &Case, sim: &Running) -> Provider {
    let mut provider = load(case).config.providers[0].clone();
    provider.base_url = moved(&provider.base_url, sim, &case.vendor);
    if let Some(reach) = &mut provider.reach {
        reach.base_url = reach.base_url.as_ref().map(|url| moved(url, sim, &case.vendor));
    }
    if provider.auth == Auth::GoogleToken {
        provider.auth = Auth::Bearer;
        provider.key = Some(Secret::new("ya29.simulated"));
        provider.cloud = None;
    }
    provider
}

async fn probe(prober: &Prober, provider: &Provider, kind: ProbeKind, fault: &str) -> ProbeReport {
    let mut model = provider.models[0].clone();
    if !fault.is_empty() {
        model.id = format!("{}!{fault}", model.id).parse().unwrap();
    }
    let job = ProbeJob {
        provider: Arc::new(provider.clone()),
        model: Arc::new(model),
        kind,
        purpose: Purpose::Scheduled,
        deadlines: Deadlines {
            soft: Duration::from_secs(10),
            hard: Duration::from_secs(20),
        },
        connect: None,
        check_text: true,
        seed: 7,
    };
    prober.run(&job, |_, _| {}).await
}

#[tokio::test]
async fn every_shipped_preset_is_complete_and_its_cuts_are_found() {
    let sim = Running::instant(1).await;
    let prober = Prober::new(Clock::system()).unwrap();
    let cases = cases();
    assert!(cases.len() > 25, "{}", cases.len());
    for case in &cases {
        let provider = provider(case, &sim);
        let name = format!("{} at {}", case.preset, provider.base_url);
        for kind in ProbeKind::ALL
            .into_iter()
            .filter(|kind| *kind != ProbeKind::Reach)
        {
            let healthy = probe(&prober, &provider, kind, "").await;
            let seen = &healthy.observation;
            let case = format!("{name} {}", kind.as_str());
            assert_eq!(seen.verdict, Verdict::Complete, "{case}: {:?}", seen.detail);
        }
        for (fault, wanted) in [
            ("truncate.fin", Verdict::Truncated(Truncation::Cut)),
            ("truncate.no_terminal", Verdict::Truncated(Truncation::Cut)),
            ("truncate.silent", Verdict::Truncated(Truncation::Silent)),
        ] {
            for kind in [ProbeKind::Canary, ProbeKind::Json] {
                let seen = probe(&prober, &provider, kind, fault).await.observation;
                assert_eq!(
                    seen.verdict,
                    wanted,
                    "{name} {} {fault}: {:?}",
                    kind.as_str(),
                    seen.detail
                );
            }
        }
    }
    sim.stop().await;
}

#[tokio::test]
async fn every_shipped_preset_is_reached_with_and_without_a_key() {
    let sim = Running::instant(1).await;
    let prober = Prober::new(Clock::system()).unwrap();
    for case in &cases() {
        let mut provider = provider(case, &sim);
        let name = format!("{} at {}", case.preset, provider.base_url);
        let with = probe(&prober, &provider, ProbeKind::Reach, "").await;
        let told = |report: &ProbeReport| {
            let body = String::from_utf8_lossy(&report.timeline.raw).into_owned();
            format!(
                "{:?} {:?} {body}",
                report.observation.http_status, report.observation.detail
            )
        };
        assert!(with.observation.expected, "{name}: {}", told(&with));
        (provider.key, provider.cloud) = (None, None);
        let without = probe(&prober, &provider, ProbeKind::Reach, "").await;
        assert!(
            without.observation.expected,
            "{name} without a key: {}",
            told(&without)
        );
    }
    sim.stop().await;
}
