//! An HTTP/1 response head in front of a captured body, as `curl -i` writes it, and the codings that it tells of.

use std::borrow::Cow;

use crate::{
    protocol::ErrorClass,
    verdict::{Ending, Fault},
};

/// Longest head, in bytes. What is longer is no head.
pub(super) const MAX_HEAD_BYTES: usize = 64 << 10;
/// Most heads before a body: interim answers, a proxy's answer to CONNECT, redirects.
pub(super) const MAX_HEADS: usize = 16;
/// Longest line of a chunk's size, extensions included, in bytes.
const MAX_SIZE_LINE: usize = 1024;

/// A captured response.
#[derive(Debug)]
pub(super) struct Response<'a> {
    /// HTTP status; 200 where no head came.
    pub(super) status: u16,
    /// Names in lower case.
    pub(super) headers: Headers,
    /// The body without its transfer coding.
    pub(super) body: Cow<'a, [u8]>,
    /// How the transport ended, as far as the head lets us tell.
    pub(super) ending: Ending,
}

impl Response<'_> {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(header, _)| header == name);
        named.next().map(|(_, value)| value.as_str())
    }
}

/// Splits a capture into head and body. Without a head, all of it is the body of a 200.
pub(super) fn split(bytes: &[u8]) -> Response<'_> {
    let mut status = 200;
    let mut headers = Vec::new();
    let mut rest = bytes;
    let mut heads = 0;
    // The last head counts: those before it belong to interim answers, redirects and proxies.
    while heads < MAX_HEADS
        && let Some((code, fields, body)) = one(rest)
    {
        (status, headers, rest) = (code, fields, body);
        heads += 1;
    }
    let mut response = Response {
        status,
        headers,
        body: Cow::Borrowed(rest),
        ending: Ending::Clean,
    };
    if heads > 0 {
        unwrap(&mut response, rest);
    }
    response
}

/// Names in lower case, and values.
type Headers = Vec<(String, String)>;

/// One head: its status, its headers, what follows it.
fn one(bytes: &[u8]) -> Option<(u16, Headers, &[u8])> {
    if !bytes.starts_with(b"HTTP/") {
        return None;
    }
    let mut headers = Vec::new();
    let mut status = None;
    let mut at = 0;
    loop {
        let window = &bytes[at..bytes.len().min(MAX_HEAD_BYTES)];
        let (line, next) = match memchr::memchr(b'\n', window) {
            Some(end) => (window[..end].trim_ascii(), at + end + 1),
            // A head that the capture ends in has no body.
            None if bytes.len() <= MAX_HEAD_BYTES && at > 0 => return Some((status?, headers, &[])),
            None => return None,
        };
        if at == 0 {
            let text = std::str::from_utf8(line).ok()?;
            status = Some(text.split_ascii_whitespace().nth(1)?.parse().ok()?);
        } else if line.is_empty() {
            return Some((status?, headers, &bytes[next..]));
        } else {
            let colon = memchr::memchr(b':', line)?;
            let text = |part: &[u8]| String::from_utf8_lossy(part.trim_ascii()).into_owned();
            headers.push((
                text(&line[..colon]).to_ascii_lowercase(),
                text(&line[colon + 1..]),
            ));
        }
        at = next;
    }
}

/// Takes the chunked coding off, and notes a body that is shorter than its head says. `curl -i` keeps the header and
/// decodes the body: only bytes that begin as a chunk does are one.
fn unwrap<'a>(response: &mut Response<'a>, body: &'a [u8]) {
    let chunked = response
        .header("transfer-encoding")
        .is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked"));
    if chunked && size(body).is_some_and(|size| size.is_some()) {
        let (plain, whole) = dechunk(body);
        response.body = Cow::Owned(plain);
        if !whole {
            response.ending = broken("the body ends before its last chunk");
        }
        return;
    }
    let told = response
        .header("content-length")
        .and_then(|n| n.parse::<usize>().ok());
    let coded = response
        .header("content-encoding")
        .is_some_and(|coding| coding != "identity");
    if !chunked && !coded && told.is_some_and(|told| body.len() < told) {
        response.ending = broken("the body is shorter than its content-length");
    }
}

