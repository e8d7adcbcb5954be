//! Hands a mail to an SMTP server. The connection goes to an address that was looked at, and nothing is told before it
//! is encrypted, unless the configuration has it so.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use lettre::{
    Message as Mail,
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, AsyncTokioStream, TlsParameters},
        commands::{Data, Mail as MailFrom, Rcpt},
        extension::ClientId,
    },
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{guard::Guard, post::MAX_WHY_BYTES};
use crate::{
    alert::{
        message::Outcome,
        words::{clean, clip},
    },
    config::{Email, MailTls},
};

/// What we are to the server: no name that it could look up.
const HELLO: &str = "endturn.localhost";

/// Why a mail was not taken.
enum Failure {
    /// It may be taken another time.
    Later(String),
    /// It will not.
    Refused(String),
}

impl From<lettre::transport::smtp::Error> for Failure {
    fn from(error: lettre::transport::smtp::Error) -> Self {
        let why = error.to_string();
        // 5xx is the server's last word; everything else (4xx, a broken connection, a certificate) may change.
        if error.is_permanent() {
            Self::Refused(why)
        } else {
            Self::Later(why)
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Later(error.to_string())
    }
}

/// One try.
pub(super) async fn send(
    mail: &Mail,
    settings: &Email,
    guard: &Guard,
    tls: &ClientConfig,
    timeout: Duration,
) -> Outcome {
    let told = |why: String| {
        let why = clean(&format!("{}: {why}", settings.host));
        let secrets = settings
            .login
            .iter()
            .flat_map(|(user, password)| [password, user]);
        let why = secrets.fold(why, |why, secret| secret.scrub(&why));
        clip(&why, MAX_WHY_BYTES).into_owned()
    };
    match tokio::time::timeout(timeout, exchange(mail, settings, guard, tls)).await {
        Ok(Ok(())) => Outcome::Delivered,
        Ok(Err(Failure::Refused(why))) => Outcome::Refused { why: told(why) },
        Ok(Err(Failure::Later(why))) => Outcome::Later {
            why: told(why),
            after: None,
        },
        Err(_) => Outcome::Later {
            why: told(format!(
                "no answer within {}",
                humantime::format_duration(timeout)
            )),
            after: None,
        },
    }
}

async fn exchange(mail: &Mail, settings: &Email, guard: &Guard, tls: &ClientConfig) -> Result<(), Failure> {
    let mut connection = connect(settings, guard, tls).await?;
    if let Some((user, password)) = &settings.login {
        let credentials = Credentials::new(user.expose().to_owned(), password.expose().to_owned());
        connection
            .auth(&[Mechanism::Plain, Mechanism::Login], &credentials)
            .await?;
    }
    let envelope = mail.envelope();
    connection
        .command(MailFrom::new(envelope.from().cloned(), vec![]))
        .await?;
    // Some may be refused while others aren't: who can be told is told.
    let mut refused = None;
    let mut taken = 0;
    for to in envelope.to() {
        match connection.command(Rcpt::new(to.clone(), vec![])).await {
            Ok(_) => taken += 1,
            Err(error) if error.status().is_some() => refused = Some((to, error)),
            Err(error) => return Err(error.into()),
        }
    }
    if let Some((to, error)) = refused {
        if taken == 0 {
            return Err(error.into());
        }
        tracing::warn!(%to, why = %clean(&error.to_string()), host = settings.host, "a recipient of alerts was refused");
    }
    connection.command(Data).await?;
    connection.message(&mail.formatted()).await?;
    // It is taken: whether they part in good order changes nothing.
    let _ = connection.quit().await;
    Ok(())
}

async fn connect(
    settings: &Email,
    guard: &Guard,
    tls: &ClientConfig,
) -> Result<AsyncSmtpConnection, Failure> {
    let found = guard.addresses(&settings.host).await;
    let found = found.map_err(|why| Failure::Later(why.to_string()))?;
    let addresses: Vec<SocketAddr> = found
        .iter()
        .map(|ip| SocketAddr::new(*ip, settings.port))
        .collect();
    let stream = TcpStream::connect(&addresses[..]).await?;
    let hello = ClientId::Domain(HELLO.to_owned());
    let bare = settings.host.trim_matches(['[', ']']).to_owned();
    if settings.tls == MailTls::Implicit {
        let name = ServerName::try_from(bare).map_err(|error| Failure::Refused(error.to_string()))?;
        let mut tls = tls.clone();
        tls.alpn_protocols.clear();
        let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await?;
        return Ok(AsyncSmtpConnection::connect_with_transport(Box::new(Encrypted(stream)), &hello).await?);
    }
    let mut connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello).await?;
    if settings.tls == MailTls::StartTls {
        if !connection.can_starttls() {
            connection.abort().await;
            let why = "the server offers no STARTTLS: nothing was told to it".to_owned();
            return Err(Failure::Refused(why));
        }
        let parameters = TlsParameters::new_rustls(bare)?;
        connection.starttls(parameters, &hello).await?;
    }
    Ok(connection)
}

/// A connection that was encrypted from its first byte, as the mail client wants it.
struct Encrypted(TlsStream<TcpStream>);

impl fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encrypted")
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}
