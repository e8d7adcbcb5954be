use std::collections::HashMap;

use futures_util::future::BoxFuture;

use super::*;
use crate::{
    alert::{Outcome, fixture::message},
    config::{Secret, Way},
    store::{Options, Store},
};

/// Longest wait for what is to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// What every channel took, in order; those that are `shut` take nothing.
#[derive(Default)]
struct World {
    taken: Mutex<Vec<(String, String)>>,
    shut: Mutex<HashMap<String, bool>>,
}

struct Fake {
    name: String,
    world: Arc<World>,
}

impl Deliver for Fake {
    fn deliver<'a>(&'a self, message: &'a Message, _: Timestamp) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            if self.world.shut.lock().unwrap().contains_key(&self.name) {
                return Outcome::Later {
                    why: "HTTP 500".to_owned(),
                    after: None,
                };
            }
            let mut taken = self.world.taken.lock().unwrap();
            taken.push((self.name.clone(), message.key.clone()));
            Outcome::Delivered
        })
    }
}

impl World {
    fn carriers(self: &Arc<Self>) -> Carriers {
        let world = Arc::clone(self);
        Arc::new(move |channel| {
            Arc::new(Fake {
                name: channel.name.clone(),
                world: Arc::clone(&world),
            })
        })
    }

    fn shut(&self, name: &str) {
        self.shut.lock().unwrap().insert(name.to_owned(), true);
    }

    fn open(&self, name: &str) {
        self.shut.lock().unwrap().remove(name);
    }

    fn keys(&self, name: &str) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        let of = taken.iter().filter(|(channel, _)| channel == name);
        of.map(|(_, key)| key.clone()).collect()
    }
}

fn alerts(names: &[&str]) -> Alerts {
    let url = Secret::new("http://localhost/");
    let channel = |name: &&str| Channel::new(name, Way::Slack { url: url.clone() });
    Alerts {
        channels: names.iter().map(channel).collect(),
        ..Alerts::default()
    }
}

fn start(world: &Arc<World>, names: &[&str], store: (&Writer, &Reader), clock: &Clock) -> Post {
    let store = (store.0.clone(), store.1.clone());
    Post::start(&alerts(names), "here", store, clock.clone(), world.carriers())
}

fn keep(post: &Post, messages: Vec<Message>, clock: &Clock) {
    post.keep(Round::default(), messages, clock.now());
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let asked = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let came = tokio::time::timeout(PATIENCE, asked).await;
    assert!(came.is_ok(), "{what} did not come");
}

fn state_of(reader: &Reader, key: &str) -> Option<LetterState> {
    // A damaged file can't be read until a fresh one takes its place.
    reader.letter(key).ok().flatten().map(|letter| letter.state)
}

