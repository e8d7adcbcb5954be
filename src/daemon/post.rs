//! Messages on their way: kept, sent once that is done, marked as they go.
//!
//! A message goes to its channel's worker after the transaction that holds it. While the store fails, or takes too long,
//! it goes from memory all the same: told twice is better than never. What the store lost is written to it anew.

mod desk;

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use desk::{ChannelView, DeskError, Which};

use crate::{
    alert::{Deliver, Fate, Held, MAX_HELD, Mailbox, Mark, Message, Queue, work},
    clock::{Clock, Timestamp},
    config::{Alerts, Channel},
    store::{Letter, LetterQuery, LetterState, MAX_LIMIT, Progress, Reader, Record, Round, Ticket, Writer},
};

/// Longest wait for the transaction that holds a message; then it goes from memory.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);
/// Most messages that wait for their transaction; beyond it the oldest go from memory.
const MAX_UNCOMMITTED: usize = 1_000;
/// Longest wait for the store where something is to be read that was just written.
const FLUSH: Duration = Duration::from_secs(5);
/// Time between two tries to read what was left on disk.
const READ_AGAIN: Duration = Duration::from_secs(1);
/// Why messages to a channel are dead that is not configured.
const GONE: &str = "the channel is not in the configuration; resend when it is back";

/// Makes what brings messages to a channel.
pub(crate) type Carriers = Arc<dyn Fn(&Channel) -> Arc<dyn Deliver> + Send + Sync>;

/// One channel with its worker.
struct Line {
    channel: Channel,
    mailbox: Arc<Mailbox>,
    carrier: Arc<dyn Deliver>,
    over: CancellationToken,
}

/// Messages whose transaction is under way, and how the store was when we last looked.
struct Waiting {
    messages: VecDeque<(Ticket, Timestamp, Message)>,
    generation: u64,
    lost: u64,
    memory: Option<String>,
    /// Rows of channels that are not configured may wait on disk.
    orphans: bool,
    /// Channels whose rows could not be read yet. What is new does not wait for them.
    unread: HashSet<String>,
}

struct Inner {
    writer: Writer,
    reader: Reader,
    clock: Clock,
    vantage: String,
    make: Carriers,
    lines: Mutex<BTreeMap<String, Line>>,
    waiting: Mutex<Waiting>,
    public_url: Mutex<Option<url::Url>>,
    news: Arc<Notify>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Everything on its way to people. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Post(Arc<Inner>);

/// A row for a message.
fn letter(held: &Held, fate: Fate, at: Timestamp) -> Letter {
    let message = held.message.as_ref();
    let (state, done_at) = match fate {
        Fate::Waits => (LetterState::Pending, None),
        Fate::Delivered => (LetterState::Delivered, Some(at)),
        Fate::Dead => (LetterState::Dead, Some(at)),
    };
    Letter {
        key: message.key.clone(),
        channel: message.channel.clone(),
        alarm: message.alarm.clone(),
        kind: message.kind.as_str().to_owned(),
        json: serde_json::to_string(message)
            .expect("messages have text keys")
            .into(),
        queued_at: held.queued_at,
        tries: held.tries,
        next_try_at: held.next_try_at,
        last_error: held.last_error.clone(),
        state,
        done_at,
    }
}

/// A message of a row; `None` where it can't be read.
fn held(letter: &Letter) -> Option<Held> {
    let message: Message = serde_json::from_str(&letter.json).ok()?;
    Some(Held {
        message: Arc::new(message),
        queued_at: letter.queued_at,
        tries: letter.tries,
        next_try_at: letter.next_try_at,
        last_error: letter.last_error.clone(),
    })
}

/// One line per message that ended, or failed for the first time.
fn log(mark: &Mark) {
    let message = mark.held.message.as_ref();
    let (channel, key, kind, tries) = (
        &message.channel,
        &message.key,
        message.kind.as_str(),
        mark.held.tries,
    );
    let why = mark.held.last_error.as_deref().unwrap_or_default();
    match mark.fate {
        Fate::Delivered => tracing::info!(channel, key, kind, tries, "alert delivered"),
        Fate::Waits if tries == 1 => {
            tracing::warn!(
                channel,
                key,
                kind,
                why,
                "alert not delivered; it will be tried again"
            );
        }
        Fate::Waits => tracing::debug!(channel, key, kind, tries, why, "alert not delivered"),
        Fate::Dead => tracing::error!(
            channel,
            key,
            kind,
            tries,
            why,
            "alert given up; `endturn alert resend` sends it anew"
        ),
    }
}

impl Post {
    /// Takes up what an earlier process left, and begins to send. **Blocks** while it reads.
    pub(crate) fn start(
        alerts: &Alerts,
        vantage: &str,
        (writer, reader): (Writer, Reader),
        clock: Clock,
        make: Carriers,
    ) -> Self {
        let progress = writer.progress();
        let news = Arc::new(Notify::new());
        let moved = Arc::clone(&news);
        writer.watch(move || moved.notify_one());
        let post = Self(Arc::new(Inner {
            writer,
            reader,
            clock,
            vantage: vantage.to_owned(),
            make,
            lines: Mutex::default(),
            waiting: Mutex::new(Waiting {
                messages: VecDeque::new(),
                generation: progress.generation,
                lost: progress.lost,
                memory: None,
                orphans: true,
                unread: HashSet::new(),
            }),
            public_url: Mutex::default(),
            news,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }));
        post.configure(alerts);
        let keeper = post.clone();
        post.0.tasks.spawn(async move { keeper.run().await });
        post
    }

