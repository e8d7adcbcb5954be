//! Hands a mail to an SMTP server. The connection goes to an address that was looked at, and nothing is told before it
//! is encrypted, unless the configuration has it so.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use lettre::{
    Message as Mail,
    transport::smtp::{
        Error,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, AsyncTokioStream},
        commands::{Data, Mail as MailFrom, Rcpt},
        extension::ClientId,
    },
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{
    guard::Guard,
    post::MAX_WHY_BYTES,
    starttls::{Bounded, GREETING, HELLO, ask},
};
use crate::{
    alert::{
        message::Outcome,
        words::{clean, clip},
    },
    config::{Email, MailTls},
};

/// Why a mail was not taken.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may be taken another time.
    Later(String),
    /// It will not.
    Refused(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let why = error.to_string();
        // 5xx is the server's last word, and what our own client finds wrong stays wrong; everything else (4xx, a broken
        // connection, a certificate) may change.
        if error.is_permanent() || error.is_client() {
            Self::Refused(why)
        } else {
            Self::Later(why)
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
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
    let told = |why: &str| {
        let why = clean(&format!("{}: {why}", settings.host));
        let secrets = settings
            .login
            .iter()
            .flat_map(|(user, password)| [password, user]);
        let why = secrets.fold(why, |why, secret| secret.scrub(&why));
        clip(&why, MAX_WHY_BYTES).into_owned()
    };
    let later = |why: &str| Outcome::Later {
        why: told(why),
        after: None,
    };
    match tokio::time::timeout(timeout, exchange(mail, settings, guard, tls)).await {
        Ok(Ok(())) => Outcome::Delivered,
        Ok(Err(Failure::Refused(why))) => Outcome::Refused { why: told(&why) },
        Ok(Err(Failure::Later(why))) => later(&why),
        Err(_) => later(&format!(
            "no answer within {}",
            humantime::format_duration(timeout)
        )),
    }
}

async fn exchange(mail: &Mail, settings: &Email, guard: &Guard, tls: &ClientConfig) -> Result<(), Failure> {
    let stream = connect(settings, guard, tls).await?;
    let hello = ClientId::Domain(HELLO.to_owned());
    let mut server = AsyncSmtpConnection::connect_with_transport(stream, &hello).await?;
    if let Some((user, password)) = &settings.login {
        let credentials = Credentials::new(user.expose().to_owned(), password.expose().to_owned());
        server
            .auth(&[Mechanism::Plain, Mechanism::Login], &credentials)
            .await?;
    }
    let envelope = mail.envelope();
    server
        .command(MailFrom::new(envelope.from().cloned(), vec![]))
        .await?;
    // Some may be refused while others aren't: who can be told is told.
    let mut refused = None;
    let mut taken = 0;
    for to in envelope.to() {
        match server.command(Rcpt::new(to.clone(), vec![])).await {
            Ok(_) => taken += 1,
            Err(error) if error.status().is_some() => refused = Some((to, error)),
            Err(error) => return Err(error.into()),
        }
    }
    if let Some((to, error)) = refused {
        if taken == 0 {
            return Err(error.into());
        }
        let why = clean(&error.to_string());
        tracing::warn!(%to, why, host = settings.host, "a recipient of alerts was refused");
    }
    server.command(Data).await?;
    server.message(&mail.formatted()).await?;
    // It is taken: whether they part in good order changes nothing.
    let _ = server.quit().await;
    Ok(())
}

/// A connection as it is to be spoken on, encrypted where it has to be.
async fn connect(
    settings: &Email,
    guard: &Guard,
    tls: &ClientConfig,
) -> Result<Box<dyn AsyncTokioStream>, Failure> {
    let found = guard.addresses(&settings.host).await;
    let found = found.map_err(|why| Failure::Later(why.to_string()))?;
    let addresses: Vec<SocketAddr> = found
        .iter()
        .map(|ip| SocketAddr::new(*ip, settings.port))
        .collect();
    let mut stream = TcpStream::connect(&addresses[..]).await?;
    let peer = stream.peer_addr()?;
    let greeting = match settings.tls {
        MailTls::None => return Ok(Box::new(Bounded::new(stream, peer, b""))),
        MailTls::Implicit => &b""[..],
        MailTls::StartTls => {
            ask(&mut stream).await?;
            GREETING
        }
    };
    let name = settings.host.trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(name).map_err(|error| Failure::Refused(error.to_string()))?;
    let mut tls = tls.clone();
    // Those are for HTTP.
    tls.alpn_protocols.clear();
    let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await?;
    Ok(Box::new(Bounded::new(stream, peer, greeting)))
}
