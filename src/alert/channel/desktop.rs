//! The desktop of the session that the daemon runs in. One notification an alarm, replaced as it changes.

use std::time::Duration;

use tokio::{
    sync::{OnceCell, mpsc, oneshot},
    time::timeout,
};

use crate::alert::{
    Message, Outcome,
    desktop::{Bus, Heard, Note, SessionBus, Tray, TrayError, note, open},
};

/// Messages that wait for the notification server; the channel brings one at a time.
const QUEUE: usize = 4;

/// The screen, held by a task of its own: it hears what is clicked between the messages too.
#[derive(Default)]
pub(super) struct Screen(OnceCell<mpsc::Sender<Request>>);

struct Request {
    slot: String,
    note: Note,
    shown: oneshot::Sender<Result<(), TrayError>>,
}

impl Screen {
    /// Shows it, within this time.
    pub(super) async fn deliver(&self, message: &Message, limit: Duration) -> Outcome {
        let requests = self.0.get_or_init(async || start(SessionBus::default())).await;
        match timeout(limit, shown(requests, message)).await {
            Ok(Ok(())) => Outcome::Delivered,
            // Somebody may log in later.
            Ok(Err(why)) => Outcome::Later { why, after: None },
            Err(_) => Outcome::Later {
                why: format!("no answer for {} s", limit.as_secs()),
                after: None,
            },
        }
    }
}

async fn shown(requests: &mpsc::Sender<Request>, message: &Message) -> Result<(), String> {
    let (sender, answer) = oneshot::channel();
    let request = Request {
        slot: message.alarm.clone(),
        note: note(message),
        shown: sender,
    };
    let gone = || "the task that shows notifications has ended".to_owned();
    requests.send(request).await.map_err(|_| gone())?;
    answer
        .await
        .map_err(|_| gone())?
        .map_err(|error| error.to_string())
}

fn start<B: Bus>(bus: B) -> mpsc::Sender<Request>
where
    Tray<B>: Send,
{
    let (sender, requests) = mpsc::channel(QUEUE);
    tokio::spawn(hold(Tray::new(bus), requests));
    sender
}

/// Until the channel is gone; then its notifications are too, for nobody would hear a click on them.
async fn hold<B: Bus>(mut tray: Tray<B>, mut requests: mpsc::Receiver<Request>) {
    loop {
        tokio::select! {
            request = requests.recv() => {
                let Some(Request { slot, note, shown }) = request else { break };
                // Whoever asked may have stopped to wait.
                let _ = shown.send(tray.show(&slot, &note).await);
            }
            heard = tray.next() => match heard {
                Heard::Open { link, .. } => open(&link),
                Heard::Dismissed(_) => {}
            },
        }
    }
    tray.clear().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{
        channel::fixture,
        desktop::fixture::{Fake, Screen as Glass},
    };

    #[tokio::test]
    async fn an_alarm_has_one_notification_and_an_absent_server_is_asked_later() {
        let glass = std::sync::Arc::new(Glass::default());
        let screen = Screen(OnceCell::new_with(Some(start(Fake(std::sync::Arc::clone(
            &glass,
        ))))));
        let limit = Duration::from_secs(5);
        let mut message = fixture::message();
        assert_eq!(screen.deliver(&message, limit).await, Outcome::Delivered);
        message.title = "worse".to_owned();
        assert_eq!(screen.deliver(&message, limit).await, Outcome::Delivered);
        let replaced: Vec<_> = glass
            .shown
            .lock()
            .unwrap()
            .iter()
            .map(|(id, _, old)| (*id, *old))
            .collect();
        assert_eq!(replaced, [(1, None), (1, Some(1))]);
        *glass.away.lock().unwrap() = true;
        let outcome = screen.deliver(&message, limit).await;
        assert!(
            matches!(&outcome, Outcome::Later { why, .. } if why.contains("no notification server")),
            "{outcome:?}"
        );
        drop(screen);
        tokio::time::timeout(limit, async {
            while glass.closed.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("taken along");
    }
}
