//! Is this reply whole? `cargo run --example validate < captured.sse`
#![expect(clippy::print_stdout, reason = "an example talks to a person")]

use std::{io::Read, process::ExitCode};

use endturn::gate::{Advice, Expect, Input, Options, validate};

fn main() -> std::io::Result<ExitCode> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let outcome = validate(&Input::capture(&bytes), &Options::expecting(Expect::Prose));
    println!("{}: {}", outcome.verdict, outcome.reason);
    Ok(ExitCode::from(u8::from(outcome.advice != Advice::Accept)))
}
