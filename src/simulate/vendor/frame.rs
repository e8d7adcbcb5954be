//! Frames of `application/vnd.amazon.eventstream`: lengths and checksums big-endian, both checksums CRC-32.

/// Length of the prelude: total length, length of the headers, checksum of both.
const PRELUDE_BYTES: usize = 12;
/// Header values are strings here.
const STRING: u8 = 7;

/// One frame.
pub(super) fn write(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(name.len() as u8);
        block.extend_from_slice(name.as_bytes());
        block.push(STRING);
        block.extend_from_slice(&(value.len() as u16).to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    let total = PRELUDE_BYTES + block.len() + payload.len() + 4;
    let mut frame = Vec::with_capacity(total);
    frame.extend_from_slice(&(total as u32).to_be_bytes());
    frame.extend_from_slice(&(block.len() as u32).to_be_bytes());
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(&block);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}

/// Where the last frame of a sequence begins.
pub(super) fn last(frames: &[u8]) -> usize {
    let mut at = 0;
    while let Some(total) = frames.get(at..at + 4) {
        let next = at + total.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        if next >= frames.len() || next <= at {
            break;
        }
        at = next;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_as_the_vendor_writes_it() {
        // The first frame of a recorded shape, byte for byte.
        let recorded = include_bytes!("../../../tests/vectors/streams/bedrock/healthy.bin");
        let headers = [
            (":event-type", "messageStart"),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ];
        let frame = write(&headers, br#"{"role":"assistant","p":"abcdefgh"}"#);
        assert_eq!(frame, recorded[..frame.len()]);
        let two = [frame.clone(), frame.clone()].concat();
        assert_eq!(last(&two), frame.len());
        assert_eq!(last(&frame), 0);
        assert_eq!(last(b""), 0);
    }
}
