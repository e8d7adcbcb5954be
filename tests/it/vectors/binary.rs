//! AWS event stream frames, taken apart and put together again by other code than the decoder's.

/// The frames of a body, and what is left after the last whole one.
pub(crate) fn frames(body: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut frames = Vec::new();
    let mut rest = body;
    while rest.len() >= 4 {
        let length = u32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
        let Some((frame, after)) = rest.split_at_checked(length) else {
            break;
        };
        frames.push(frame);
        rest = after;
    }
    (frames, rest)
}

/// Headers and payload of a whole frame.
pub(crate) fn parts(frame: &[u8]) -> (&[u8], &[u8]) {
    let headers = u32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]) as usize;
    frame[12..frame.len() - 4].split_at(headers)
}

/// A frame with both checksums.
pub(crate) fn frame(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let length = headers.len() + payload.len() + 16;
    for number in [length, headers.len()] {
        frame.extend(u32::try_from(number).expect("a short frame").to_be_bytes());
    }
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend(headers);
    frame.extend(payload);
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}

/// A header whose value is a string.
pub(crate) fn header(name: &str, value: &str) -> Vec<u8> {
    let mut header = vec![u8::try_from(name.len()).expect("a short name")];
    header.extend(name.as_bytes());
    header.push(7);
    header.extend(u16::try_from(value.len()).expect("a short value").to_be_bytes());
    header.extend(value.as_bytes());
    header
}

/// One header of every type that the format knows.
pub(crate) fn headers_of_every_type() -> Vec<u8> {
    let values: [(u8, usize); 10] = [
        (0, 0),
        (1, 0),
        (2, 1),
        (3, 2),
        (4, 4),
        (5, 8),
        (6, 0),
        (7, 0),
        (8, 8),
        (9, 16),
    ];
    let mut headers = Vec::new();
    for (kind, bytes) in values {
        headers.extend([2, b'z', b'0' + kind, kind]);
        if matches!(kind, 6 | 7) {
            headers.extend([0, 3, 1, 2, 3]);
        }
        headers.extend(vec![0xff; bytes]);
    }
    headers
}
