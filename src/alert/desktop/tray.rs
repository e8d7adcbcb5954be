//! What is on the screen: one notification a slot, replaced in its place.

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

use super::Note;

/// Longest wait for the notification server; it answers in milliseconds where there is one.
pub const SHOW_LIMIT: Duration = Duration::from_secs(5);
/// Answers that wait to be heard. A person gives them.
const QUEUE: usize = 64;

/// Why a notification is not on the screen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrayError {
    /// Nobody shows notifications here, for now: try again later.
    #[error("no notification server answers: {0}")]
    Absent(String),
}

/// What a server says that it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// Buttons.
    pub actions: bool,
    /// It reads `<b>` and its like in bodies, so that `<` has to be escaped.
    pub markup: bool,
}

/// A way to a notification server.
pub trait Bus: Send + 'static {
    /// A notification that it showed.
    type Shown: Shown;
    /// What the server can.
    fn features(&mut self) -> impl Future<Output = Result<Features, TrayError>> + Send;
    /// Shows one, in the place of the one with that id.
    fn show(
        &mut self,
        note: &Note,
        features: Features,
        replaces: Option<u32>,
    ) -> impl Future<Output = Result<Self::Shown, TrayError>> + Send;
}

/// A notification on the screen.
pub trait Shown: Send + Sync + 'static {
    /// The server's number for it.
    fn id(&self) -> u32;
    /// What becomes of it next.
    fn answer(&self) -> impl Future<Output = Answer> + Send;
    /// Takes it off the screen.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// What became of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Somebody wants to see more.
    Open,
    /// A person took it away.
    Dismissed,
    /// It went by itself, or its server did.
    Gone,
}

/// What a person did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Wants to see more.
    Open {
        /// Of what.
        slot: String,
        /// Where that was when it was shown.
        link: String,
    },
    /// Took the notification in this slot away.
    Dismissed(String),
}

struct Place<S> {
    shown: Arc<S>,
    link: Option<String>,
    listening: JoinHandle<()>,
}

impl<S> Drop for Place<S> {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Every notification of ours that is on the screen.
pub struct Tray<B: Bus> {
    bus: B,
    /// As the server said; asked anew after it was away.
    features: Option<Features>,
    places: HashMap<String, Place<B::Shown>>,
    /// The first of those on the screen, kept until the last has gone. Each has a connection of its own, and GNOME takes
    /// all notifications of a program away when the connection ends that brought the first.
    anchor: Option<Arc<B::Shown>>,
    sender: mpsc::Sender<(String, u32, Answer)>,
    answers: mpsc::Receiver<(String, u32, Answer)>,
}

impl<B: Bus> Tray<B> {
    /// An empty one.
    pub fn new(bus: B) -> Self {
        let (sender, answers) = mpsc::channel(QUEUE);
        Self {
            bus,
            features: None,
            places: HashMap::new(),
            anchor: None,
            sender,
            answers,
        }
    }

    /// How many are on the screen.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Shows a notification in this slot, in the place of what the slot shows.
    ///
    /// # Errors
    /// [`TrayError::Absent`]: it is not shown; whatever was shown before may still be.
    pub async fn show(&mut self, slot: &str, note: &Note) -> Result<(), TrayError> {
        let shown = self
            .shown(slot, note)
            .await
            .inspect_err(|_| self.features = None)?;
        let shown = Arc::new(shown);
        let listening = tokio::spawn(listen(slot.to_owned(), Arc::clone(&shown), self.sender.clone()));
        self.anchor.get_or_insert_with(|| Arc::clone(&shown));
        let place = Place {
            shown,
            link: note.link.clone(),
            listening,
        };
        self.places.insert(slot.to_owned(), place);
        Ok(())
    }

    async fn shown(&mut self, slot: &str, note: &Note) -> Result<B::Shown, TrayError> {
        let late = || TrayError::Absent(format!("no answer for {} s", SHOW_LIMIT.as_secs()));
        let features = match self.features {
            Some(features) => features,
            None => timeout(SHOW_LIMIT, self.bus.features())
                .await
                .map_err(|_| late())??,
        };
        self.features = Some(features);
        let old = self.places.get(slot).map(|place| place.shown.id());
        timeout(SHOW_LIMIT, self.bus.show(note, features, old))
            .await
            .map_err(|_| late())?
    }

    /// Takes the notification in this slot off the screen.
    pub async fn close(&mut self, slot: &str) {
        if let Some(place) = self.places.remove(slot) {
            // A server that is gone shows nothing any more.
            let _ = timeout(SHOW_LIMIT, place.shown.close()).await;
        }
        self.let_go();
    }

    /// Takes everything off the screen.
    pub async fn clear(&mut self) {
        let slots: Vec<String> = self.places.keys().cloned().collect();
        let all = async {
            for slot in &slots {
                self.close(slot).await;
            }
        };
        let _ = timeout(SHOW_LIMIT, all).await;
    }

    /// The next thing that a person does. Cancel safe.
    pub async fn next(&mut self) -> Heard {
        loop {
            let Some((slot, id, answer)) = self.answers.recv().await else {
                // Unreachable while we hold a sender ourselves; to wait is right all the same.
                return std::future::pending().await;
            };
            // Of one that was replaced meanwhile nothing is to be heard any more.
            let current = self.places.get(&slot).filter(|place| place.shown.id() == id);
            let Some(place) = current else { continue };
            match answer {
                Answer::Open => match place.link.clone() {
                    Some(link) => return Heard::Open { slot, link },
                    None => continue,
                },
                Answer::Dismissed | Answer::Gone => {
                    self.places.remove(&slot);
                    self.let_go();
                }
            }
            if answer == Answer::Dismissed {
                return Heard::Dismissed(slot);
            }
        }
    }

    fn let_go(&mut self) {
        if self.places.is_empty() {
            self.anchor = None;
        }
    }
}

/// Hears what becomes of one notification, until it is off the screen.
async fn listen<S: Shown>(slot: String, shown: Arc<S>, sender: mpsc::Sender<(String, u32, Answer)>) {
    loop {
        let answer = shown.answer().await;
        let last = answer != Answer::Open;
        if sender.send((slot.clone(), shown.id(), answer)).await.is_err() || last {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
