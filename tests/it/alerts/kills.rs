//! The daemon is killed at every step between a transition and its acknowledgement, one life after the other on the
//! same file, while outages come and go.
//!
//! The child's clock runs [`PACE`] times as fast as the machine's, and the next life goes on where the last one was, so
//! that incidents open and close within a life. Kills fall at random, when the outbox grows (kept, not sent yet), when
//! a request has come whole (sent, not answered) and when its answer is written (taken, not marked).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    env,
    io::{BufRead, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use endturn::{
    clock::{Clock, Timestamp},
    health::State,
    simulate::{Cut, Fault, FaultKey, FaultKind, Scope},
    store::{IncidentQuery, LetterQuery, LetterState, MAX_LIMIT, Options, Reader, Store},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use super::{Answer, Daemon, Receiver, StorePlace, config, receiver::Got};
use crate::support::live::{PATIENCE, Providers};

/// Kills of one run, unless [`KILLS`] says otherwise.
const FEW: u64 = 40;
/// How many kills, for the long check.
const KILLS: &str = "ENDTURN_TEST_KILLS";
const SEED: u64 = 20_260_620;
/// Tells the child what it goes on from; the parent has no such variable.
const ROLE: &str = "ENDTURN_TEST_ALARMED";
const NAME: &str = "alerts::kills::kills_lose_no_message_double_none_and_invent_none";
/// How fast the child's time goes.
const PACE: u32 = 60;
/// Providers of the simulator, each with [`MODELS`] models that fail and recover by themselves.
const PROVIDERS: [(&str, &str); 3] = [
    ("anthropic", "anthropic"),
    ("openai", "openai/v1"),
    ("mistral", "mistral/v1"),
];
const MODELS: usize = 8;
/// Targets that begin or cease to fail in each life.
const SHAKEN: usize = 6;

/// What a child has to know, as one line.
fn role(dir: &Path, now: Timestamp, entries: &str, hooks: &[(&str, String)]) -> String {
    let hooks: Vec<Value> = hooks
        .iter()
        .map(|(name, url)| serde_json::json!([name, url]))
        .collect();
    serde_json::json!({"dir": dir, "now": now.as_millis(), "entries": entries, "hooks": hooks}).to_string()
}

/// Runs a daemon until it is killed, or asked to end by a closed standard input.
fn child(role: &str) {
    let role: Value = serde_json::from_str(role).expect("a role");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let hooks: Vec<(String, String)> = role["hooks"]
        .as_array()
        .expect("hooks")
        .iter()
        .map(|hook| (text(&hook[0]), text(&hook[1])))
        .collect();
    let hooks: Vec<(&str, String)> = hooks
        .iter()
        .map(|(name, url)| (name.as_str(), url.clone()))
        .collect();
    let config = config(&text(&role["entries"]), &hooks, Path::new(&text(&role["dir"])));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let clock = Clock::manual(Timestamp::from_millis(role["now"].as_i64().expect("a time")));
        let daemon = Daemon::start(config, StorePlace::File, 7, clock.clone())
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        // Whoever reads it may be gone.
        let _ = writeln!(std::io::stdout(), "\nready {}", daemon.addr());
        let moved = tokio::spawn(async move {
            let system = Clock::system();
            let mut last = system.mono();
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let now = system.mono();
                clock.advance(now.saturating_sub(last) * PACE);
                last = now;
            }
        });
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
        let _ = ended.await;
        daemon.stop().await;
        moved.abort();
    });
}

/// Where a kill falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// Anywhere, the start included.
    Anywhere,
    /// The outbox has grown: kept, maybe not sent.
    Kept,
    /// A request has come whole: sent, not answered.
    Sent,
    /// The answer is written: taken, maybe not marked.
    Taken,
}

const STEPS: [Step; 4] = [Step::Anywhere, Step::Kept, Step::Sent, Step::Taken];

struct World {
    dir: tempfile::TempDir,
    providers: Providers,
    receivers: [Receiver; 2],
    begun: Duration,
    system: Clock,
    rng: ChaCha8Rng,
    down: BTreeSet<(usize, usize)>,
    rows: Option<Connection>,
}

