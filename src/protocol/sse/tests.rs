use super::*;

/// Frames in a readable form: `E name|data`, `C`, `R raw`.
fn frames(pieces: &[&[u8]]) -> (Vec<String>, Tail) {
    let mut framer = Framer::new(64);
    let mut out = Vec::new();
    for piece in pieces {
        let pushed = framer.push(piece, &mut |frame| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            out.push(match frame {
                Frame::Event { name, data } => format!("E {}|{}", text(name), text(data)),
                Frame::Comment => "C".to_owned(),
                Frame::Raw(raw) => format!("R {}", text(raw)),
                Frame::Failure { .. } => unreachable!("no failures in this framing"),
            });
        });
        assert_eq!(pushed, Ok(()));
    }
    (out, framer.finish())
}

#[test]
fn the_rules_of_the_standard() {
    let rows: [(&str, &[&str]); 15] = [
        ("data: a\n\n", &["E |a"]),
        ("data:a\n\n", &["E |a"]),
        ("data:  a\n\n", &["E | a"]),
        ("data\n\n", &["E |"]),
        ("data: a\ndata: b\n\n", &["E |a\nb"]),
        ("event: n\ndata: a\n\ndata: b\n\n", &["E n|a", "E |b"]),
        ("data: a\nevent: late\n\n", &["E late|a"]),
        ("event: n\n\ndata: a\n\n", &["E |a"]),
        ("data: a\r\n\r\ndata: b\r\rdata: c\n\n", &["E |a", "E |b", "E |c"]),
        ("\u{feff}data: a\n\n", &["E |a"]),
        (": c\ndata: a\n: c\n\n:\n", &["C", "C", "E |a", "C"]),
        ("id: 1\nretry: 5\ndata: a\n\n", &["E |a"]),
        ("database: 1\nevents: 2\n\n", &[]),
        ("{\n \"error\": 1\n}\n\n", &["R {\n \"error\": 1\n}"]),
        ("error: {\"a\":1}\n\n", &["R {\"a\":1}"]),
    ];
    for (body, expected) in rows {
        let (whole, tail) = frames(&[body.as_bytes()]);
        assert_eq!(whole, expected, "{body:?}");
        assert_eq!(tail, Tail::default(), "{body:?}");
        for at in 0..body.len() {
            let (head, rest) = body.as_bytes().split_at(at);
            assert_eq!(frames(&[head, rest]).0, expected, "{body:?} split at {at}");
        }
    }
}

#[test]
fn what_is_left_is_handed_out() {
    let (_, tail) = frames(&[b"event: n\ndata: a\ndata: b"]);
    assert_eq!(
        (tail.data.as_deref(), &tail.name[..], tail.loose),
        (Some(&b"a\nb"[..]), &b"n"[..], false)
    );
    let (_, tail) = frames(&[b"data: a\n{\"x\":"]);
    assert_eq!(
        (tail.data.as_deref(), &tail.raw[..]),
        (Some(&b"a"[..]), &b"{\"x\":"[..])
    );
    for loose in ["da", "event: n", "event: n\n", "\u{feff}x"] {
        assert!(frames(&[loose.as_bytes()]).1.loose, "{loose:?}");
    }
    assert!(frames(&[b"\xEF\xBB"]).1.loose);
}

#[test]
fn the_line_limit_holds_in_any_split() {
    let line = [b'x'; 65];
    for piece in [1, 64, 65] {
        let mut framer = Framer::new(64);
        let mut results = line.chunks(piece).map(|piece| framer.push(piece, &mut |_| {}));
        assert!(
            results.any(|result| matches!(result, Err(Broken::TooLong { .. }))),
            "pieces of {piece}"
        );
    }
    let mut framer = Framer::new(64);
    assert_eq!(framer.push(&line[..64], &mut |_| {}), Ok(()));
    assert_eq!(framer.push(b"\n", &mut |_| {}), Ok(()));
}
