//! A probe of ours through the tap: what the tap says of its reply is what the probe says, and what a probe that goes
//! straight to the provider says.

use std::{sync::Arc, time::Duration};

use endturn::{
    clock::Clock,
    config::{Env, Provider, load_text},
    health::Deadlines,
    probe::{ProbeJob, ProbeKind, Prober},
    verdict::{Observation, Purpose, Source, Verdict},
};

use super::Tapped;
use crate::support::live::{PATIENCE, Providers};

/// Preset, what stands behind the simulator's address, and the model.
const TARGETS: [(&str, &str, &str); 6] = [
    ("anthropic", "anthropic", "claude-haiku-4-5"),
    ("openai", "openai/v1", "gpt-5.2-chat"),
    ("openai-responses", "openai/v1", "gpt-5.2"),
    ("gemini", "gemini", "gemini-2.5-flash-lite"),
    ("ollama", "ollama", "llama3.2"),
    ("cohere", "cohere", "command-r"),
];

/// What shows on the wire. A text that is cut under a natural stop does not: only the probe knows the right one.
const FAULTS: [&str; 13] = [
    "",
    "!truncate.fin",
    "!truncate.reset",
    "!truncate.no_terminal",
    "!truncate.mid_event",
    "!error_event",
    "!status.500",
    "!status.529",
    "!rate_limit",
    "!auth",
    "!garbage",
    "!length",
    "!refusal",
];

/// The preset's provider at that base URL, with a model for each fault.
fn provider(preset: &str, base_url: &str, model: &str) -> Provider {
    let models = FAULTS.map(|fault| format!("\"{model}{fault}\"")).join(", ");
    let text = format!(
        "[[provider]]\nid = \"{preset}\"\nbase_url = \"{base_url}\"\napi_key = {{ env = \"KEY\" }}\nfree = true\n\
         models = [{models}]\n"
    );
    let env = Env {
        vars: [("KEY".to_owned(), "sk-planted-0123456789".to_owned())].into(),
        ..Env::default()
    };
    let mut config = load_text("t.toml", &text, &env)
        .unwrap_or_else(|error| panic!("{error}"))
        .config;
    config.providers.remove(0)
}

async fn probe(prober: &Prober, provider: &Provider, model: usize) -> Observation {
    let limit = Duration::from_secs(20);
    let job = ProbeJob {
        connect: None,
        model: Arc::new(provider.models[model].clone()),
        provider: Arc::new(provider.clone()),
        kind: ProbeKind::Canary,
        purpose: Purpose::Manual,
        deadlines: Deadlines {
            soft: limit,
            hard: limit,
        },
        check_text: true,
        seed: 7,
    };
    let probed = prober.run(&job, |_, _| ());
    let probed = tokio::time::timeout(PATIENCE, probed).await;
    probed.expect("a verdict").observation
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verdict_is_that_of_a_direct_probe() {
    let simulated = Providers::start().await;
    let prober = Prober::new(Clock::system()).unwrap();
    let (mut wrong, mut kinds) = (Vec::new(), std::collections::BTreeSet::new());
    for (preset, path, model) in TARGETS {
        let direct = provider(preset, &format!("http://{}/{path}", simulated.addr), model);
        let entry = format!(
            "[[provider]]\nid = \"{preset}\"\nbase_url = \"http://{}/{path}\"\napi_key = {{ env = \"KEY\" }}\n\
             free = true\nmodels = [\"{model}\"]\n",
            simulated.addr
        );
        let tapped = Tapped::start(&entry);
        let version = path.strip_prefix("openai").unwrap_or_default();
        let through = provider(
            preset,
            &format!("http://{}/{preset}{version}", tapped.addr),
            model,
        );
        for (n, fault) in FAULTS.into_iter().enumerate() {
            let straight = probe(&prober, &direct, n).await.verdict;
            let passed = probe(&prober, &through, n).await.verdict;
            let seen = tapped.seen(n + 1).await;
            assert_eq!(seen.len(), n + 1, "{preset}{fault} was seen twice");
            assert_eq!(seen[n].source, Source::Tap);
            assert_eq!(seen[n].target, through.models[n].id);
            kinds.insert(straight.to_string());
            // Ollama's protocol has no refusal: in words alone, only who knows the right text sees one.
            let wire = match straight {
                Verdict::OffScript(_) => Verdict::Complete,
                verdict => verdict,
            };
            if (passed, seen[n].verdict) != (straight, wire) {
                wrong.push(format!(
                    "{preset}{fault}: direct {straight}, through the tap {passed}, the tap {}",
                    seen[n].verdict
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for family in [
        "complete",
        "truncated(cut)",
        "truncated(garbled)",
        "limited",
        "refused",
    ] {
        assert!(kinds.contains(family), "{kinds:?}");
    }
    assert!(
        kinds.len() > 8 && kinds.contains(&Verdict::Complete.to_string()),
        "{kinds:?}"
    );
}