impl World {
    async fn new() -> Self {
        let system = Clock::system();
        Self {
            dir: tempfile::tempdir().unwrap(),
            providers: Providers::start().await,
            receivers: [Receiver::start().await, Receiver::start().await],
            begun: system.mono(),
            system,
            rng: ChaCha8Rng::seed_from_u64(SEED),
            down: BTreeSet::new(),
            rows: None,
        }
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("endturn.db")
    }

    /// The child's time: it never goes back from one life to the next.
    fn now(&self) -> Timestamp {
        let run = self.system.mono().saturating_sub(self.begun) * PACE;
        Timestamp::from_millis(1_781_960_400_000).plus(run)
    }

    fn entries(&self) -> String {
        let models: Vec<String> = (0..MODELS).map(|n| format!("\"m{n}\"")).collect();
        let models = models.join(", ");
        let entry = |(id, path): &(&str, &str)| self.providers.entry(id, path, &models, "5s");
        PROVIDERS.iter().map(entry).collect()
    }

    fn hooks(&self) -> Vec<(&'static str, String)> {
        ["calm", "wild"]
            .into_iter()
            .zip(self.receivers.iter().map(Receiver::url))
            .collect()
    }

    fn spawn(&self) -> Child {
        let role = role(self.dir.path(), self.now(), &self.entries(), &self.hooks());
        Command::new(env::current_exe().expect("this test"))
            .args(["--exact", NAME, "--nocapture"])
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child")
    }

    /// Breaks or mends targets.
    fn shake(&mut self) {
        for _ in 0..SHAKEN {
            let (provider, model) = (
                self.rng.random_range(0..PROVIDERS.len()),
                self.rng.random_range(0..MODELS),
            );
            let key = FaultKey::model(PROVIDERS[provider].0, &format!("m{model}"));
            if self.down.remove(&(provider, model)) {
                self.providers.faults.clear(&key);
                continue;
            }
            self.down.insert((provider, model));
            let fault = Fault {
                rate: 1.0,
                scope: Scope::Generate,
                kind: FaultKind::Truncate {
                    at: 0.5,
                    how: Cut::Fin,
                },
            };
            assert!(self.providers.faults.set(key, fault));
        }
    }

    /// How the wild receiver answers in the next life.
    fn moods(&mut self) {
        let answers: Vec<Answer> = (0..6)
            .map(|_| match self.rng.random_range(0..8) {
                0 => Answer::Status(500, None),
                1 => Answer::Status(429, Some(1)),
                2 => Answer::Reset,
                3 => Answer::TakeAndHang,
                4 => Answer::Hang,
                _ => Answer::Take,
            })
            .chain([Answer::Take])
            .collect();
        self.receivers[1].script(&answers);
    }

