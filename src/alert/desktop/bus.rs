//! The session's notification server, over D-Bus.

use std::sync::{Mutex, PoisonError};

use notify_rust::{CloseReason, Hint, Notification, NotificationHandle, NotificationResponse, Timeout};
use tokio::task::JoinHandle;

use super::{
    Life, Note, Urgency,
    tray::{Answer, Bus, Features, Shown, TrayError},
};

/// Our name, and that of our desktop file.
const NAME: &str = "endturn";
/// The button, and its name on the bus.
const OPEN: (&str, &str) = ("open", "Open");

/// The bus that the environment names (`DBUS_SESSION_BUS_ADDRESS`, else the user's own).
#[derive(Debug, Default)]
pub struct SessionBus {
    /// A question that nobody has answered yet: it blocks a thread, so there is one at most.
    asking: Option<JoinHandle<notify_rust::error::Result<Vec<String>>>>,
}

fn absent(error: &dyn std::fmt::Display) -> TrayError {
    TrayError::Absent(error.to_string())
}

impl Bus for SessionBus {
    type Shown = NotificationHandle;

    async fn features(&mut self) -> Result<Features, TrayError> {
        let asking = self
            .asking
            .get_or_insert_with(|| tokio::task::spawn_blocking(notify_rust::get_capabilities));
        let answer = asking.await;
        self.asking = None;
        let words = answer
            .map_err(|error| absent(&error))?
            .map_err(|error| absent(&error))?;
        let has = |word: &str| words.iter().any(|one| one == word);
        Ok(Features {
            actions: has("actions"),
            markup: has("body-markup"),
        })
    }

    async fn show(
        &mut self,
        note: &Note,
        features: Features,
        replaces: Option<u32>,
    ) -> Result<NotificationHandle, TrayError> {
        let notification = built(note, features, replaces);
        notification.show_async().await.map_err(|error| absent(&error))
    }
}

fn built(note: &Note, features: Features, replaces: Option<u32>) -> Notification {
    let mut notification = Notification::new();
    let body = if features.markup {
        note.marked_up()
    } else {
        note.body.clone()
    };
    notification
        .appname(NAME)
        .summary(&note.summary)
        .body(&body)
        .icon(note.icon)
        .urgency(match note.urgency {
            Urgency::Low => notify_rust::Urgency::Low,
            Urgency::Normal => notify_rust::Urgency::Normal,
            Urgency::Critical => notify_rust::Urgency::Critical,
        })
        .hint(Hint::DesktopEntry(NAME.to_owned()))
        .hint(Hint::Category(note.category.to_owned()));
    match note.life {
        Life::Stays => notification.timeout(Timeout::Never),
        Life::Passes(after) => notification.hint(Hint::Transient(true)).timeout(after),
    };
    if features.actions && note.link.is_some() {
        // `default` is a click on the notification itself.
        notification.action("default", OPEN.1).action(OPEN.0, OPEN.1);
    }
    if let Some(id) = replaces {
        notification.id(id);
    }
    notification
}

impl Shown for NotificationHandle {
    fn id(&self) -> u32 {
        self.id()
    }

    async fn answer(&self) -> Answer {
        let answer = Mutex::new(Answer::Gone);
        self.wait_for_action_async(|response: &NotificationResponse| {
            *answer.lock().unwrap_or_else(PoisonError::into_inner) = heard(response);
        })
        .await;
        // Without a response the bus has gone, and what was shown with it.
        answer.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    async fn close(&self) {
        self.close_async().await;
    }
}

fn heard(response: &NotificationResponse) -> Answer {
    match response {
        NotificationResponse::Default => Answer::Open,
        NotificationResponse::Action(name) if name == OPEN.0 => Answer::Open,
        NotificationResponse::Closed(CloseReason::Dismissed) => Answer::Dismissed,
        // An action that is none of ours: as good as nothing, and the notification stays or goes without us.
        NotificationResponse::Action(_)
        | NotificationResponse::Reply(_)
        | NotificationResponse::Closed(_) => Answer::Gone,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn note() -> Note {
        Note {
            summary: "p/m is down".to_owned(),
            body: "<7> of 12 & more".to_owned(),
            urgency: Urgency::Critical,
            life: Life::Stays,
            icon: "dialog-error",
            category: "network.error",
            link: Some("http://127.0.0.1:7411/".to_owned()),
        }
    }

    #[test]
    fn only_what_the_server_can_is_asked_of_it() {
        let plain = built(&note(), Features::default(), None);
        assert_eq!(
            (plain.body.as_str(), plain.actions.len()),
            ("<7> of 12 & more", 0)
        );
        let all = Features {
            actions: true,
            markup: true,
        };
        let rich = built(&note(), all, Some(7));
        assert_eq!(rich.body, "&lt;7&gt; of 12 &amp; more");
        assert_eq!(rich.actions, ["default", "Open", "open", "Open"]);
        let mut nowhere = note();
        nowhere.link = None;
        assert!(built(&nowhere, all, None).actions.is_empty());
    }

    #[test]
    fn what_stays_has_no_timeout_and_what_passes_is_in_no_list() {
        let transient = Hint::Transient(true);
        let stays = built(&note(), Features::default(), None);
        assert_eq!(stays.timeout, Timeout::Never);
        assert!(!stays.hints.contains(&transient));
        let mut brief = note();
        brief.life = Life::Passes(Duration::from_secs(10));
        let passes = built(&brief, Features::default(), None);
        assert_eq!(passes.timeout, Timeout::Milliseconds(10_000));
        assert!(passes.hints.contains(&transient));
        assert!(passes.hints.contains(&Hint::DesktopEntry("endturn".to_owned())));
    }

    #[test]
    fn a_click_opens_and_a_timeout_is_no_dismissal() {
        use NotificationResponse::{Action, Closed, Default};
        for (response, answer) in [
            (Default, Answer::Open),
            (Action("open".to_owned()), Answer::Open),
            (Action("other".to_owned()), Answer::Gone),
            (Closed(CloseReason::Dismissed), Answer::Dismissed),
            (Closed(CloseReason::Expired), Answer::Gone),
            (Closed(CloseReason::CloseAction), Answer::Gone),
            (Closed(CloseReason::Other(9)), Answer::Gone),
        ] {
            assert_eq!(heard(&response), answer, "{response:?}");
        }
    }
}
