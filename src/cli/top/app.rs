//! What `top` knows and how events change it. Pure: time is an argument, history is a wish.

use std::{collections::HashMap, time::Duration};

use ratatui::{crossterm::event::Event as Input, widgets::TableState};

use super::{
    keys::{self, Action, Mode},
    past::{Answer, Bar, Details, INCIDENTS, Wish},
};
use crate::{
    cli::status,
    client::follow::News,
    clock::Timestamp,
    feed::{
        record::Incident,
        v1::{Health, TargetHealth},
    },
    health::{Network, State},
    id::TargetId,
};

/// How old an answer of history may grow before it is asked for again.
const HOUR_EVERY: Duration = Duration::from_secs(20);
const DETAILS_EVERY: Duration = Duration::from_secs(5);
const INCIDENTS_EVERY: Duration = Duration::from_secs(60);
/// Longest text to search for, in characters: the longest target id.
const MAX_SEARCH: usize = 257;

/// What happens.
#[derive(Debug)]
pub(super) enum Event {
    /// A key, or a new size.
    Input(Input),
    /// The feed's word.
    News(News),
    /// History's word.
    Past(Answer),
    /// Time goes on.
    Tick,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// Draw, and wait for the next event.
    Continue,
    /// End.
    Quit,
}

/// The order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sort {
    /// Impaired first, the worst at the top; then as configured.
    #[default]
    State,
    /// By id.
    Name,
    /// The slowest first token first.
    Ttft,
    /// The highest failure rate first.
    Failures,
}

impl Sort {
    /// What it is called.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Name => "name",
            Self::Ttft => "TTFT",
            Self::Failures => "failures",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::State => Self::Name,
            Self::Name => Self::Ttft,
            Self::Ttft => Self::Failures,
            Self::Failures => Self::State,
        }
    }
}

/// A connection that is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lost {
    /// Since when.
    pub(super) since: Timestamp,
    /// Why, at the last attempt.
    pub(super) why: String,
    /// When the next attempt comes.
    pub(super) next: Timestamp,
}

/// Everything that is on the screen.
#[derive(Debug)]
pub(super) struct App {
    url: String,
    pub(super) now: Timestamp,
    pub(super) health: Health,
    pub(super) lost: Option<Lost>,
    pub(super) mode: Mode,
    pub(super) sort: Sort,
    pub(super) unwell_only: bool,
    pub(super) search: String,
    selected: Option<TargetId>,
    /// Where the table is scrolled to; the view moves it to the selected row.
    pub(super) table: TableState,
    /// Rows of the table on the screen; the view tells.
    pub(super) page: usize,
    pub(super) hours: HashMap<TargetId, Vec<Bar>>,
    pub(super) incidents: Vec<Incident>,
    pub(super) details: Option<(TargetId, Details)>,
    /// Why history gave no answer, the last time.
    pub(super) unread: Option<String>,
    asked: HashMap<Wish, Timestamp>,
}

impl App {
    /// The state that shows this feed.
    pub(super) fn new(health: Health, url: String, now: Timestamp) -> Self {
        let mut app = Self {
            url,
            now,
            health,
            lost: None,
            mode: Mode::Table,
            sort: Sort::default(),
            unwell_only: false,
            search: String::new(),
            selected: None,
            table: TableState::default(),
            page: 1,
            hours: HashMap::new(),
            incidents: Vec::new(),
            details: None,
            unread: None,
            asked: HashMap::new(),
        };
        app.keep_selection();
        app
    }

