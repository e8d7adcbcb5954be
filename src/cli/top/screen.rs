//! The terminal: taken over, and given back whatever happens.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use ratatui::{DefaultTerminal, Frame, crossterm::event};
use tokio::sync::mpsc;

/// The alternate screen in raw mode. Dropping it gives the terminal back; so does a panic, by a hook that tells the panic
/// afterwards.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    /// Takes the terminal over.
    pub(super) fn open() -> io::Result<Self> {
        let terminal = ratatui::try_init()?;
        Ok(Self { terminal })
    }

    /// Draws what differs from the last time. A new size is taken over by itself.
    pub(super) fn draw(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(view).map(|_| ())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = self.terminal.show_cursor();
        // After a panic the hook has done it: once more would put the cursor back over what the panic told.
        if !std::thread::panicking() {
            let _ = ratatui::try_restore();
        }
    }
}

/// How long a read of keys may outlive its reader.
const POLL: Duration = Duration::from_millis(200);

/// A thread that reads keys and sizes until it is dropped.
#[derive(Debug)]
pub(super) struct Input {
    ended: Arc<AtomicBool>,
}

impl Drop for Input {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl Input {
    /// Starts reading. An error is the last that is sent.
    pub(super) fn start(to: mpsc::Sender<io::Result<event::Event>>) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ended);
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let read = match event::poll(POLL) {
                    Ok(false) => continue,
                    Ok(true) => event::read(),
                    Err(error) => Err(error),
                };
                let failed = read.is_err();
                if to.blocking_send(read).is_err() || failed {
                    return;
                }
            }
        });
        Self { ended }
    }
}
