use proptest::prelude::*;

use super::*;

fn header(name: &str, value: &str) -> Vec<u8> {
    let mut header = vec![u8::try_from(name.len()).unwrap()];
    header.extend(name.as_bytes());
    header.push(7);
    header.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
    header.extend(value.as_bytes());
    header
}

fn frame(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut frame = prelude(headers.len() + payload.len() + EMPTY_FRAME_BYTES, headers.len());
    frame.extend(headers);
    frame.extend(payload);
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}

/// Both lengths with a right CRC.
fn prelude(total: usize, headers: usize) -> Vec<u8> {
    let mut prelude = Vec::new();
    for number in [total, headers] {
        prelude.extend(u32::try_from(number).unwrap().to_be_bytes());
    }
    prelude.extend(crc32fast::hash(&prelude).to_be_bytes());
    prelude
}

fn event(kind: &str, payload: &str) -> Vec<u8> {
    let headers = [header(":event-type", kind), header(":message-type", "event")].concat();
    frame(&headers, payload.as_bytes())
}

/// Frames in a readable form, how the pushing ended, and what was left.
fn read(limit: usize, pieces: &[&[u8]]) -> (Vec<String>, Result<(), Broken>, Tail) {
    let mut framer = Framer::new(limit);
    let mut out = Vec::new();
    let mut pushed = Ok(());
    for piece in pieces {
        pushed = framer.push(piece, &mut |frame| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            out.push(match frame {
                Frame::Event { name, data } => format!("E {}|{}", text(name), text(data)),
                Frame::Failure { name, data } => format!("F {}|{}", text(name), text(data)),
                frame => format!("{frame:?}"),
            });
        });
        if pushed.is_err() {
            break;
        }
    }
    (out, pushed, framer.finish())
}

const WIDE: usize = 64 << 20;

#[test]
fn frames_are_the_same_in_any_split() {
    let failure = [
        header(":message-type", "exception"),
        header(":exception-type", "x"),
    ]
    .concat();
    let code = [
        header(":message-type", "error"),
        header(":error-code", "c"),
        header(":error-message", "m"),
    ]
    .concat();
    let body = [
        event("a", "{}"),
        frame(&failure, b"{\"message\":1}"),
        frame(&[], b""),
        frame(&code, b""),
        event("b", ""),
    ]
    .concat();
    let expected = ["E a|{}", "F x|{\"message\":1}", "E |", "F c|m", "E b|"];
    for at in 0..=body.len() {
        let (head, rest) = body.split_at(at);
        let (got, pushed, tail) = read(WIDE, &[head, rest]);
        assert_eq!((pushed, &tail), (Ok(()), &Tail::default()), "split at {at}");
        assert_eq!(got, expected, "split at {at}");
        let cut = read(WIDE, &[head]);
        let whole = [0, body.len() - event("b", "").len(), body.len()].contains(&at);
        assert!(
            cut.2.loose || whole || !cut.0.is_empty(),
            "half a frame is told: {at}"
        );
    }
    let half = read(WIDE, &[&body[..body.len() - 1]]);
    assert!(half.2.loose && half.0.len() == 4);
}

#[test]
fn headers_of_every_type_are_stepped_over() {
    let mut headers = Vec::new();
    for (kind, bytes) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (8, 8), (9, 16)] {
        headers.extend([1, b'z', kind]);
        headers.extend(vec![0xff; bytes]);
    }
    headers.extend([1, b'z', 6, 0, 2, 9, 9]);
    // Named as the one that counts, but no string.
    headers.extend(b"\x0b:event-type\x04\x00\x00\x00\x00");
    headers.extend(header(":event-type", "a"));
    assert_eq!(read(WIDE, &[&frame(&headers, b"p")]).0, ["E a|p"]);
    for end in 1..headers.len() {
        // A cut header is an error of the frame, wherever it is cut, unless a header ends there.
        let (got, pushed, _) = read(WIDE, &[&frame(&headers[..end], b"p")]);
        assert_eq!(got.len(), usize::from(pushed.is_ok()), "cut at {end}");
    }
    let strange = read(WIDE, &[&frame(&[1, b'z', 10], b"p")]);
    assert_eq!(strange.1, Err(Broken::Malformed("headers can't be read")));
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let body = [event("a", "{\"p\":1}"), event("b", "{}")].concat();
    let first = event("a", "{\"p\":1}").len();
    for at in 0..first * 8 {
        let mut flipped = body.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        let (got, pushed, tail) = read(WIDE, &[&flipped]);
        assert!(got.is_empty() && pushed.is_err(), "bit {at}: {got:?} {tail:?}");
    }
}

