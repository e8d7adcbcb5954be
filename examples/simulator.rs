//! The provider simulator inside a program of your own: `cargo run --example simulator -- 127.0.0.1:8484 [SEED]`.
//!
//! Prints its address on the first line and serves until interrupted.
#![expect(clippy::print_stdout, reason = "the address is this program's answer")]

use std::{error::Error, net::SocketAddr};

use endturn::{
    clock::Clock,
    simulate::{Options, Simulator},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let addr: SocketAddr = args
        .next()
        .unwrap_or_else(|| "127.0.0.1:8484".to_owned())
        .parse()?;
    let seed = args.next().map_or(Ok(0), |seed| seed.parse())?;
    let options = Options {
        seed,
        ..Options::default()
    };
    let simulator = Simulator::bind(addr, options, Clock::system()).await?;
    println!("http://{}", simulator.local_addr());
    simulator
        .serve(async {
            // Without a signal handler there is nothing to wait for: serve until killed.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
        .await;
    Ok(())
}
