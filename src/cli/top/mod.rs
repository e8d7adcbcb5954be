//! `endturn top`: the feed live in the terminal.
//!
//! The core is pure: [`app`] takes events to a state and says what it would like to know of the past, [`view`] draws the
//! state into a buffer. This module joins them with the feed, the history, the keys and the screen.

mod app;
mod keys;
mod past;
mod screen;
mod view;

use std::{io::IsTerminal, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use self::{
    app::{App, Event, Flow},
    screen::{Input, Screen},
    view::Theme,
};
use super::{Exit, args::TopArgs, ask::Daemon, complain, status};
use crate::{
    client::follow::{Follower, Patience},
    clock::Clock,
};

/// Ages and times move on that often without news.
const TICK: Duration = Duration::from_secs(1);

/// Runs the command.
pub(super) async fn run(args: &TopArgs, clock: &Clock) -> Exit {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        complain(
            "error: top needs a terminal\n\nhelp: `endturn status` prints the same once, `endturn status --wait-change` \
             after the next change",
        );
        return Exit::Failure;
    }
    let fetched = async {
        let daemon = Daemon::of(&args.daemon)?;
        let (health, _) = status::fetch(&daemon).await?;
        Ok::<_, status::StatusError>((daemon, health))
    };
    let (daemon, health) = match fetched.await {
        Ok(fetched) => fetched,
        Err(error) => {
            complain(&format!("error: {error}"));
            return error.exit();
        }
    };
    let mut screen = match Screen::open() {
        Ok(screen) => screen,
        Err(error) => {
            complain(&format!("error: the terminal can't be taken over: {error}"));
            return Exit::Failure;
        }
    };
    let follower = Follower::start(daemon.events(), Some(&health), Patience::USUAL);
    let app = App::new(health, args.daemon.url.clone(), clock.now());
    let ended = live(app, follower, daemon, &mut screen, clock).await;
    drop(screen);
    match ended {
        Ok(()) => Exit::Ok,
        Err(error) => {
            complain(&format!("error: the terminal is lost: {error}"));
            Exit::Failure
        }
    }
}

/// Draws after every event until a key or a signal ends it. What comes together is drawn once.
async fn live(
    mut app: App,
    mut follower: Follower,
    daemon: Daemon,
    screen: &mut Screen,
    clock: &Clock,
) -> std::io::Result<()> {
    let theme = Theme::of_environment();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (sender, mut input) = mpsc::channel(64);
    let _keys = Input::start(sender);
    // At most one question at a time, so that history is read gently.
    let mut answers = JoinSet::new();
    loop {
        screen.draw(|frame| view::draw(&mut app, theme, frame))?;
        if answers.is_empty()
            && let Some(wish) = app.wish()
        {
            answers.spawn(past::ask(daemon.clone(), wish, clock.now()));
        }
        let event = tokio::select! {
            key = input.recv() => match key {
                Some(event) => Event::Input(event?),
                None => return Ok(()),
            },
            news = follower.next() => Event::News(news),
            Some(answer) = answers.join_next() => match answer {
                Ok(answer) => Event::Past(answer),
                // A panic is told by its hook already.
                Err(_) => Event::Tick,
            },
            _ = tick.tick() => Event::Tick,
            _ = terminate.recv() => return Ok(()),
            _ = hangup.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        };
        if app.update(event, clock.now()) == Flow::Quit {
            return Ok(());
        }
    }
}
