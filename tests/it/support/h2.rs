//! HTTP/2 frames by hand (RFC 9113), so that a server can end a stream in every legal and illegal way.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::server::send;

const PREFACE: usize = 24;
const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const GOAWAY: u8 = 0x7;
const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut out = vec![length[1], length[2], length[3], kind, flags];
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// Takes the client's preface and its first request; returns the stream's number.
pub(crate) async fn request<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut S) -> u32 {
    let mut preface = [0; PREFACE];
    socket.read_exact(&mut preface).await.unwrap();
    send(socket, frame(SETTINGS, 0, 0, &[])).await;
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        socket.read_exact(&mut payload).await.unwrap();
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        if kind == SETTINGS && flags & ACK == 0 {
            send(socket, frame(SETTINGS, ACK, 0, &[])).await;
        }
        if (kind == DATA || kind == HEADERS) && flags & END_STREAM != 0 {
            return stream;
        }
    }
}

/// A 200 head of an event stream, with a content length where one is to be told.
pub(crate) fn head(stream: u32, content_length: Option<usize>) -> Vec<u8> {
    // HPACK: `:status: 200` is entry 8; the others are literals with an indexed name (31 and 28).
    let mut block = vec![0x88];
    let mut literal = |index: u8, value: &str| {
        block.extend([0x0f, index - 15, u8::try_from(value.len()).unwrap()]);
        block.extend(value.as_bytes());
    };
    literal(31, "text/event-stream");
    if let Some(length) = content_length {
        literal(28, &length.to_string());
    }
    frame(HEADERS, END_HEADERS, stream, &block)
}

pub(crate) fn data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, 0, stream, bytes)
}

pub(crate) fn end_stream(stream: u32) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, &[])
}

pub(crate) fn reset_stream(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// `last`: the highest stream that the server says it took.
pub(crate) fn go_away(last: u32, code: u32) -> Vec<u8> {
    let mut payload = last.to_be_bytes().to_vec();
    payload.extend(code.to_be_bytes());
    frame(GOAWAY, 0, 0, &payload)
}