    /// Messages in the outbox, or none while there is no file.
    fn kept(&mut self) -> i64 {
        if self.rows.is_none() {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            self.rows = Connection::open_with_flags(self.path(), flags).ok();
        }
        let count = |it: &Connection| {
            it.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0))
                .ok()
        };
        self.rows.as_ref().and_then(count).unwrap_or(0)
    }

    /// Waits for the step, within a bound; tells whether it came.
    async fn reach(&mut self, step: Step) -> bool {
        let random = Duration::from_micros(self.rng.random_range(0..600_000));
        let desks = self.receivers.each_ref().map(|it| Arc::clone(&it.desk));
        // What was told in an earlier life does not count.
        for desk in &desks {
            for told in [&desk.came, &desk.answered] {
                let _ = tokio::time::timeout(Duration::ZERO, told.notified()).await;
            }
        }
        let bound = Duration::from_millis(2_500);
        match step {
            Step::Anywhere => {
                tokio::time::sleep(random).await;
                true
            }
            Step::Kept => {
                let before = self.kept();
                let grown = async {
                    while self.kept() <= before {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                };
                tokio::time::timeout(bound, grown).await.is_ok()
            }
            Step::Sent => {
                let came = async {
                    tokio::select! {
                        () = desks[0].came.notified() => {}
                        () = desks[1].came.notified() => {}
                    }
                };
                tokio::time::timeout(bound, came).await.is_ok()
            }
            Step::Taken => {
                let answered = async {
                    tokio::select! {
                        () = desks[0].answered.notified() => {}
                        () = desks[1].answered.notified() => {}
                    }
                };
                tokio::time::timeout(bound, answered).await.is_ok()
            }
        }
    }

    /// One life and its end.
    async fn live_and_die(&mut self, step: Step) -> bool {
        self.moods();
        self.shake();
        let mut child = self.spawn();
        let reached = self.reach(step).await;
        // Microseconds later, so that what follows the step is hit as well.
        let more = self.rng.random_range(0..4_u64);
        if more > 0 {
            tokio::time::sleep(Duration::from_micros(more * more * 500)).await;
        }
        child.kill().expect("a kill");
        child.wait().expect("an end");
        reached
    }

    /// A last life in which everything is well, until nothing waits any more.
    async fn rest(&mut self) {
        for receiver in &self.receivers {
            receiver.script(&[Answer::Take]);
        }
        for (provider, model) in std::mem::take(&mut self.down) {
            let key = FaultKey::model(PROVIDERS[provider].0, &format!("m{model}"));
            self.providers.faults.clear(&key);
        }
        let mut child = self.spawn();
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let addr = lines
            .find_map(|line| Some(line.ok()?.strip_prefix("ready ")?.to_owned()))
            .expect("a daemon that starts");
        let addr = addr.parse().expect("an address");
        let calm = async {
            loop {
                let alerts = super::ask(addr, "/v1/alerts").await;
                let health = super::ask(addr, "/v1/health").await;
                let targets = health["targets"].as_array().expect("targets");
                let waits = |it: &Value| it["pending"] != 0;
                let quiet = alerts["alarms"].as_array().is_some_and(Vec::is_empty)
                    && !alerts["channels"].as_array().expect("channels").iter().any(waits)
                    && targets
                        .iter()
                        .all(|it| it["incident"].is_null() && it["state"] == "operational");
                if quiet {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE * 2, calm)
            .await
            .expect("quiet in the end");
        drop(child.stdin.take());
        child.wait().expect("an end");
    }
}

/// Rows of the outbox by key: state and message.
fn outbox(reader: &Reader) -> BTreeMap<String, (LetterState, Value)> {
    let mut all = BTreeMap::new();
    for state in LetterState::ALL {
        let mut after = 0;
        loop {
            let query = LetterQuery {
                state,
                channel: None,
                after,
                limit: MAX_LIMIT,
            };
            let page = reader.letters(&query).expect("letters");
            let Some(last) = page.last() else { break };
            after = last.seq;
            for row in page {
                let message = serde_json::from_str(&row.letter.json).expect("JSON");
                all.insert(row.letter.key, (state, message));
            }
        }
    }
    all
}

/// Ids of incidents.
#[derive(Default)]
struct Incidents {
    all: BTreeSet<String>,
    open: Vec<String>,
    /// Those that were as bad as the rule asks for. Where the machine is slow, targets are merely late for a while: nobody is
    /// told of that.
    owed: BTreeSet<String>,
}

fn incidents(reader: &Reader) -> Incidents {
    let mut found = Incidents::default();
    let mut query = IncidentQuery {
        limit: MAX_LIMIT,
        ..IncidentQuery::default()
    };
    loop {
        let page = reader.incidents(&query).expect("incidents");
        for incident in page.items {
            if incident.closed.is_none() {
                found.open.push(incident.id.clone());
            }
            if matches!(incident.worst, State::Partial | State::Down) {
                found.owed.insert(incident.id.clone());
            }
            found.all.insert(incident.id);
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return found,
        }
    }
}

fn named(message: &Value) -> BTreeSet<String> {
    let subjects = message["subjects"].as_array().expect("subjects");
    let ids = subjects.iter().filter_map(|it| it["incident"].as_str());
    ids.map(str::to_owned).collect()
}

/// Holds what one receiver took against what is kept.
fn audit(
    channel: &str,
    seen: &[Got],
    taken: &[Got],
    outbox: &BTreeMap<String, (LetterState, Value)>,
    incidents: &Incidents,
) {
    let kept = |key: &str| {
        let row = outbox.get(key);
        row.unwrap_or_else(|| panic!("{channel}: {key} was received and is in no outbox"))
    };
    let (mut firing, mut resolved) = (HashMap::new(), HashMap::new());
    let mut told = HashMap::new();
    for got in seen {
        // The same key is the same message, at every try and in the outbox.
        let (_, message) = kept(&got.key);
        assert_eq!(&got.message, message, "{channel}: {} changed", got.key);
        let ids = named(message);
        assert!(
            ids.is_subset(&incidents.all),
            "{channel}: {message} tells of an incident that is not there"
        );
        let (alarm, kind) = (message["alarm"].to_string(), message["kind"].as_str().unwrap());
        let once = match kind {
            "firing" => &mut firing,
            "resolved" => &mut resolved,
            _ => continue,
        };
        let first = once.entry(alarm).or_insert_with(|| got.key.clone());
        assert_eq!(
            *first, got.key,
            "{channel}: {kind} came under two keys: {message}"
        );
        if kind == "firing" {
            for id in ids {
                let first = told.entry(id).or_insert_with(|| got.key.clone());
                assert_eq!(
                    *first, got.key,
                    "{channel}: one incident is told to begin twice: {message}"
                );
            }
        }
    }
    let arrived: BTreeSet<&str> = taken.iter().map(|got| got.key.as_str()).collect();
    for (key, (state, message)) in outbox.iter().filter(|(_, (_, it))| it["channel"] == channel) {
        assert_eq!(*state, LetterState::Delivered, "{channel}: {message}");
        assert!(
            arrived.contains(key.as_str()),
            "{channel}: {key} never came: {message}"
        );
    }
    // Whoever heard that it began hears that it is over.
    let alarms = |all: &HashMap<String, String>| all.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(alarms(&firing), alarms(&resolved), "{channel}");
    let heard: BTreeSet<String> = seen.iter().flat_map(|got| named(&got.message)).collect();
    let unheard: Vec<&String> = incidents.owed.difference(&heard).collect();
    assert!(unheard.is_empty(), "{channel}: nobody heard of {unheard:?}");
}

#[test]
fn kills_lose_no_message_double_none_and_invent_none() {
    if let Ok(role) = env::var(ROLE) {
        return child(&role);
    }
    let kills = env::var(KILLS).map_or(FEW, |many| many.parse().expect("a number"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (world, reached) = runtime.block_on(async {
        let mut world = World::new().await;
        let mut reached = BTreeMap::new();
        for _ in 0..kills {
            let step = STEPS[world.rng.random_range(0..STEPS.len())];
            let came = world.live_and_die(step).await;
            let (all, hit) = reached.entry(step).or_insert((0, 0));
            *all += 1;
            *hit += u64::from(came);
        }
        world.rest().await;
        (world, reached)
    });
    let (_writer, reader) =
        Store::open(&world.path(), Options::default(), Clock::manual(world.now())).expect("a store");
    let (outbox, incidents) = (outbox(&reader), incidents(&reader));
    println!("kills by step, and how many hit it: {reached:?}");
    println!(
        "{} messages about {} incidents",
        outbox.len(),
        incidents.all.len()
    );
    assert_eq!(incidents.open, Vec::<String>::new(), "every incident ends");
    for ((channel, _), receiver) in world.hooks().iter().zip(&world.receivers) {
        let (seen, taken) = (receiver.seen(), receiver.taken());
        println!("{channel}: {} requests, {} taken", seen.len(), taken.len());
        audit(channel, &seen, &taken, &outbox, &incidents);
    }
    // The kills fell where they should, and there was something to lose.
    for step in [Step::Kept, Step::Sent, Step::Taken] {
        assert!(
            reached.get(&step).is_some_and(|(_, hit)| *hit > 0),
            "{step:?}: {reached:?}"
        );
    }
    assert!(outbox.len() as u64 >= kills, "{} messages", outbox.len());
}
