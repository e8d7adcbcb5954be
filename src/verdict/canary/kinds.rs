//! Tests of the canaries beside the short one: a long sequence, a document, a call.

use serde_json::json;

use super::*;

const SENTINELS: [&str; 3] = ["kestrel", "amber", "walnut"];

fn number(n: usize) -> String {
    let ones = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen \
                sixteen seventeen eighteen nineteen";
    let ones: Vec<&str> = ones.split_whitespace().collect();
    let tens = [
        "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
    ];
    match n {
        0..20 => ones[n].to_owned(),
        20..100 if n.is_multiple_of(10) => tens[n / 10].to_owned(),
        20..100 => format!("{}-{}", tens[n / 10], ones[n % 10]),
        _ => "one-hundred".to_owned(),
    }
}

fn long() -> Expected {
    let words = (1..=100).map(number).chain(["kestrel".to_owned()]).collect();
    Expected {
        answer: ExpectedAnswer::Words(words),
        sentinels: SENTINELS.map(str::to_owned).to_vec(),
        tokens: 400,
    }
}

/// `1 one 2 two .. 100 one hundred kestrel`, each number through `dress`.
fn counted(upto: usize, dress: impl Fn(usize, &str) -> String) -> String {
    (1..=upto)
        .map(|n| dress(n, &number(n).replace("one-hundred", "one hundred")))
        .collect::<Vec<_>>()
        .join(" ")
}

fn as_asked(n: usize, word: &str) -> String {
    format!("{n} {word}")
}

fn found(text: &str, expected: &Expected) -> Match {
    match_answer(text, &[], &[], expected, &mut Flags::none())
}

#[test]
fn a_long_count_is_found_in_any_dress() {
    let dresses: [fn(usize, &str) -> String; 9] = [
        as_asked,
        |_, word| word.to_owned(),
        |_, word| word.replace('-', " "),
        |_, word| word.replace('-', ""),
        |_, word| word.replace('-', "\u{2011}"),
        |_, word| word.to_uppercase() + ",",
        |n, word| format!("{n}. {word}\n"),
        |n, word| format!("**{n}** {word};"),
        |n, _| n.to_string(),
    ];
    for (at, dress) in dresses.into_iter().enumerate() {
        let text = counted(100, dress) + " kestrel";
        assert_eq!(found(&text, &long()), Match::Found, "dress {at}: {text}");
        let cut = counted(57, dress);
        assert_eq!(
            found(&cut, &long()),
            Match::Prefix { words: 57 },
            "dress {at}: {cut}"
        );
    }
}

#[test]
fn a_long_count_is_cut_in_one_place() {
    let whole = counted(100, as_asked) + " kestrel";
    let mut last = 0;
    for end in 5..whole.len() {
        let Match::Prefix { words } = found(&whole[..end], &long()) else {
            panic!("cut at {end}: {:?}", &whole[..end]);
        };
        assert!(
            words == last || words == last + 1,
            "cut at {end}: {words} after {last}"
        );
        last = words;
    }
    assert_eq!(last, 100);
    for (text, words) in [
        ("20 twenty 21 twenty-", 20),
        ("20 twenty 21 twenty", 20),
        ("20 twenty 21 twenty-o", 20),
        ("20 twenty 21 twenty-one 22", 21),
    ] {
        let text = format!("{} {text}", counted(19, as_asked));
        assert_eq!(found(&text, &long()), Match::Prefix { words }, "{text}");
    }
}

#[test]
fn a_hole_in_a_long_count_is_no_cut() {
    let without = |from: usize, to: usize| {
        let whole = counted(100, as_asked) + " kestrel";
        let (start, end) = (
            whole.find(&format!(" {from} ")).unwrap(),
            whole.find(&format!(" {to} ")).unwrap(),
        );
        (format!("{}{}", &whole[..start], &whole[end..]), start as u32)
    };
    for (from, to) in [(21, 22), (30, 31), (20, 60), (2, 99)] {
        let (text, start) = without(from, to);
        let mut flags = Flags::none();
        let got = match_answer(&text, &[0, start], &[], &long(), &mut flags);
        assert_eq!(got, Match::Gap { missing: to - from }, "{text}");
        assert!(flags.contains(Flags::LOST_CHUNK), "{text}");
        let mut flags = Flags::none();
        match_answer(&text, &[0], &[], &long(), &mut flags);
        assert!(!flags.contains(Flags::LOST_CHUNK), "{text}");
    }
    // Its middle lost and its end too: no run from the beginning touches the end.
    let (text, _) = without(30, 60);
    let cut = &text[..text.find(" 80 ").unwrap()];
    assert_eq!(found(cut, &long()), Match::Other);
}

fn document() -> Value {
    json!({"batch": 7, "bins": [{"id": 1, "parts": ["bolt", "nut"]}], "note": null, "word": "kestrel"})
}

fn json() -> Expected {
    Expected {
        answer: ExpectedAnswer::Json(document()),
        sentinels: SENTINELS.map(str::to_owned).to_vec(),
        tokens: 40,
    }
}

