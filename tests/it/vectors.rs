//! Recorded streams: every row of `tests/vectors/streams/index.tsv`, in every split, must give the row's verdict.
//!
//! `ENDTURN_STREAM_VECTORS` names a further directory of the same form.

pub(crate) mod binary;
mod properties;
pub(crate) mod support;

use std::path::Path;

use endturn::protocol::Wire;
use support::{Row, feed, judge_row, rows, splits};

#[test]
fn stream_vectors() {
    let own = rows(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/streams"));
    assert_eq!(own.len(), 106, "rows of the index");
    check_all(&own);
}

#[test]
fn further_stream_vectors() {
    let Some(directory) = std::env::var_os("ENDTURN_STREAM_VECTORS") else {
        return;
    };
    let further = rows(Path::new(&directory));
    assert!(!further.is_empty(), "no row in {}", directory.display());
    println!("{} rows", further.len());
    check_all(&further);
}

#[test]
#[should_panic(expected = "smoke-signals")]
fn a_row_of_an_unknown_protocol_fails_by_its_name() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(
        directory.path().join("index.tsv"),
        format!("{}\nx.txt\tsmoke-signals\t200\n", support::HEAD),
    )
    .expect("an index");
    std::fs::write(directory.path().join("x.txt"), "puff").expect("a stream");
    check_all(&rows(directory.path()));
}

fn check_all(rows: &[Row]) {
    let mut wrong = Vec::new();
    for row in rows {
        let protocol = match row.wire.parse::<Wire>() {
            Ok(wire) => wire.protocol,
            Err(unknown) => {
                wrong.push(format!("{}: {unknown}", row.path));
                continue;
            }
        };
        let whole = judge_row(row, protocol, &[row.body.as_slice()]);
        wrong.extend(
            row.differences(&whole)
                .into_iter()
                .map(|what| format!("{}: {what}", row.path)),
        );
        for split in splits(&row.body, &row.path) {
            let again = judge_row(row, protocol, &split);
            if again != whole {
                wrong.push(format!("{}: another split gave {again:?}", row.path));
            }
            assert_eq!(
                feed(protocol, &split),
                feed(protocol, &[row.body.as_slice()]),
                "events of {}",
                row.path
            );
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
