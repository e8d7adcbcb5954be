//! A notification server for tests.
#![expect(clippy::unwrap_used, reason = "a helper of tests")]

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

use super::{
    Note,
    tray::{Answer, Bus, Features, Shown, TrayError},
};

/// What is on a made-up screen.
#[derive(Default)]
pub(crate) struct Screen {
    /// (id, summary, id that it replaced)
    pub(crate) shown: Mutex<Vec<(u32, String, Option<u32>)>>,
    pub(crate) closed: Mutex<Vec<u32>>,
    pub(crate) away: Mutex<bool>,
    pub(crate) asked: AtomicUsize,
    /// Connections that are open: one a notification that is held.
    pub(crate) open: AtomicUsize,
    answers: Mutex<HashMap<u32, VecDeque<Answer>>>,
    news: Notify,
}

impl Screen {
    pub(crate) fn answer(&self, id: u32, answer: Answer) {
        self.answers
            .lock()
            .unwrap()
            .entry(id)
            .or_default()
            .push_back(answer);
        self.news.notify_waiters();
    }
}

/// A notification server that shows on it.
pub(crate) struct Fake(pub(crate) Arc<Screen>);

pub(crate) struct One {
    id: u32,
    screen: Arc<Screen>,
}

impl Drop for One {
    fn drop(&mut self) {
        self.screen.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Bus for Fake {
    type Shown = One;

    async fn features(&mut self) -> Result<Features, TrayError> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        Ok(Features::default())
    }

    async fn show(&mut self, note: &Note, _: Features, replaces: Option<u32>) -> Result<One, TrayError> {
        if *self.0.away.lock().unwrap() {
            return Err(TrayError::Absent("away".to_owned()));
        }
        let mut shown = self.0.shown.lock().unwrap();
        let id = replaces.unwrap_or(shown.len() as u32 + 1);
        shown.push((id, note.summary.clone(), replaces));
        self.0.open.fetch_add(1, Ordering::SeqCst);
        Ok(One {
            id,
            screen: Arc::clone(&self.0),
        })
    }
}

impl Shown for One {
    fn id(&self) -> u32 {
        self.id
    }

    async fn answer(&self) -> Answer {
        loop {
            let news = self.screen.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            let next = self
                .screen
                .answers
                .lock()
                .unwrap()
                .get_mut(&self.id)
                .and_then(VecDeque::pop_front);
            if let Some(answer) = next {
                return answer;
            }
            news.await;
        }
    }

    async fn close(&self) {
        self.screen.closed.lock().unwrap().push(self.id);
    }
}
