//! `endturn demo`: simulated providers, a scripted outage and the daemon, in one process.

use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr, path::PathBuf, time::Duration};

use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{Exit, args::DemoArgs, check, complain, outage::Book, run::stopped, say};
use crate::{
    client::follow::{self, Follower, Patience, Source},
    clock::{Clock, Timestamp},
    config::{self, Config, Env},
    daemon::{Daemon, StorePlace},
    feed::{Delta, v1::TargetHealth},
    health::ReasonCode,
    id::TargetId,
    simulate::{Action, FaultKey, FaultKind, Options, Pace, Scenario, ScenarioStep, Simulator},
};

/// Median first token of the simulated providers.
const TTFT: Duration = Duration::from_millis(60);
/// Most events of the feed that wait for the terminal.
const MAX_NEWS: usize = 1_024;

/// The two that fail, and how the simulator knows them.
const VICTIMS: [(&str, &str, &str); 2] = [
    ("anthropic/claude-haiku-4-5", "anthropic", "claude-haiku-4-5"),
    ("openai/gpt-5.2-chat", "openai", "gpt-5.2-chat"),
];

/// Something to write into the book.
enum News {
    Step(ScenarioStep, Timestamp),
    Told(Box<TargetHealth>, Option<Timestamp>, Timestamp),
    FeedEnded(String),
}

/// The configuration: four providers at the simulator, free of charge, canary and reach each half second.
fn demo_config(listen: SocketAddr, simulator: SocketAddr) -> Result<Config, config::ConfigError> {
    let mut text = format!("vantage = \"demo\"\n[server]\nlisten = \"{listen}\"\n[network]\nanchors = []\n");
    for (id, base, model) in [
        ("anthropic", "anthropic", "claude-haiku-4-5"),
        ("openai", "openai/v1", "gpt-5.2-chat"),
        ("openai-responses", "openai/v1", "gpt-5.2"),
        ("gemini", "gemini", "gemini-2.5-flash-lite"),
    ] {
        let _ = write!(
            text,
            "[[provider]]\nid = \"{id}\"\nbase_url = \"http://{simulator}/{base}\"\napi_key = {{ env = \"DEMO_KEY\" }}\n\
             models = [\"{model}\"]\nfree = true\npolite = false\n\
             reach = {{ every = \"500ms\" }}\ncanary = {{ every = \"500ms\" }}\n"
        );
    }
    text += "[[route]]\nname = \"chat\"\ntargets = [\"anthropic/claude-haiku-4-5\", \"openai/gpt-5.2-chat\", \
             \"gemini/gemini-2.5-flash-lite\"]\n";
    let env = Env {
        vars: BTreeMap::from([("DEMO_KEY".to_owned(), "demo".to_owned())]),
        working_dir: std::env::temp_dir(),
        config_home: None,
        state_home: None,
        system_dir: PathBuf::new(),
    };
    config::load_text("demo.toml", &text, &env).map(|loaded| loaded.config)
}

/// Runs the command.
pub(crate) async fn run(args: &DemoArgs, clock: Clock) -> Exit {
    match start(args, clock).await {
        Ok(exit) => exit,
        Err(error) => {
            complain(&format!("error: {error}"));
            Exit::Failure
        }
    }
}

