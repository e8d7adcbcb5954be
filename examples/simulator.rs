//! The provider simulator inside a program of your own: `cargo run --example simulator -- --listen 127.0.0.1:8484 --seed 7`.
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
    let (mut addr, mut options) = (SocketAddr::from(([127, 0, 0, 1], 8484)), Options::default());
    let mut args = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (args.next(), args.next()) {
        match name.as_str() {
            "--listen" => addr = value.parse()?,
            "--seed" => options.seed = value.parse()?,
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
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
