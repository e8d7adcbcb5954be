//! How a plain connection to a mail server becomes an encrypted one (RFC 3207), and the bound on what it says.
//!
//! The mail client reads ahead, and what it has read in the clear it would believe after encryption too. So we ask for
//! encryption ourselves, reading no byte beyond the server's answers, and show the client a connection that was
//! encrypted from the beginning: anything that was slipped in between ends up in the handshake, which fails.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::smtp::Failure;

/// What we are to the server: no name that it could look up.
pub(super) const HELLO: &str = "endturn.localhost";
/// The greeting that was said before encryption, for the client that expects one.
pub(super) const GREETING: &[u8] = b"220 encrypted\r\n";
/// Most bytes that a server may say to one mail.
pub(super) const MAX_SERVER_BYTES: usize = 64 << 10;
/// Most bytes of one answer before encryption.
const MAX_ANSWER_BYTES: usize = 8 << 10;

/// Most bytes that are read at once.
const PIECE_BYTES: usize = 4 << 10;

/// Asks for encryption; the next byte is that of the handshake.
pub(super) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Result<(), Failure> {
    answer(stream, "220").await?;
    stream.write_all(format!("EHLO {HELLO}\r\n").as_bytes()).await?;
    let offers = answer(stream, "250").await?;
    let offered = offers.lines().any(|line| {
        line.get(4..)
            .is_some_and(|word| word.trim().eq_ignore_ascii_case("STARTTLS"))
    });
    if !offered {
        let why = "the server offers no STARTTLS: nothing was told to it";
        return Err(Failure::Refused(why.to_owned()));
    }
    stream.write_all(b"STARTTLS\r\n").await?;
    answer(stream, "220").await?;
    Ok(())
}

/// One answer of one or more lines, and not a byte more.
async fn answer<S: AsyncRead + Unpin>(stream: &mut S, wanted: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let mut line = 0;
    loop {
        if bytes.len() == MAX_ANSWER_BYTES {
            return Err(Failure::Later("an answer without end".to_owned()));
        }
        let byte = stream.read_u8().await?;
        bytes.push(byte);
        if byte == b'\n' {
            // The last line has a space behind its code, the others a hyphen.
            if bytes.get(line + 3) != Some(&b'-') {
                break;
            }
            line = bytes.len();
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let last = String::from_utf8_lossy(&bytes[line..]).trim().to_owned();
    if last.starts_with(wanted) {
        Ok(text)
    } else if last.starts_with('5') {
        Err(Failure::Refused(last))
    } else {
        Err(Failure::Later(last))
    }
}

/// A connection on which the server may say so much and no more.
pub(super) struct Bounded<S> {
    stream: S,
    peer: SocketAddr,
    /// What is read before the server's own words.
    before: &'static [u8],
    left: usize,
}

impl<S> Bounded<S> {
    pub(super) const fn new(stream: S, peer: SocketAddr, before: &'static [u8]) -> Self {
        Self {
            stream,
            peer,
            before,
            left: MAX_SERVER_BYTES,
        }
    }
}

impl<S> fmt::Debug for Bounded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.before.is_empty() {
            let (now, later) = self.before.split_at(self.before.len().min(buf.remaining()));
            buf.put_slice(now);
            self.before = later;
            return Poll::Ready(Ok(()));
        }
        // By way of a piece of our own: an error must leave the caller's buffer alone. At the bound one byte more is asked
        // for, to tell its end from more of it.
        let mut piece = [0; PIECE_BYTES];
        let most = PIECE_BYTES.min(buf.remaining()).min(self.left.max(1));
        let mut piece = ReadBuf::new(&mut piece[..most]);
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut piece);
        match self.left.checked_sub(piece.filled().len()) {
            Some(left) => {
                self.left = left;
                buf.put_slice(piece.filled());
                polled
            }
            None => Poll::Ready(Err(io::Error::other("the server says more than it may"))),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> AsyncTokioStream for Bounded<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the client makes of a server that says this, and what is left for the handshake.
    async fn asked(server: &str) -> (Result<(), Failure>, String) {
        let (mut ours, mut theirs) = tokio::io::duplex(64 << 10);
        theirs.write_all(server.as_bytes()).await.unwrap();
        theirs.shutdown().await.unwrap();
        let result = ask(&mut ours).await;
        let mut rest = String::new();
        ours.read_to_string(&mut rest).await.unwrap();
        (result, rest)
    }

    const OFFER: &str = "220 mx ESMTP\r\n250-mx greets you\r\n250-SIZE 1\r\n250 starttls\r\n220 go ahead\r\n";

    #[tokio::test]
    async fn nothing_that_was_slipped_in_is_believed() {
        let (result, rest) = asked(&format!("{OFFER}250 AUTH PLAIN\r\n")).await;
        assert!(result.is_ok());
        // It is what the handshake reads, which fails on it.
        assert_eq!(rest, "250 AUTH PLAIN\r\n");
    }

    #[tokio::test]
    async fn a_server_that_cannot_is_told_nothing() {
        for (server, refused, why) in [
            (
                "220 mx\r\n250-mx\r\n250 SIZE 1\r\n",
                true,
                "the server offers no STARTTLS",
            ),
            (
                "220 mx\r\n250-mx\r\n250 STARTTLSX\r\n",
                true,
                "the server offers no STARTTLS",
            ),
            ("554 go away\r\n", true, "554 go away"),
            ("421 busy\r\n", false, "421 busy"),
            ("220 mx\r\n250 STARTTLS\r\n454 not now\r\n", false, "454 not now"),
            ("HTTP/1.1 400 Bad\r\n", false, "HTTP/1.1 400 Bad"),
            ("", false, ""),
        ] {
            let (result, _) = asked(server).await;
            match (result, refused) {
                (Err(Failure::Refused(told)), true) | (Err(Failure::Later(told)), false) => {
                    assert!(told.starts_with(why), "{told}");
                }
                (result, _) => panic!("{server}: {result:?}"),
            }
        }
        let endless = "2".repeat(2 * MAX_ANSWER_BYTES);
        let (result, rest) = asked(&endless).await;
        assert!(matches!(result, Err(Failure::Later(_))));
        assert_eq!(rest.len(), MAX_ANSWER_BYTES);
    }

    #[tokio::test]
    async fn a_server_that_talks_without_end_is_left() {
        let peer = SocketAddr::from(([127, 0, 0, 1], 25));
        let said = vec![b'x'; MAX_SERVER_BYTES + 1];
        let mut whole = Bounded::new(&said[..MAX_SERVER_BYTES], peer, GREETING);
        let mut read = Vec::new();
        whole.read_to_end(&mut read).await.unwrap();
        assert_eq!(read.len(), GREETING.len() + MAX_SERVER_BYTES);
        assert!(
            Bounded::new(&said[..], peer, b"")
                .read_to_end(&mut read)
                .await
                .is_err()
        );
    }
}