async fn start(args: &DemoArgs, clock: Clock) -> Result<Exit, String> {
    let pace = Pace {
        ttft: TTFT,
        ..Pace::default()
    };
    let options = Options {
        seed: args.seed,
        pace,
    };
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let simulator = Simulator::bind(loopback, options, clock.clone())
        .await
        .map_err(|error| format!("the simulator can't be bound: {error}"))?;
    let config = demo_config(args.listen, simulator.local_addr()).map_err(|error| {
        let mut text = Vec::new();
        let _ = check::write_error(&error, false, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    })?;
    let (faults, providers) = (simulator.faults(), simulator.local_addr());
    let over = CancellationToken::new();
    let serving = tokio::spawn(simulator.serve(over.clone().cancelled_owned()));
    let mut daemon = Daemon::start(config, StorePlace::Temporary, args.seed, clock.clone())
        .await
        .map_err(|error| error.to_string())?;
    say(&format!(
        "four simulated providers at http://{providers}/, two of which will fail\n\
         page http://{addr}/  feed http://{addr}/v1/health\n\
         0 s healthy, 10 s replies cut under HTTP 200, 30 s HTTP 529, 50 s recovery, 75 s end\n\n",
        addr = daemon.addr()
    ));
    let (news, mut inbox) = mpsc::channel(MAX_NEWS);
    let following = follow(daemon.addr(), clock.clone(), news.clone());
    let exit = tokio::select! {
        exit = play(args, &daemon, &clock, &faults, &news, &mut inbox) => exit,
        () = stopped() => Exit::Ok,
    };
    following.abort();
    if exit == Exit::Failure {
        complain("error: the demo did not show what it should; please report it");
    }
    let _ = tokio::time::timeout(Duration::ZERO, daemon.broken())
        .await
        .map(|why| complain(&why));
    daemon.stop().await;
    over.cancel();
    let _ = serving.await;
    Ok(exit)
}

/// Plays the script once, or again and again.
async fn play(
    args: &DemoArgs,
    daemon: &Daemon,
    clock: &Clock,
    faults: &crate::simulate::Faults,
    news: &mpsc::Sender<News>,
    inbox: &mut mpsc::Receiver<News>,
) -> Exit {
    let keys = VICTIMS.map(|(_, provider, model)| FaultKey::model(provider, model));
    let scenario = Scenario::outage(&keys);
    loop {
        let mut book = Book::new(clock.now());
        let mut observations = daemon.observations();
        let (steps, at) = (news.clone(), clock.clone());
        let script = scenario.play(faults, move |step| {
            // The inbox holds far more than the script has steps.
            let _ = steps.try_send(News::Step(step.clone(), at.now()));
        });
        tokio::pin!(script);
        loop {
            tokio::select! {
                biased;
                Some(news) = inbox.recv() => {
                    if let News::FeedEnded(why) = &news {
                        complain(&format!("error: the feed ended: {why}"));
                        return Exit::Failure;
                    }
                    note(&mut book, news);
                }
                Ok(observation) = observations.recv() => book.observed(&observation),
                () = &mut script => break,
            }
        }
        say(&format!("\n{}", book.table()));
        let failures = book.failures();
        for failure in &failures {
            complain(&format!("failed: {failure}"));
        }
        if args.once {
            return if failures.is_empty() {
                Exit::Ok
            } else {
                Exit::Failure
            };
        }
        say("\nonce more; Ctrl-C ends it\n\n");
    }
}

fn note(book: &mut Book, news: News) {
    match news {
        News::Step(step, at) => {
            let Some(target) = victim(&step.key) else { return };
            let what = match &step.action {
                Action::Set(fault) => {
                    let (code, what) = match fault.kind {
                        FaultKind::Truncate { .. } => (
                            ReasonCode::Truncated,
                            "60 % of replies are now cut in the middle under HTTP 200",
                        ),
                        _ => (
                            ReasonCode::Overloaded,
                            "every request is now answered with HTTP 529",
                        ),
                    };
                    book.fault(&target, code, at);
                    what
                }
                Action::Clear => {
                    book.clear(&target, at);
                    "well again"
                }
            };
            say(&format!(
                "{:6.1} s  [script] {target}: {what}\n",
                book.since_start(at).as_secs_f64()
            ));
        }
        News::Told(target, decided, at) => {
            if let Some(line) = book.told(&target, decided, at) {
                say(&format!("{:6.1} s  {line}\n", book.since_start(at).as_secs_f64()));
            }
        }
        News::FeedEnded(_) => {}
    }
}

fn victim(key: &FaultKey) -> Option<TargetId> {
    let found = VICTIMS
        .iter()
        .find(|(_, provider, model)| &key.provider == provider && key.model.as_deref() == Some(model));
    found.and_then(|(target, _, _)| target.parse().ok())
}

/// Follows the feed over HTTP like any subscriber, so that the delays include the way to one.
fn follow(addr: SocketAddr, clock: Clock, news: mpsc::Sender<News>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let source = Source::all_of(&format!("http://{addr}"));
        let mut follower = Follower::start(source, None, Patience::USUAL);
        loop {
            let heard = follower.next().await;
            let at = clock.now();
            let told = match heard {
                follow::News::Lost { why, .. } => {
                    let _ = news.send(News::FeedEnded(why)).await;
                    return;
                }
                follow::News::Snapshot(health) => {
                    health.targets.into_iter().map(|target| (target, None)).collect()
                }
                follow::News::Delta(delta) => targets(*delta),
            };
            for (target, decided) in told {
                let told = News::Told(Box::new(target), decided, at);
                if news.send(told).await.is_err() {
                    return;
                }
            }
        }
    })
}

/// The targets of one event, and when each was decided.
fn targets(delta: Delta) -> Vec<(TargetHealth, Option<Timestamp>)> {
    let decided = |id: &TargetId| {
        let moved = delta.transitions.iter().find(|moved| &moved.target == id);
        moved.map(|moved| moved.at.0)
    };
    let moments: Vec<_> = delta.targets.iter().map(|target| decided(&target.id)).collect();
    delta.targets.into_iter().zip(moments).collect()
}
