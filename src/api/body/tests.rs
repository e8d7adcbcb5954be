use std::io::Write;

use axum::{http::StatusCode, response::IntoResponse};
use flate2::{Compression, write::GzEncoder};
use http_body::Frame;
use http_body_util::StreamBody;

use super::*;

const LIMITS: Limits = Limits {
    sent: 2_000,
    inflated: 600_000,
    time: Duration::from_secs(5),
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn headers(encodings: &[&'static str]) -> HeaderMap {
    encodings
        .iter()
        .map(|encoding| (header::CONTENT_ENCODING, HeaderValue::from_static(encoding)))
        .collect()
}

async fn outcome(encodings: &[&'static str], body: impl Into<Body>) -> Result<Bytes, StatusCode> {
    read(&headers(encodings), body.into(), LIMITS)
        .await
        .map_err(|problem| problem.into_response().status())
}

#[tokio::test]
async fn a_body_comes_as_it_was_before_it_was_packed() {
    let text = b"one two three".repeat(20);
    for (encodings, body) in [
        (&[][..], text.clone()),
        (&["identity"], text.clone()),
        (&[""], text.clone()),
        (&["gzip"], gzip(&text)),
        (&["X-Gzip"], gzip(&text)),
        (&["identity, gzip"], gzip(&text)),
        (&["gzip"], [gzip(&text[..50]), gzip(&text[50..])].concat()),
    ] {
        assert_eq!(
            outcome(encodings, body).await.as_deref(),
            Ok(&text[..]),
            "{encodings:?}"
        );
    }
    for encodings in [
        &["br"][..],
        &["zstd"],
        &["deflate"],
        &["gzip, gzip"],
        &["gzip", "gzip"],
        &["gzip, br"],
        &["gzip;q=1"],
    ] {
        let refused = outcome(encodings, gzip(&text)).await;
        assert_eq!(refused, Err(StatusCode::UNSUPPORTED_MEDIA_TYPE), "{encodings:?}");
    }
}

#[tokio::test]
async fn what_is_sent_is_capped_to_the_byte() {
    let too_large = Err(StatusCode::PAYLOAD_TOO_LARGE);
    assert!(outcome(&[], vec![b'x'; LIMITS.sent]).await.is_ok());
    assert_eq!(outcome(&[], vec![b'x'; LIMITS.sent + 1]).await, too_large);
    // The same without a length told beforehand.
    let pieces = |n: usize| {
        let pieces = (0..n).map(|_| Ok::<_, io::Error>(Frame::data(Bytes::from_static(&[b'x'; 100]))));
        Body::new(StreamBody::new(futures_util::stream::iter(pieces)))
    };
    assert!(outcome(&[], pieces(LIMITS.sent / 100)).await.is_ok());
    assert_eq!(outcome(&[], pieces(LIMITS.sent / 100 + 1)).await, too_large);
    // It ends where the cap is: this one would never.
    let endless =
        futures_util::stream::repeat_with(|| Ok::<_, io::Error>(Frame::data(Bytes::from_static(b"xx"))));
    assert_eq!(outcome(&[], Body::new(StreamBody::new(endless))).await, too_large);
}

#[tokio::test]
async fn what_is_inflated_is_capped_to_the_byte() {
    for length in [INLINE_BYTES, INLINE_BYTES + 1, LIMITS.inflated] {
        let whole = outcome(&["gzip"], gzip(&vec![b'x'; length])).await;
        assert_eq!(whole.map(|bytes| bytes.len()), Ok(length));
    }
    let over = outcome(&["gzip"], gzip(&vec![b'x'; LIMITS.inflated + 1])).await;
    assert_eq!(over, Err(StatusCode::PAYLOAD_TOO_LARGE));
    // A bomb is never inflated beyond the cap.
    let bomb = gzip(&vec![0; 64 << 20]);
    let mut inflater = Inflater::new(bomb.into());
    assert!(!inflater.up_to(1_000).unwrap());
    assert_eq!(inflater.bytes.len(), 1_001);
    assert!(inflater.bytes.capacity() < 16 << 10);
}

#[tokio::test]
async fn what_is_no_whole_gzip_is_refused() {
    let whole = gzip(&b"one two three".repeat(20));
    let bad = Err(StatusCode::BAD_REQUEST);
    assert_eq!(outcome(&["gzip"], &b"no gzip at all"[..]).await, bad);
    assert_eq!(outcome(&["gzip"], [&whole[..], b"more"].concat()).await, bad);
    for cut in 1..whole.len() {
        assert_eq!(
            outcome(&["gzip"], whole[..cut].to_vec()).await,
            bad,
            "cut at {cut}"
        );
    }
    let mut wrong = whole.clone();
    let checksum = wrong.len() - 6;
    wrong[checksum] ^= 1;
    assert_eq!(outcome(&["gzip"], wrong).await, bad);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_is_given_up() {
    let trickle = futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, io::Error>(Frame::data(Bytes::from_static(b"x"))), ()))
    });
    let body = Body::new(StreamBody::new(trickle));
    assert_eq!(outcome(&[], body).await, Err(StatusCode::REQUEST_TIMEOUT));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_told() {
    let pieces = [
        Ok(Frame::data(Bytes::from_static(b"half"))),
        Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
    ];
    let body = Body::new(StreamBody::new(futures_util::stream::iter(pieces)));
    assert_eq!(outcome(&[], body).await, Err(StatusCode::BAD_REQUEST));
}