    /// Takes other channels. One that stays as it was goes on as if nothing had happened.
    pub(crate) fn configure(&self, alerts: &Alerts) {
        let now = self.0.clock.now();
        let mut lines = self.lines();
        self.0
            .public_url
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&alerts.public_url);
        let stays = |name: &str| alerts.channels.iter().any(|channel| channel.name == name);
        let gone: Vec<String> = lines.keys().filter(|name| !stays(name)).cloned().collect();
        for line in gone.iter().filter_map(|name| lines.remove(name)) {
            line.over.cancel();
            self.0.kept(line.mailbox.with(|queue| queue.close(GONE, now)));
        }
        for channel in &alerts.channels {
            let mailbox = match lines.get(&channel.name) {
                Some(line) if line.channel == *channel => continue,
                Some(line) => {
                    line.over.cancel();
                    line.mailbox.with(Queue::renew);
                    Arc::clone(&line.mailbox)
                }
                None => self.fresh(&channel.name),
            };
            let line = Line {
                channel: channel.clone(),
                carrier: (self.0.make)(channel),
                mailbox,
                over: self.0.stop.child_token(),
            };
            let inner = Arc::clone(&self.0);
            self.0.tasks.spawn(work(
                Arc::clone(&line.mailbox),
                Arc::clone(&line.carrier),
                self.0.clock.clone(),
                move |marks| inner.kept(marks),
                line.over.clone(),
            ));
            lines.insert(channel.name.clone(), line);
        }
        drop(lines);
        self.waiting().orphans = true;
        self.0.news.notify_one();
    }

    /// Keeps a round of health with the messages that it caused; they go once that is done. Never blocks.
    pub(crate) fn keep(&self, mut round: Round, messages: Vec<Message>, now: Timestamp) {
        let held: Vec<Held> = messages.into_iter().map(|it| Held::new(it, now)).collect();
        round.letters = held.iter().map(|it| letter(it, Fate::Waits, now)).collect();
        let mut waiting = self.waiting();
        if round.memory.is_some() {
            waiting.memory.clone_from(&round.memory);
        }
        let ticket = self.0.writer.send_round(round);
        let message = |held: Held| Arc::unwrap_or_clone(held.message);
        waiting
            .messages
            .extend(held.into_iter().map(|it| (ticket, now, message(it))));
        drop(waiting);
        self.0.news.notify_one();
    }

    /// Breaks off what is under way; rows wait for the next start.
    pub(crate) async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Lets messages go when their time has come, and keeps the store whole.
    async fn run(&self) {
        loop {
            let progress = self.0.writer.progress();
            let mut wake = self.release(progress);
            self.restore(progress);
            if self.fetch().await {
                wake = wake.min(READ_AGAIN);
            }
            tokio::select! {
                biased;
                () = self.0.stop.cancelled() => return,
                () = self.0.news.notified() => {}
                () = tokio::time::sleep(wake) => {}
            }
        }
    }

    /// Hands over what is kept, or has waited long enough for it. Tells how long the next one may wait yet.
    fn release(&self, progress: Progress) -> Duration {
        let now = self.0.clock.now();
        loop {
            let waiting = self.waiting();
            let crowded = waiting.messages.len() > MAX_UNCOMMITTED;
            let Some((ticket, since, message)) = waiting.messages.front() else {
                return Duration::from_secs(3_600);
            };
            let waited = now.since(*since);
            let goes =
                crowded || progress.failing || progress.is_settled(*ticket) || waited >= COMMIT_PATIENCE;
            if !goes {
                return COMMIT_PATIENCE.saturating_sub(waited);
            }
            let held = Held::new(message.clone(), *since);
            drop(waiting);
            self.hand_over(held, now);
            // Only now, so that it is counted as waiting at every moment. Nobody else takes from here.
            self.waiting().messages.pop_front();
        }
    }

    fn hand_over(&self, held: Held, now: Timestamp) {
        let lines = self.lines();
        if let Some(line) = lines.get(&held.message.channel) {
            line.mailbox.with(|queue| queue.push(held));
            line.mailbox.wake();
            return;
        }
        drop(lines);
        self.0.kept(vec![Mark {
            held: Held {
                last_error: Some(GONE.to_owned()),
                ..held
            },
            fate: Fate::Dead,
            at: now,
        }]);
    }

