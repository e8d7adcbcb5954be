//! Raw sockets on loopback: one handler per connection.

use std::{future::Future, net::SocketAddr};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A listening server; it ends with this value.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves every connection, numbered from 0, with the handler.
pub(crate) async fn serve<F, R>(handler: F) -> Server
where
    F: Fn(usize, TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut number = 0;
        while let Ok((socket, _)) = listener.accept().await {
            // Else small pieces wait for the client's acknowledgement, and a reset overtakes them.
            socket.set_nodelay(true).unwrap();
            tokio::spawn(handler(number, socket));
            number += 1;
        }
    });
    Server { addr, task }
}

/// Reads one HTTP/1 request, body included. `None`: the client closed first.
pub(crate) async fn request<S: AsyncRead + Unpin>(socket: &mut S) -> Option<String> {
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some(end) = text.find("\r\n\r\n") {
            let length = text[..end]
                .to_ascii_lowercase()
                .split("\r\n")
                .find_map(|line| {
                    line.strip_prefix("content-length:")
                        .map(str::trim)
                        .map(str::to_owned)
                })
                .map_or(0, |value| value.parse::<usize>().unwrap());
            if seen.len() >= end + 4 + length {
                return Some(text);
            }
        }
        if socket.read_buf(&mut seen).await.ok()? == 0 {
            return None;
        }
    }
}

/// Writes all of it; false once the client is gone.
pub(crate) async fn send<S: AsyncWrite + Unpin>(socket: &mut S, bytes: impl AsRef<[u8]>) -> bool {
    socket.write_all(bytes.as_ref()).await.is_ok() && socket.flush().await.is_ok()
}

/// Reads until the client closes, so that our own end is a FIN and not a reset.
pub(crate) async fn drain<S: AsyncRead + Unpin>(socket: &mut S) {
    let mut sink = [0; 4096];
    while matches!(socket.read(&mut sink).await, Ok(n) if n > 0) {}
}

/// Ends a connection with a TCP reset.
pub(crate) fn reset(socket: TcpStream) {
    socket.set_zero_linger().unwrap();
    drop(socket);
}
