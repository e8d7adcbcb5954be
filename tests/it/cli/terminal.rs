//! Commands in a terminal of their own: what `top` draws, and in what state it leaves the terminal; what others tell there
//! alone.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rustix::{
    fs::{Mode, OFlags, open},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

use super::{
    Place,
    running::{Running, entry, until_state},
};
use crate::support::live::{PATIENCE, Providers, until};

/// A terminal with a process in it. Dropping it kills the process, and nothing else.
struct Terminal {
    child: Child,
    ours: File,
    theirs: OwnedFd,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Terminal {
    fn start(mut command: Command, columns: u16, rows: u16) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let theirs = open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&theirs, size).unwrap();
        let end = || Stdio::from(theirs.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let ours = File::from(ours);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut from, to) = (ours.try_clone().unwrap(), Arc::clone(&shown));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                to.lock().unwrap().extend_from_slice(&buffer[..read]);
            }
        });
        Self {
            child,
            ours,
            theirs,
            shown,
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    async fn shows(&self, part: &str) {
        until(part, || async { self.text().contains(part).then_some(()) }).await;
    }

    fn press(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).unwrap();
    }

    fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.theirs).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO)
    }

    async fn end(&mut self) -> Option<i32> {
        let waited = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status.code();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waited).await.expect("an end")
    }

    /// Waits until it is as it was: the first screen, with the cursor, and cooked.
    async fn is_given_back(&self) {
        until("the terminal as it was", || async {
            self.is_cooked().then_some(())
        })
        .await;
    }

    fn is_cooked(&self) -> bool {
        let text = self.text();
        let last = |sequence: &str| text.rfind(sequence);
        !self.is_raw()
            && last("\u{1b}[?1049l") > last("\u{1b}[?1049h")
            && last("\u{1b}[?25h") > last("\u{1b}[?25l")
    }
}

/// The red of the palette, as a foreground.
const RED: &str = "\u{1b}[38;5;1;";
const ENTERED: &str = "\u{1b}[?1049h";

async fn watching() -> (Place, Providers, Running, String) {
    let (place, providers) = (Place::new(), Providers::start().await);
    place.configure(
        "endturn.toml",
        &entry(&providers, "anthropic", "anthropic", "\"haiku\""),
    );
    let daemon = Running::start(&place, &["run"]);
    let addr = daemon.addr().await;
    until_state(addr, "anthropic/haiku", "operational").await;
    (place, providers, daemon, format!("http://{addr}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn top_follows_an_outage_and_gives_the_terminal_back() {
    let (place, providers, daemon, url) = watching().await;
    let mut top = Terminal::start(place.command(&["top", "--url", &url]), 100, 30);
    top.shows("● operational").await;
    assert!(top.is_raw() && top.text().contains(ENTERED));
    providers.truncate("anthropic");
    top.shows("✕ down").await;
    assert!(
        top.text().contains(RED),
        "in colour, for the test of none to mean something"
    );
    // Details with the evidence, and back.
    top.press("\r");
    top.shows("LAST FAILURES").await;
    top.shows("truncated(cut)").await;
    top.press("\u{1b}");
    daemon.signal("TERM");
    daemon.end().await.expect(0);
    top.shows("connection lost since ").await;
    top.press("q");
    assert_eq!(top.end().await, Some(0));
    top.is_given_back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_top_as_a_key_does() {
    let (place, providers, _daemon, url) = watching().await;
    providers.truncate("anthropic");
    until_state(
        url.trim_start_matches("http://").parse().unwrap(),
        "anthropic/haiku",
        "down",
    )
    .await;
    for signal in ["TERM", "INT", "HUP"] {
        let mut command = place.command(&["top", "--url", &url]);
        command.env("NO_COLOR", "1");
        let mut top = Terminal::start(command, 80, 24);
        top.shows("✕ down").await;
        let sent = Command::new("kill")
            .args(["-s", signal, &top.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        assert_eq!(top.end().await, Some(0), "{signal}");
        top.is_given_back().await;
        for colour in [RED, "[38;", "[48;"] {
            assert!(!top.text().contains(colour), "{colour}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn top_without_a_terminal_or_a_daemon_says_so() {
    let place = Place::new();
    let done = place.run(&["top"]).await.expect(1);
    assert!(
        done.err.contains("top needs a terminal") && done.err.contains("endturn status"),
        "{}",
        done.err
    );
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let mut top = Terminal::start(place.command(&["top", "--url", &nobody]), 80, 24);
    top.shows("no endturn answers").await;
    assert_eq!(top.end().await, Some(4));
    assert!(!top.text().contains(ENTERED), "an error is told where it stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sits_before_a_first_configuration_is_told_what_to_do_next() {
    let place = Place::new();
    let mut command = place.command(&["init", "-o", "endturn.toml"]);
    command.env("ANTHROPIC_API_KEY", "k");
    let mut init = Terminal::start(command, 100, 24);
    init.shows("watched: anthropic (ANTHROPIC_API_KEY)").await;
    init.shows("endturn check -c endturn.toml").await;
    assert_eq!(init.end().await, Some(0));
    assert!(place.path("endturn.toml").exists());
}