fn clock() -> Clock {
    Clock::manual(Timestamp::from_millis(1_781_960_400_000))
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_memory_holds_arrives_once_and_in_order() {
    let (world, clock) = (Arc::new(World::default()), clock());
    let (writer, reader) = Store::temporary(Options::default(), clock.clone()).unwrap();
    world.shut("a");
    let post = start(&world, &["a", "b"], (&writer, &reader), &clock);
    let many = MAX_HELD * 3;
    for n in 0..many {
        keep(&post, vec![message("a", &format!("k{n:05}"), "one")], &clock);
    }
    keep(&post, vec![message("b", "beside", "x")], &clock);
    until("the other channel", || world.keys("b").len() == 1).await;
    until("the bound", || {
        let view = post.channels().remove(0);
        view.more && view.figures.pending == MAX_HELD
    })
    .await;
    world.open("a");
    clock.advance(Duration::from_secs(3_600));
    until("all", || world.keys("a").len() >= many).await;
    let keys = world.keys("a");
    assert_eq!(keys.len(), many, "none twice");
    assert!(keys.is_sorted(), "of one alarm in order");
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_goes_leaves_dead_letters_and_one_that_comes_back_sends_them_anew() {
    let (world, clock) = (Arc::new(World::default()), clock());
    let (writer, reader) = Store::temporary(Options::default(), clock.clone()).unwrap();
    world.shut("a");
    let post = start(&world, &["a"], (&writer, &reader), &clock);
    keep(
        &post,
        vec![message("a", "k1", "one"), message("a", "k2", "one")],
        &clock,
    );
    until("a try", || post.channels()[0].figures.failed > 0).await;
    post.configure(&alerts(&["b"]));
    // What is decided while the channel goes is as dead.
    keep(&post, vec![message("a", "k3", "one")], &clock);
    for key in ["k1", "k2", "k3"] {
        until("its end", || state_of(&reader, key) == Some(LetterState::Dead)).await;
    }
    let gone = post.resend(&Which::Channel("a".to_owned()));
    assert_eq!(gone, Err(DeskError::NoChannel("a".to_owned())));
    post.configure(&alerts(&["a", "b"]));
    world.open("a");
    assert_eq!(post.resend(&Which::Key("k1".to_owned())), Ok(1));
    until("delivery", || world.keys("a") == ["k1"]).await;
    assert_eq!(post.resend(&Which::Channel("a".to_owned())), Ok(2));
    until("delivery", || world.keys("a") == ["k1", "k2", "k3"]).await;
    until("the mark", || {
        state_of(&reader, "k3") == Some(LetterState::Delivered)
    })
    .await;
    assert_eq!(post.resend(&Which::Channel("a".to_owned())), Ok(0));
    let again = post.resend(&Which::Key("k1".to_owned()));
    assert!(
        matches!(
            again,
            Err(DeskError::NotDead {
                state: "delivered",
                ..
            })
        ),
        "{again:?}"
    );
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_goes_on_with_what_waits_and_buries_what_nobody_takes() {
    let (world, clock) = (Arc::new(World::default()), clock());
    let (writer, reader) = Store::temporary(Options::default(), clock.clone()).unwrap();
    world.shut("a");
    world.shut("gone");
    let post = start(&world, &["a", "gone"], (&writer, &reader), &clock);
    keep(
        &post,
        vec![message("a", "k1", "one"), message("gone", "k2", "one")],
        &clock,
    );
    until("tries", || post.channels().iter().all(|it| it.figures.failed > 0)).await;
    post.stop().await;
    world.open("a");
    clock.advance(Duration::from_secs(60));
    assert!(writer.flush(PATIENCE));
    let post = start(&world, &["a"], (&writer, &reader), &clock);
    until("delivery", || world.keys("a") == ["k1"]).await;
    until("a burial", || state_of(&reader, "k2") == Some(LetterState::Dead)).await;
    let error = reader.letter("k2").unwrap().unwrap().last_error;
    assert_eq!(error.as_deref(), Some(GONE));
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_damaged_file_lost_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (path, clock) = (dir.path().join("endturn.db"), clock());
    // Large enough that the damage lies in rows.
    let (writer, _) = Store::open(&path, Options::default(), clock.clone()).unwrap();
    let world = Arc::new(World::default());
    for n in 0..400 {
        let mut letter = letter(
            &Held::new(message("x", &format!("old{n}"), "one"), clock.now()),
            Fate::Delivered,
            clock.now(),
        );
        letter.channel = "x".repeat(500);
        writer.send(Record::Letter(Box::new(letter)));
    }
    assert!(writer.close(PATIENCE));
    let mut image = std::fs::read(&path).unwrap();
    let middle = image.len() / 3 / 4_096 * 4_096;
    image[middle..middle + 3 * 4_096].fill(0x5A);
    std::fs::write(&path, image).unwrap();

    let (writer, reader) = Store::open(&path, Options::default(), clock.clone()).unwrap();
    world.shut("a");
    let post = start(&world, &["a"], (&writer, &reader), &clock);
    let round = Round {
        memory: Some("what was told".to_owned()),
        ..Round::default()
    };
    post.keep(round, vec![message("a", "k1", "one")], clock.now());
    until("a try", || post.channels()[0].figures.failed > 0).await;
    writer.check();
    until("a fresh file", || writer.status().corrupt_set_aside.is_some()).await;
    until("the row", || {
        state_of(&reader, "k1") == Some(LetterState::Pending)
    })
    .await;
    until("the memory", || {
        reader.alert_memory().ok().flatten().as_deref() == Some("what was told")
    })
    .await;
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_before_it_is_kept_unless_keeping_takes_too_long() {
    let dir = tempfile::tempdir().unwrap();
    let (path, clock) = (dir.path().join("endturn.db"), clock());
    let options = Options {
        busy_timeout: PATIENCE * 4,
        ..Options::default()
    };
    let (writer, reader) = Store::open(&path, options, clock.clone()).unwrap();
    let world = Arc::new(World::default());
    let post = start(&world, &["a"], (&writer, &reader), &clock);
    // Somebody holds the file, and the store waits without failing.
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    keep(&post, vec![message("a", "k1", "one")], &clock);
    let view = post.channels().remove(0);
    assert_eq!((view.figures.pending, world.keys("a").len()), (1, 0));
    clock.advance(COMMIT_PATIENCE.saturating_sub(Duration::from_millis(1)));
    post.0.news.notify_one();
    assert_eq!(post.release(writer.progress()), Duration::from_millis(1));
    assert!(world.keys("a").is_empty());
    clock.advance(Duration::from_millis(1));
    post.0.news.notify_one();
    until("delivery from memory", || world.keys("a") == ["k1"]).await;
    assert!(!writer.progress().failing);
    other.execute_batch("ROLLBACK").unwrap();
    until("the row", || {
        state_of(&reader, "k1") == Some(LetterState::Delivered)
    })
    .await;
    post.stop().await;
    assert_eq!(world.keys("a"), ["k1"]);
}