    /// Writes everything anew that a damaged file or a full queue lost, once the store works again.
    fn restore(&self, progress: Progress) {
        let mut waiting = self.waiting();
        if progress.failing || (waiting.generation, waiting.lost) == (progress.generation, progress.lost) {
            return;
        }
        (waiting.generation, waiting.lost) = (progress.generation, progress.lost);
        let memory = waiting.memory.clone();
        drop(waiting);
        let now = self.0.clock.now();
        let lines = self.lines();
        let all = lines.values().flat_map(|line| {
            line.mailbox.with(|queue| {
                queue
                    .held()
                    .iter()
                    .map(|it| letter(it, Fate::Waits, now))
                    .collect::<Vec<_>>()
            })
        });
        let letters: Vec<Letter> = all.collect();
        tracing::warn!(
            letters = letters.len(),
            "alerts are written anew: the store had lost some"
        );
        self.0.writer.send_round(Round {
            letters,
            memory,
            ..Round::default()
        });
    }

    /// Reads what was left on disk for want of room. True: try again soon.
    async fn fetch(&self) -> bool {
        let wanted: Vec<(String, u64)> = {
            let lines = self.lines();
            let unread = self.waiting().unread.clone();
            let wants = |(name, line): (&String, &Line)| {
                let more = line.mailbox.with(|queue| queue.wants_more());
                let left = more.or_else(|| unread.contains(name).then_some(0))?;
                Some((name.clone(), left))
            };
            lines.iter().filter_map(wants).collect()
        };
        let orphans = self.waiting().orphans;
        if wanted.is_empty() && !orphans {
            return false;
        }
        let post = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            if !post.0.writer.flush(FLUSH) || post.0.writer.progress().failing {
                return false;
            }
            let fetched = wanted.iter().all(|(name, left)| post.refill(name, *left));
            fetched && (!orphans || post.bury_orphans())
        });
        !read.await.unwrap_or(false)
    }

    fn refill(&self, name: &str, left: u64) -> bool {
        let Some((read, whole)) = self.0.pending(name) else {
            return false;
        };
        if let Some(line) = self.lines().get(name) {
            line.mailbox.with(|queue| queue.refill(read, left, whole));
            line.mailbox.wake();
        }
        self.waiting().unread.remove(name);
        true
    }

    /// A mailbox with what waits on disk for that channel.
    fn fresh(&self, name: &str) -> Arc<Mailbox> {
        let mailbox = Arc::new(Mailbox::default());
        if let Some((read, whole)) = self.0.pending(name) {
            mailbox.with(|queue| queue.refill(read, 0, whole));
        } else {
            self.waiting().unread.insert(name.to_owned());
        }
        mailbox
    }

    /// Gives up what waits on disk for channels that are not configured.
    fn bury_orphans(&self) -> bool {
        let known: HashSet<String> = self.lines().keys().cloned().collect();
        let mut after = 0;
        loop {
            let query = LetterQuery {
                state: LetterState::Pending,
                channel: None,
                after,
                limit: MAX_LIMIT,
            };
            let Ok(page) = self.0.reader.letters(&query) else {
                return false;
            };
            let Some(last) = page.last() else { break };
            after = last.seq;
            let now = self.0.clock.now();
            for row in page
                .into_iter()
                .filter(|row| !known.contains(&row.letter.channel))
            {
                self.0.bury(row.letter, GONE, now);
            }
        }
        self.waiting().orphans = false;
        true
    }

    fn lines(&self) -> MutexGuard<'_, BTreeMap<String, Line>> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Keeps what became of messages. Never blocks.
    fn kept(&self, marks: Vec<Mark>) {
        for mark in marks {
            log(&mark);
            let row = letter(&mark.held, mark.fate, mark.at);
            self.writer.send(Record::Letter(Box::new(row)));
        }
        self.news.notify_one();
    }

    fn bury(&self, row: Letter, why: &str, now: Timestamp) {
        tracing::error!(channel = row.channel, key = row.key, why, "alert given up");
        self.writer.send(Record::Letter(Box::new(Letter {
            state: LetterState::Dead,
            last_error: Some(why.to_owned()),
            next_try_at: None,
            done_at: Some(now),
            ..row
        })));
    }

    /// What waits on disk for that channel, at most [`MAX_HELD`], and whether that is all; `None` where it can't be read.
    fn pending(&self, name: &str) -> Option<(Vec<Held>, bool)> {
        let query = LetterQuery {
            state: LetterState::Pending,
            channel: Some(name.to_owned()),
            after: 0,
            limit: MAX_HELD.min(MAX_LIMIT),
        };
        let rows = match self.reader.letters(&query) {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, channel = name, "waiting alerts can't be read");
                return None;
            }
        };
        let whole = rows.len() < query.limit;
        let mut read = Vec::new();
        for row in rows {
            match held(&row.letter) {
                Some(held) => read.push(held),
                None => self.bury(row.letter, "the kept message can't be read", self.clock.now()),
            }
        }
        Some((read, whole))
    }
}

#[cfg(test)]
mod tests;