fn broken(detail: &str) -> Ending {
    Ending::Failed(Fault {
        class: ErrorClass::Reset,
        detail: detail.to_owned(),
    })
}

/// The size line of a chunk: its size and where the data begins. `Some(None)`: cut inside the line.
#[expect(
    clippy::option_option,
    reason = "no chunk, a cut one, and one are three things"
)]
fn size(bytes: &[u8]) -> Option<Option<(usize, usize)>> {
    let window = &bytes[..bytes.len().min(MAX_SIZE_LINE)];
    let digits = window.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let Some(end) = memchr::memchr(b'\n', window) else {
        return (window.len() < MAX_SIZE_LINE && digits == window.len()).then_some(None);
    };
    let after = window[digits..end].trim_ascii();
    if digits == 0 || !(after.is_empty() || after.starts_with(b";")) {
        return None;
    }
    let text = std::str::from_utf8(&window[..digits]).ok()?;
    let size = usize::from_str_radix(text, 16).ok()?;
    Some(Some((size, end + 1)))
}

/// The data of all chunks, and whether the last one, of size zero, came.
fn dechunk(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut plain = Vec::with_capacity(bytes.len());
    while let Some(Some((size, start))) = size(bytes) {
        if size == 0 {
            return (plain, true);
        }
        let data = &bytes[start..];
        plain.extend_from_slice(&data[..data.len().min(size)]);
        let Some(rest) = data.get(size..) else { break };
        let rest = rest.strip_prefix(b"\r").unwrap_or(rest);
        bytes = rest.strip_prefix(b"\n").unwrap_or(rest);
    }
    (plain, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(capture: &str, status: u16, body: &str, clean: bool) {
        let response = split(capture.as_bytes());
        assert_eq!(response.status, status, "{capture:?}");
        assert_eq!(String::from_utf8_lossy(&response.body), body, "{capture:?}");
        assert_eq!(response.ending == Ending::Clean, clean, "{capture:?}");
    }

    #[test]
    fn heads_and_codings() {
        for (capture, status, body, clean) in [
            ("data: x\n\n", 200, "data: x\n\n", true),
            ("", 200, "", true),
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\ndata", 200, "data", true),
            ("HTTP/2 529 \r\n\r\n{}", 529, "{}", true),
            ("HTTP/1.1 503 x\n\nbody", 503, "body", true),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhi",
                200,
                "hi",
                true,
            ),
            ("HTTP/1.1 529 x\r\nA: b\r\n", 529, "", true),
            ("HTTP/1.1 529 x\r\nA: b\r\nConte", 529, "", true),
            ("HTTP/1.1 529", 200, "HTTP/1.1 529", true),
            ("HTTP/1.1 abc\r\n\r\nhi", 200, "HTTP/1.1 abc\r\n\r\nhi", true),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;a=b\r\n yo\r\n0\r\n\r\n",
                200,
                "hello yo",
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                200,
                "hello",
                false,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\nhello",
                200,
                "hello",
                false,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ndata: x\n\n",
                200,
                "data: x\n\n",
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
                200,
                "hello",
                false,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                200,
                "hello",
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello",
                200,
                "hello",
                false,
            ),
        ] {
            check(capture, status, body, clean);
        }
    }

    #[test]
    fn a_head_has_a_limit() {
        let pad = "x".repeat(MAX_HEAD_BYTES);
        let long = format!("HTTP/1.1 500 no\r\nA: {pad}\r\n\r\nbody");
        check(&long, 200, &long, true);
        let many = "HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_HEADS + 1);
        check(&many, 100, "HTTP/1.1 100 Continue\r\n\r\n", true);
    }
}
