//! The overview as a browser gets it: from a whole daemon over its socket, with the year behind it.

use std::{
    collections::BTreeMap, fmt::Write as _, net::SocketAddr, path::Path, path::PathBuf, time::Duration,
};

use endturn::{
    clock::Clock,
    config::{Config, Env, load_text},
    daemon::{Daemon, StorePlace},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{RUNS, Taken, cpu, line};

/// Longer than the page keeps any reading.
const STALE: Duration = Duration::from_secs(61);
/// A page is far smaller.
const MAX_PAGE: usize = 8 << 20;

/// The fifty targets of the year, none of which is ever due.
fn config(store: &Path) -> Config {
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = {:?}\n",
        store.display()
    );
    for n in 0..10 {
        let models: Vec<String> = (0..5).map(|m| format!("\"model-{m}\"")).collect();
        let _ = writeln!(
            text,
            "[[provider]]\nid = \"provider-{n}\"\npreset = \"openai-compatible\"\n\
             base_url = \"http://127.0.0.1:1/v1\"\nreach = false\ncanary = {{ every = \"1h\" }}\nfree = true\n\
             models = [{}]",
            models.join(", ")
        );
    }
    let env = Env {
        vars: BTreeMap::new(),
        working_dir: std::env::temp_dir(),
        config_home: None,
        state_home: None,
        system_dir: PathBuf::new(),
    };
    load_text("bench.toml", &text, &env).unwrap().config
}

/// One page over an open connection.
async fn get(stream: &mut TcpStream, addr: SocketAddr) -> String {
    let request = format!("GET / HTTP/1.1\r\nhost: {addr}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    loop {
        let n = stream.read_buf(&mut read).await.unwrap();
        assert!(n > 0 && read.len() < MAX_PAGE, "the server answers");
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.unwrap().parse().unwrap() {
            return body.to_owned();
        }
    }
}

/// Measures the page read anew and the page from what is kept. All runs on this one thread, reads of the store apart.
pub(crate) fn measured(store: &Path, clock: &Clock) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let daemon = Daemon::start(config(store), StorePlace::File, 1, clock.clone())
            .await
            .unwrap();
        let (addr, real) = (daemon.addr(), Clock::system());
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let body = get(&mut stream, addr).await;
        assert!(body.contains("provider-9/model-4"));
        for (what, moved) in [
            ("html, read anew", STALE),
            ("html, from what is kept", Duration::ZERO),
        ] {
            let (mut wall, mut busy) = (Vec::new(), Vec::new());
            for _ in 0..RUNS / 2 {
                clock.advance(moved);
                let (start, begun) = (real.mono(), cpu());
                get(&mut stream, addr).await;
                busy.push(cpu().saturating_sub(begun).as_secs_f64() * 1e3);
                wall.push(real.mono().saturating_sub(start).as_secs_f64() * 1e3);
            }
            println!(
                "{}  {} bytes",
                line(what, "idle", &Taken::of(wall, busy)),
                body.len()
            );
        }
        daemon.stop().await;
    });
}
