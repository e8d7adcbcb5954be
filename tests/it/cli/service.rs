//! Under a service manager: what it is told, and the sockets that it hands over.

use std::{
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::Command,
    time::Duration,
};

use super::{
    Place,
    running::{Running, entry},
};
use crate::support::live::{Providers, get, until};

/// The service manager's end of `NOTIFY_SOCKET`.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    fn new(place: &Place) -> Self {
        let socket = UnixDatagram::bind(place.path("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self {
            socket,
            heard: Vec::new(),
        }
    }

    /// All that was told so far, a line each, in order.
    fn heard(&mut self) -> &[String] {
        let mut message = [0; 4096];
        while let Ok(n) = self.socket.recv(&mut message) {
            let text = std::str::from_utf8(&message[..n]).unwrap();
            self.heard.extend(text.lines().map(str::to_owned));
        }
        &self.heard
    }

    /// Waits until a line that begins so has come that many times.
    async fn until(&mut self, line: &str, times: usize) {
        let seen = std::cell::RefCell::new(self);
        until(line, || async {
            let mut manager = seen.borrow_mut();
            let count = manager
                .heard()
                .iter()
                .filter(|heard| heard.starts_with(line))
                .count();
            (count >= times).then_some(())
        })
        .await;
    }
}

async fn service() -> (Place, Providers, Manager, Command) {
    let (place, providers) = (Place::new(), Providers::start().await);
    place.configure(
        "endturn.toml",
        &entry(&providers, "anthropic", "anthropic", "\"haiku\""),
    );
    let manager = Manager::new(&place);
    let mut command = place.command(&["run"]);
    command.env("NOTIFY_SOCKET", place.path("notify"));
    (place, providers, manager, command)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_manager_is_told_of_start_state_reload_and_end() {
    let (place, providers, mut manager, mut command) = service().await;
    command.env("WATCHDOG_USEC", "400000");
    let daemon = Running::spawn(command);
    let addr = daemon.addr().await;
    manager.until("READY=1", 1).await;
    assert_eq!(manager.heard()[0], "READY=1", "nothing comes before it");
    assert_eq!(
        get(addr, "/livez").await.0,
        200,
        "ready means that requests are taken"
    );
    manager.until("STATUS=1 target, all operational", 1).await;
    manager.until("WATCHDOG=1", 3).await;

    daemon.signal("HUP");
    manager.until("RELOADING=1", 1).await;
    manager.until("READY=1", 2).await;
    let lines = manager.heard();
    let at = lines.iter().position(|line| line == "RELOADING=1").unwrap();
    let stamp = lines[at + 1]
        .strip_prefix("MONOTONIC_USEC=")
        .expect("a stamp beside it");
    assert!(stamp.parse::<u64>().is_ok(), "{stamp}");
    // A wrong file ends a reload as well: the service is as ready as it was.
    place.write("endturn.toml", "vantage = 7");
    daemon.signal("HUP");
    manager.until("READY=1", 3).await;

    providers.truncate("anthropic");
    manager
        .until("STATUS=1 target, 1 impaired: anthropic/haiku is", 1)
        .await;
    daemon.signal("TERM");
    daemon.end().await.expect(0);
    manager.until("STOPPING=1", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_daemon_feeds_no_watchdog() {
    let (_place, _providers, mut manager, mut command) = service().await;
    command.env("WATCHDOG_USEC", "100000");
    let daemon = Running::spawn(command);
    manager.until("WATCHDOG=1", 2).await;
    daemon.signal("STOP");
    // What was sent before the stop is read; then nothing comes, for ten times as long as the manager would wait.
    let fed = |manager: &mut Manager| {
        manager
            .heard()
            .iter()
            .filter(|line| *line == "WATCHDOG=1")
            .count()
    };
    let mut before = fed(&mut manager);
    until("silence", || {
        let now = fed(&mut manager);
        let silent = now == before;
        before = now;
        async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            silent.then_some(())
        }
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(fed(&mut manager), before, "a stopped process feeds nobody");
    daemon.signal("CONT");
    manager.until("WATCHDOG=1", before + 1).await;
}

/// The command with this socket as its descriptor 3, as systemd passes it.
fn handed(place: &Place, socket: TcpListener) -> Command {
    let endturn = place.command(&["run"]);
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg("exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"")
        .arg(endturn.get_program())
        .args(endturn.get_args())
        .env_clear()
        .envs(
            endturn
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(place.path("."))
        .stdin(OwnedFd::from(socket));
    shell
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_is_handed_over_refuses_nobody_while_the_daemon_restarts() {
    let (place, _providers, _manager, _) = service().await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    let first = Running::spawn(handed(&place, socket.try_clone().unwrap()));
    assert_eq!(first.addr().await, addr, "the socket's address counts");
    assert_eq!(get(addr, "/livez").await.0, 200);
    first.signal("TERM");
    first.end().await.expect(0);
    // Nobody serves now. Whoever asks is not refused but waits.
    let waiting = tokio::spawn(async move { get(addr, "/livez").await.0 });
    let second = Running::spawn(handed(&place, socket));
    assert_eq!(waiting.await.unwrap(), 200);
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_beyond_loopback_is_refused() {
    let (place, _providers, _manager, _) = service().await;
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let mut command = handed(&place, socket);
    let done = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{told}");
    assert!(
        told.contains("is not a loopback address") && told.contains("ListenStream=127.0.0.1"),
        "{told}"
    );
}
