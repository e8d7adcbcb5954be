//! The whole loop in virtual time: every fault of the detector's specification, healthy weeks, our own network, and a
//! month of incidents. Prints its seed and target against reached.
//!
//! `cargo bench --bench simulation -- [--runs N] [--scale X] [--seed S]`; no sockets, no clock.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a program that prints"
)]

#[path = "../tests/it/world/mod.rs"]
mod world;

fn argument(name: &str, default: f64) -> f64 {
    let mut args = std::env::args().skip_while(|arg| arg != name).skip(1);
    args.next()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

fn main() {
    let (runs, scale) = (argument("--runs", 100.0) as u64, argument("--scale", 1.0));
    let seed = argument("--seed", 20_260_620.0) as u64;
    println!("seed {seed}, {runs} runs a row");
    if runs > 0 {
        print!("{}", world::tables::print(&world::tables::faults(runs, seed)));
    }
    print!(
        "{}",
        world::tables::print(&world::tables::quiet(scale, runs.max(1) * 2, seed))
    );
    for rate in [0.0, 1.0] {
        print!(
            "{}",
            world::tables::month((30.0 * scale).max(1.0) as u64, rate, seed)
        );
    }
}
