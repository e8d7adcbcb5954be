//! An HTTP proxy on loopback: CONNECT for https, absolute URLs for plain http.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

use super::server::{Server, drain, request, send, serve};

/// How a proxy takes what it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Passes it on.
    Passes,
    /// The same, but not at once.
    PassesAfter(Duration),
    /// Passes on what comes with this login, and answers 407 to others.
    Wants(&'static str),
    /// Answers with this status.
    Answers(u16),
    /// Closes without an answer.
    Closes,
    /// Never answers.
    Hangs,
}

/// A proxy with what it was asked for: the first line of each request.
pub(crate) struct Proxy {
    /// `host:port`.
    pub(crate) name: String,
    asked: Arc<Mutex<Vec<String>>>,
    _server: Server,
}

impl Proxy {
    pub(crate) async fn start(manner: Manner) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        let server = serve(move |_, socket| take(socket, manner, Arc::clone(&kept))).await;
        Self {
            name: server.addr.to_string(),
            asked,
            _server: server,
        }
    }

    /// The first line of each request so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Where nobody listens, as `host:port`.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

async fn take(mut socket: TcpStream, manner: Manner, asked: Arc<Mutex<Vec<String>>>) {
    let Some(request) = request(&mut socket).await else {
        return;
    };
    let line = request.lines().next().unwrap_or_default().to_owned();
    asked.lock().unwrap().push(line.clone());
    match manner {
        Manner::Closes => {}
        Manner::Hangs => drain(&mut socket).await,
        Manner::Answers(status) => answer(&mut socket, status).await,
        Manner::Wants(login) if !request.to_lowercase().contains(&login.to_lowercase()) => {
            answer(&mut socket, 407).await;
        }
        Manner::PassesAfter(wait) => {
            tokio::time::sleep(wait).await;
            pass(socket, &line, &request).await;
        }
        Manner::Passes | Manner::Wants(_) => pass(socket, &line, &request).await,
    }
}

async fn answer(socket: &mut TcpStream, status: u16) {
    let head = format!("HTTP/1.1 {status} Of the proxy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    send(socket, head).await;
}

async fn pass(mut socket: TcpStream, line: &str, request: &str) {
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let authority = match target.strip_prefix("http://") {
        Some(rest) => rest.split('/').next().unwrap(),
        None => target,
    };
    let Ok(mut behind) = TcpStream::connect(authority).await else {
        return answer(&mut socket, 502).await;
    };
    if method == "CONNECT" {
        send(&mut socket, "HTTP/1.1 200 Connected\r\n\r\n").await;
    } else {
        let origin = format!("http://{authority}");
        send(&mut behind, request.replacen(&origin, "", 1)).await;
    }
    let _ = copy_bidirectional(&mut socket, &mut behind).await;
}