#[test]
fn lengths_hold_at_the_limits_of_the_format_and_at_ours() {
    let absurd = Err(Broken::Malformed("length is above what its format allows"));
    let rows = [
        (
            EMPTY_FRAME_BYTES + MAX_HEADER_BYTES,
            MAX_HEADER_BYTES,
            WIDE,
            Ok(()),
        ),
        (
            EMPTY_FRAME_BYTES + MAX_HEADER_BYTES + 1,
            MAX_HEADER_BYTES + 1,
            WIDE,
            absurd,
        ),
        (EMPTY_FRAME_BYTES + MAX_PAYLOAD_BYTES, 0, WIDE, Ok(())),
        (
            EMPTY_FRAME_BYTES + MAX_PAYLOAD_BYTES + 1,
            0,
            WIDE,
            Err(Broken::Malformed("length is above what its format allows")),
        ),
        (EMPTY_FRAME_BYTES, 0, EMPTY_FRAME_BYTES, Ok(())),
        (
            EMPTY_FRAME_BYTES + 1,
            0,
            EMPTY_FRAME_BYTES,
            Err(Broken::TooLong {
                what: "frame",
                limit: EMPTY_FRAME_BYTES,
            }),
        ),
        (
            EMPTY_FRAME_BYTES - 1,
            0,
            WIDE,
            Err(Broken::Malformed("length leaves no room for its headers")),
        ),
        (
            EMPTY_FRAME_BYTES + 3,
            4,
            WIDE,
            Err(Broken::Malformed("length leaves no room for its headers")),
        ),
    ];
    for (total, headers, limit, expected) in rows {
        let (_, pushed, tail) = read(limit, &[&prelude(total, headers)]);
        assert_eq!(pushed, expected, "{total} with {headers} of headers");
        assert_eq!(tail.loose, pushed.is_ok(), "{total} with {headers} of headers");
    }
    let wrong = [0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(
        read(WIDE, &[&wrong]).1,
        Err(Broken::Malformed("prelude has a wrong CRC"))
    );
}

#[test]
fn no_room_is_taken_before_the_bytes_come() {
    let mut framer = Framer::new(WIDE);
    let begun = prelude(EMPTY_FRAME_BYTES + MAX_PAYLOAD_BYTES, 0);
    assert_eq!(framer.push(&begun, &mut |_| ()), Ok(()));
    assert!(framer.held.capacity() < 1024);
}

#[test]
fn a_text_is_no_stream_of_frames() {
    for text in ["{\"message\":\"m\"}", "{}\n", "<html>", "[{}]"] {
        let (head, rest) = text.as_bytes().split_at(1);
        let (got, pushed, tail) = read(WIDE, &[head, rest]);
        assert_eq!((got.len(), pushed), (0, Ok(())), "{text}");
        assert_eq!(tail.raw, text.trim().as_bytes(), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn splits_never_change_frames(
        payloads in prop::collection::vec(".{0,40}", 0..6),
        flip in any::<Option<prop::sample::Index>>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        limit in prop_oneof![Just(WIDE), 16usize..120],
    ) {
        let mut body: Vec<u8> = payloads.iter().flat_map(|text| event("e", text)).collect();
        if let (Some(flip), false) = (flip, body.is_empty()) {
            let at = flip.index(body.len());
            body[at] ^= 0x11;
        }
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        ends.extend([0, body.len()]);
        ends.sort_unstable();
        let pieces: Vec<&[u8]> = ends.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect();
        let whole = read(limit, &[&body]);
        let split = read(limit, &pieces);
        let bytes = read(limit, &body.chunks(1).collect::<Vec<_>>());
        for other in [split, bytes] {
            prop_assert_eq!(&other.0, &whole.0);
            prop_assert_eq!(&other.1, &whole.1);
            if whole.1.is_ok() {
                prop_assert_eq!(&other.2, &whole.2);
            }
        }
    }
}
