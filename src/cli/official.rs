//! What the providers' own pages say, below the table of `endturn status TARGET`.

use std::{fmt::Write as _, time::Duration};

use super::{ask::Daemon, printable, status};
use crate::{
    clock::Timestamp,
    feed::{
        record::Incident,
        v1::{Health, TargetHealth},
    },
};

/// One line per target whose provider's page is read: its word, how old it is, and how much earlier or later than us it
/// spoke of the open incident.
pub(super) async fn words(daemon: &Daemon, health: &Health, now: Timestamp) -> String {
    let mut text = String::new();
    for target in &health.targets {
        let lead = match &target.incident {
            Some(id) if target.official.is_some() => lead(daemon, id).await,
            _ => None,
        };
        if let Some(line) = line(target, lead, now) {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

/// The lead of an incident; `None` too where the daemon's history can't be read.
async fn lead(daemon: &Daemon, id: &str) -> Option<i64> {
    let body = daemon
        .ask(&format!("/v1/incidents/{id}"), status::TIMEOUT)
        .await
        .ok()?;
    serde_json::from_slice::<Incident>(&body).ok()?.lead_s
}

fn line(target: &TargetHealth, lead: Option<i64>, now: Timestamp) -> Option<String> {
    let said = target.official.as_ref()?;
    let mut line = format!("{}: official page: {}", target.id, said.state);
    let foreign = [said.word.as_deref(), said.title.as_deref()]
        .into_iter()
        .flatten();
    for text in foreign.filter(|text| *text != said.state.as_str()) {
        let _ = write!(line, ", \"{}\"", printable(text));
    }
    let _ = write!(line, ", read {} ago", status::ago(now.since(said.at.0)));
    if let Some(lead) = lead {
        let span = status::ago(Duration::from_secs(lead.unsigned_abs()));
        let when = if lead < 0 { "before" } else { "after" };
        let _ = write!(line, "; it spoke {span} {when} us");
    } else if target.incident.is_some() {
        line.push_str("; it has not spoken of this incident");
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{feed::v1::Official, health::State};

    #[test]
    fn a_line_tells_word_age_and_lead() {
        let now = Timestamp::from_millis(100_000);
        let view = serde_json::json!({
            "id": "a/m", "provider": "a", "model": "m", "state": "down", "since": "1970-01-01T00:00:00Z",
            "reason": {"code": "truncated", "text": "", "sources": []},
            "routing": {"hint": "avoid", "weight": 0.0, "breaker": "open", "retry_at": null},
            "window_s": 300, "attempts": 0,
            "failure_rate": {"n": 0}, "error_rate": {"n": 0}, "truncation_rate": {"n": 0},
            "ttft_ms": {"n": 0}, "ttfo_ms": {"n": 0}, "itl_ms": {"n": 0}, "e2e_ms": {"n": 0}, "output_tps": {"n": 0},
            "last_complete_at": null, "flags": [], "official": null, "incident": "i", "spent_usd_today": 0.0,
        });
        let mut target: TargetHealth = serde_json::from_value(view).unwrap();
        assert_eq!(line(&target, None, now), None);
        target.official = Some(Official {
            state: State::Operational,
            at: Timestamp::from_millis(60_000).into(),
            word: Some("operational".to_owned()),
            title: None,
            url: None,
        });
        let quiet = "a/m: official page: operational, read 40 s ago";
        for (lead, end) in [
            (None, "; it has not spoken of this incident"),
            (Some(40), "; it spoke 40 s after us"),
            (Some(-120), "; it spoke 2 min before us"),
        ] {
            assert_eq!(line(&target, lead, now), Some(format!("{quiet}{end}")));
        }
        target.incident = None;
        if let Some(said) = &mut target.official {
            said.word = Some("All \u{1b}Operational".to_owned());
        }
        let shown = line(&target, None, now).unwrap();
        assert_eq!(
            shown,
            "a/m: official page: operational, \"All \\u{1b}Operational\", read 40 s ago"
        );
    }
}