fn check(text: &str) -> (Match, Vec<&'static str>) {
    let mut flags = Flags::none();
    let found = match_answer(text, &[], &[], &json(), &mut flags);
    (found, flags.names().collect())
}

#[test]
fn a_document_is_found_in_any_dress() {
    let plain = document().to_string();
    let pretty = serde_json::to_string_pretty(&document()).unwrap();
    let turned = r#"{"word":"kestrel","note":null,"bins":[{"parts":["bolt","nut"],"id":1.0}],"batch":7.0}"#;
    let rows: [(String, &[&str]); 8] = [
        (plain.clone(), &[]),
        (pretty.clone(), &[]),
        (format!("\n  {plain}\n"), &[]),
        (turned.to_owned(), &[]),
        (format!("```json\n{pretty}\n```"), &[]),
        (format!("```\n{plain}"), &[]),
        (format!("<think>a {{ b</think>\n{plain}"), &["think_block"]),
        (format!("Here it is: {plain} Done."), &["extra_words"]),
    ];
    for (text, flags) in rows {
        assert_eq!(check(&text), (Match::Found, flags.to_vec()), "{text}");
    }
}

#[test]
fn a_document_that_is_cut_says_where() {
    for whole in [
        document().to_string(),
        serde_json::to_string_pretty(&document()).unwrap(),
    ] {
        let mut last = 0;
        for end in 1..whole.len() {
            let (Match::Unfinished { bytes }, _) = check(&whole[..end]) else {
                panic!("cut at {end}: {}", &whole[..end]);
            };
            assert!(
                (last..=last + 1).contains(&bytes),
                "cut at {end}: {bytes} after {last}"
            );
            last = bytes;
        }
        assert_eq!(last, document().to_string().len() - 1);
    }
    for (text, found) in [
        ("", Match::Empty),
        (" \n", Match::Empty),
        ("```", Match::Unfinished { bytes: 0 }),
        ("```json\n", Match::Unfinished { bytes: 0 }),
        ("```json\n{", Match::Unfinished { bytes: 1 }),
        ("Here: {\"batch\":", Match::Unfinished { bytes: 9 }),
        ("I cannot do that.", Match::Other),
        ("{\"batch\":8}", Match::Other),
        ("{batch: 7", Match::Other),
        ("{}", Match::Other),
        ("<think>{\"batch\":", Match::Other),
        ("[1, 2", Match::Other),
    ] {
        assert_eq!(check(text).0, found, "{text:?}");
    }
    let huge = format!("{{\"batch\": \"{}", "a".repeat(70_000));
    assert_eq!(check(&huge).0, Match::Other, "nobody asked for that much");
}

#[test]
fn a_document_of_another_probe_is_a_cached_answer() {
    let text = document().to_string().replace("kestrel", "amber");
    assert_eq!(check(&text), (Match::Other, vec!["cached_answer"]));
}

fn tool() -> Expected {
    Expected {
        answer: ExpectedAnswer::Tool {
            name: "record".to_owned(),
            arguments: json!({"batch": 7, "word": "kestrel"}),
        },
        sentinels: SENTINELS.map(str::to_owned).to_vec(),
        tokens: 40,
    }
}

fn call(name: &str, arguments: &str) -> ToolCall {
    ToolCall {
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    }
}

#[test]
fn calls_are_told_apart() {
    let right = r#"{"batch":7,"word":"kestrel"}"#;
    let cut = |bytes| Match::Unfinished { bytes };
    let rows: [(&str, Vec<ToolCall>, Match); 15] = [
        ("", vec![call("record", right)], Match::Found),
        (
            "",
            vec![call("record", " {\"word\": \"kestrel\", \"batch\": 7.0} ")],
            Match::Found,
        ),
        ("", vec![call("", right)], Match::Found),
        ("Calling it.", vec![call("record", right)], Match::Found),
        ("", vec![call("other", "{}"), call("record", right)], Match::Found),
        ("", vec![call("record", "")], cut(0)),
        ("", vec![call("record", &right[..9])], cut(9)),
        (
            "",
            vec![call("record", right), call("record", &right[..9])],
            cut(9),
        ),
        ("", vec![call("record", "{}")], Match::OtherCall),
        (
            "",
            vec![call("record", &format!("{right}{right}"))],
            Match::OtherCall,
        ),
        ("", vec![call("record", "batch=7")], Match::OtherCall),
        ("", vec![call("other", right)], Match::OtherCall),
        ("record(batch=7)", vec![], Match::Other),
        (right, vec![], Match::Other),
        ("", vec![], Match::Empty),
    ];
    for (text, calls, expected) in rows {
        let got = match_answer(text, &[], &calls, &tool(), &mut Flags::none());
        assert_eq!(got, expected, "{text:?} {calls:?}");
    }
}

#[test]
fn pieces_are_what_a_tokenizer_tells_apart() {
    for (text, pieces) in [
        ("", 0),
        ("  \n", 0),
        ("one two", 2),
        ("twenty-one", 3),
        ("21 twenty-one", 4),
        ("{\"a\":1}", 7),
        ("ünï", 1),
    ] {
        assert_eq!(count_pieces(text), pieces, "{text:?}");
    }
}
