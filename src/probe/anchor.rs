//! Is it us? One round of TCP connects to well-known addresses.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::{net::TcpStream, time::timeout};

/// Longest wait for one anchor (`docs/detection.md`).
pub const ANCHOR_LIMIT: Duration = Duration::from_millis(300);

/// Connects to every `host:port` at once; for each, in order, whether it answered within [`ANCHOR_LIMIT`].
pub async fn anchors(hosts: &[String]) -> Vec<bool> {
    join_all(hosts.iter().map(|host| async move {
        matches!(
            timeout(ANCHOR_LIMIT, TcpStream::connect(host.as_str())).await,
            Ok(Ok(_))
        )
    }))
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn anchors_answer_in_order() {
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hosts = [
            closed.local_addr().unwrap().to_string(),
            open.local_addr().unwrap().to_string(),
            "no port".to_owned(),
        ];
        drop(closed);
        assert_eq!(anchors(&hosts).await, [false, true, false]);
        assert!(anchors(&[]).await.is_empty());
    }
}