    /// The daemon's address.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Takes an event in.
    pub(super) fn update(&mut self, event: Event, now: Timestamp) -> Flow {
        self.now = now;
        match event {
            Event::Input(Input::Key(key)) => {
                if let Some(action) = keys::action(self.mode, key) {
                    return self.act(action);
                }
            }
            // A new size needs nothing but the drawing that follows.
            Event::Tick | Event::Input(_) => {}
            Event::News(news) => self.hear(news),
            Event::Past(answer) => self.learn(answer),
        }
        Flow::Continue
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Lost { why, retry } => {
                let since = self.lost.as_ref().map_or(self.now, |lost| lost.since);
                let next = self.now.plus(retry);
                self.lost = Some(Lost { since, why, next });
                return;
            }
            News::Snapshot(health) => {
                self.health = *health;
                // Incidents may have come and gone unheard.
                self.asked.remove(&Wish::Incidents);
            }
            News::Delta(delta) => {
                self.health.apply(&delta);
                if let Some(change) = delta.incident {
                    self.put_incident(change.incident);
                }
            }
        }
        self.lost = None;
        self.keep_selection();
    }

    fn put_incident(&mut self, new: Incident) {
        match self.incidents.iter_mut().find(|old| old.id == new.id) {
            Some(old) => *old = new,
            None => self.incidents.insert(0, new),
        }
        self.order_incidents();
    }

    /// Open ones first, then by their beginning, newest first.
    fn order_incidents(&mut self) {
        self.incidents
            .sort_by_key(|incident| (!incident.open, std::cmp::Reverse(incident.started_at)));
        let open = self.incidents.iter().filter(|incident| incident.open).count();
        self.incidents.truncate(open.max(INCIDENTS));
    }

    fn learn(&mut self, answer: Answer) {
        self.unread = None;
        match answer {
            Answer::Hour(target, bars) => {
                self.hours.insert(target, bars);
            }
            Answer::Incidents(incidents) => {
                self.incidents = incidents;
                self.order_incidents();
            }
            Answer::Details(target, details) => self.details = Some((target, *details)),
            Answer::Failed(why) => self.unread = Some(why),
        }
    }

    /// What to ask of history now, and notes that it was asked. Nothing while nobody answers.
    pub(super) fn wish(&mut self) -> Option<Wish> {
        if self.lost.is_some() {
            return None;
        }
        let mut wishes = Vec::new();
        if self.mode == Mode::Details
            && let Some(target) = &self.selected
        {
            wishes.push((Wish::Details(target.clone()), DETAILS_EVERY));
        }
        wishes.push((Wish::Incidents, INCIDENTS_EVERY));
        let hours = self.rows().into_iter().map(|target| target.id.clone());
        wishes.extend(hours.map(|id| (Wish::Hour(id), HOUR_EVERY)));
        // Who was never asked comes first, then who was asked longest ago.
        let due = wishes.into_iter().filter(|(wish, every)| {
            let asked = self.asked.get(wish);
            asked.is_none_or(|asked| self.now.since(*asked) >= *every)
        });
        let (wish, _) = due.min_by_key(|(wish, _)| self.asked.get(wish).copied())?;
        self.asked.insert(wish.clone(), self.now);
        Some(wish)
    }

    /// Whether nothing in the feed is known any more, and why.
    pub(super) fn dark(&self) -> Option<&'static str> {
        if status::is_stale(&self.health, self.now) {
            Some("the feed is stale")
        } else if self.health.head.network != Network::Online {
            Some("own network offline")
        } else {
            None
        }
    }

    /// A target's state as far as it is known.
    pub(super) fn state(&self, target: &TargetHealth) -> State {
        if self.dark().is_some() {
            State::Unknown
        } else {
            target.state
        }
    }

    /// The targets on the screen, in order.
    pub(super) fn rows(&self) -> Vec<&TargetHealth> {
        let search = self.search.to_lowercase();
        let well =
            |target: &TargetHealth| matches!(self.state(target), State::Operational | State::Maintenance);
        let mut rows: Vec<&TargetHealth> = self
            .health
            .targets
            .iter()
            .filter(|target| !self.unwell_only || !well(target))
            .filter(|target| target.id.to_string().to_lowercase().contains(&search))
            .collect();
        // Sorts are stable: equals stay in configured order.
        let highest = |figure: Option<f64>| -figure.unwrap_or(-1.0);
        match self.sort {
            Sort::State => rows.sort_by_key(|target| rank(self.state(target))),
            Sort::Name => rows.sort_by(|a, b| a.id.cmp(&b.id)),
            Sort::Ttft => rows.sort_by(|a, b| highest(a.ttft_ms.p95).total_cmp(&highest(b.ttft_ms.p95))),
            Sort::Failures => {
                rows.sort_by(|a, b| highest(a.failure_rate.value).total_cmp(&highest(b.failure_rate.value)));
            }
        }
        rows
    }

    /// The selected target, as long as it is on the screen.
    pub(super) fn selection(&self) -> Option<&TargetHealth> {
        let id = self.selected.as_ref()?;
        self.health.targets.iter().find(|target| &target.id == id)
    }

    /// Its row.
    pub(super) fn selected_row(&self) -> Option<usize> {
        let id = self.selected.as_ref()?;
        self.rows().iter().position(|target| &target.id == id)
    }

    /// A selection stays with its target, wherever that moves; without one the first row is selected.
    fn keep_selection(&mut self) {
        // A target that is looked at stays, though the table may hide it by now.
        if self.mode == Mode::Details && self.selection().is_some() {
            return;
        }
        if self.mode == Mode::Details {
            self.mode = Mode::Table;
        }
        if self.selected_row().is_none() {
            self.selected = self.rows().first().map(|target| target.id.clone());
        }
    }

    fn select(&mut self, row: impl FnOnce(usize, usize) -> usize) {
        let rows = self.rows();
        if let Some(last) = rows.len().checked_sub(1) {
            let at = row(self.selected_row().unwrap_or(0), last).min(last);
            self.selected = Some(rows[at].id.clone());
        }
    }

    fn act(&mut self, action: Action) -> Flow {
        match action {
            Action::Quit => return Flow::Quit,
            Action::Back => return self.back(),
            Action::Move(by) => self.select(|at, _| at.saturating_add_signed(by)),
            Action::Page(by) => {
                let rows = isize::try_from(self.page.max(1)).unwrap_or(1);
                self.select(|at, _| at.saturating_add_signed(by.saturating_mul(rows)));
            }
            Action::Home => self.select(|_, _| 0),
            Action::End => self.select(|_, last| last),
            Action::Sort => self.sort = self.sort.next(),
            Action::Filter => self.unwell_only = !self.unwell_only,
            Action::Search => self.mode = Mode::Search,
            Action::Type(c) if self.search.chars().count() < MAX_SEARCH => self.search.push(c),
            Action::Type(_) => {}
            Action::Erase => {
                self.search.pop();
            }
            Action::Accept => self.mode = Mode::Table,
            Action::Open => {
                self.mode = match self.mode {
                    Mode::Table if self.selection().is_some() => Mode::Details,
                    _ => Mode::Table,
                };
            }
            Action::Help => {
                self.mode = match self.mode {
                    Mode::Help => Mode::Table,
                    _ => Mode::Help,
                };
            }
        }
        self.keep_selection();
        Flow::Continue
    }

    /// Esc: one step out. From the bare table there is nowhere to go but home.
    fn back(&mut self) -> Flow {
        match self.mode {
            Mode::Details | Mode::Help => self.mode = Mode::Table,
            Mode::Search => {
                self.search.clear();
                self.mode = Mode::Table;
            }
            Mode::Table if !self.search.is_empty() || self.unwell_only => {
                self.search.clear();
                self.unwell_only = false;
            }
            Mode::Table => return Flow::Quit,
        }
        self.keep_selection();
        Flow::Continue
    }
}

/// The worst first.
fn rank(state: State) -> u8 {
    match state {
        State::Down => 0,
        State::Partial => 1,
        State::Degraded => 2,
        State::Unknown => 3,
        State::Maintenance => 4,
        State::Operational => 5,
    }
}

#[cfg(test)]
mod tests;
