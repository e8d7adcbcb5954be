use std::{collections::VecDeque, future::pending};

use super::*;
use crate::alert::{Fate, Held, queue::tests::message};

/// Answers what it is told to, in order; `None`: never.
#[derive(Default)]
struct Scripted {
    answers: Mutex<VecDeque<Option<Outcome>>>,
    seen: Mutex<Vec<String>>,
}

impl Deliver for Scripted {
    fn deliver<'a>(&'a self, message: &'a Message, _now: Timestamp) -> BoxFuture<'a, Outcome> {
        self.seen.lock().unwrap().push(message.key.clone());
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(async move {
            match answer {
                Some(Some(outcome)) => outcome,
                Some(None) => pending().await,
                None => Outcome::Delivered,
            }
        })
    }
}

struct Panics;

impl Deliver for Panics {
    fn deliver<'a>(&'a self, _: &'a Message, _: Timestamp) -> BoxFuture<'a, Outcome> {
        Box::pin(async { panic!("a channel's defect") })
    }
}

struct World {
    mailbox: Arc<Mailbox>,
    marks: tokio::sync::mpsc::UnboundedReceiver<Mark>,
    over: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn start(carrier: Arc<dyn Deliver>, clock: &Clock) -> World {
    let (mailbox, over) = (Arc::new(Mailbox::default()), CancellationToken::new());
    let (told, marks) = tokio::sync::mpsc::unbounded_channel();
    let keep = move |marks: Vec<Mark>| marks.into_iter().for_each(|mark| told.send(mark).unwrap());
    let task = tokio::spawn(work(
        Arc::clone(&mailbox),
        carrier,
        clock.clone(),
        keep,
        over.clone(),
    ));
    World {
        mailbox,
        marks,
        over,
        task,
    }
}

impl World {
    fn put(&self, key: &str) {
        let held = Held::new(message(key, key), Timestamp::from_millis(0));
        assert!(self.mailbox.with(|queue| queue.push(held)));
        self.mailbox.wake();
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_has_failed_after_its_time_and_the_end_breaks_it_off() {
    let clock = Clock::manual(Timestamp::from_millis(0));
    let carrier = Arc::new(Scripted::default());
    carrier.answers.lock().unwrap().extend([None, None]);
    let mut world = start(Arc::clone(&carrier) as _, &clock);
    world.put("a");
    let mark = world.marks.recv().await.unwrap();
    assert_eq!(mark.fate, Fate::Waits);
    assert_eq!(
        mark.held.last_error.as_deref(),
        Some("no end of the exchange in time")
    );
    clock.advance(Duration::from_secs(600));
    world.mailbox.wake();
    while carrier.seen.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    world.over.cancel();
    world.task.await.unwrap();
    assert_eq!(
        carrier.seen.lock().unwrap().as_slice(),
        ["a", "a"],
        "the same key"
    );
    // It waits on, as if that try had never been.
    world.mailbox.with(|queue| {
        assert_eq!(queue.held()[0].tries, 1);
        assert!(matches!(queue.next(clock.now()), Next::Try(_)));
    });
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_panics_has_failed_and_the_worker_goes_on() {
    let clock = Clock::manual(Timestamp::from_millis(0));
    let mut world = start(Arc::new(Panics), &clock);
    for key in ["a", "b"] {
        world.put(key);
        let mark = world.marks.recv().await.unwrap();
        assert_eq!((mark.fate, mark.held.message.key.as_str()), (Fate::Waits, key));
    }
    world.over.cancel();
    world.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_tries_again_when_it_is_due_and_not_before() {
    let clock = Clock::manual(Timestamp::from_millis(0));
    let carrier = Arc::new(Scripted::default());
    carrier.answers.lock().unwrap().push_back(Some(Outcome::Later {
        why: "HTTP 500".to_owned(),
        after: None,
    }));
    let mut world = start(Arc::clone(&carrier) as _, &clock);
    world.put("a");
    let due = world.marks.recv().await.unwrap().held.next_try_at.unwrap();
    world.put("b");
    assert_eq!(world.marks.recv().await.unwrap().held.message.key, "b");
    clock.advance(due.since(clock.now()));
    let mark = world.marks.recv().await.unwrap();
    assert_eq!((mark.fate, mark.held.tries, mark.at), (Fate::Delivered, 2, due));
    world.over.cancel();
    world.task.await.unwrap();
}
