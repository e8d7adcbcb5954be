//! `endturn simulate`: the provider simulator until Ctrl-C.

use std::{fmt::Write as _, fs};

use super::{Exit, args::SimulateArgs, complain, run::stopped, say};
use crate::{
    clock::Clock,
    simulate::{Options, Scenario, Simulator, base_urls},
};

/// Runs the command.
pub(crate) async fn run(args: &SimulateArgs, clock: Clock) -> Exit {
    let scenario = match &args.scenario {
        None => None,
        Some(path) => {
            let read = fs::read_to_string(path).map_err(|error| error.to_string());
            match read.and_then(|text| Scenario::parse(&text).map_err(|error| error.to_string())) {
                Ok(scenario) => Some(scenario),
                Err(error) => {
                    complain(&format!("error: scenario {}: {error}", path.display()));
                    return Exit::Config;
                }
            }
        }
    };
    let options = Options {
        seed: args.seed,
        ..Options::default()
    };
    let simulator = match Simulator::bind(args.listen, options, clock).await {
        Ok(simulator) => simulator,
        Err(error) => {
            complain(&format!(
                "error: {} can't be bound: {error}\n\nhelp: choose another address with --listen",
                args.listen
            ));
            return Exit::Failure;
        }
    };
    let addr = simulator.local_addr();
    let mut text = format!("simulator at http://{addr}\n");
    for line in base_urls() {
        let _ = writeln!(text, "  base URL http://{addr}{line}");
    }
    let _ = writeln!(
        text,
        "  faults   PUT http://{addr}/control/faults/PROVIDER[/MODEL]"
    );
    say(&text);
    let faults = simulator.faults();
    let play = tokio::spawn(async move {
        if let Some(scenario) = scenario {
            scenario.play(&faults, |step| tracing::info!(provider = step.key.provider, model = step.key.model, action = ?step.action, "scenario")).await;
            tracing::info!("the scenario is over; the simulator goes on");
        }
    });
    simulator.serve(stopped()).await;
    play.abort();
    Exit::Ok
}
