//! `endturn completions`: what a shell needs to complete our arguments.

use clap::CommandFactory;

use super::{Cli, Exit, args::CompletionsArgs, say};

/// Runs the command.
pub(super) fn run(args: &CompletionsArgs) -> Exit {
    say(&text(args.shell));
    Exit::Ok
}

/// The script of that shell.
fn text(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "endturn", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_learns_every_command_and_flag() {
        for shell in clap_complete::Shell::value_variants() {
            let script = text(*shell);
            for word in ["completions", "wait-change", "nagios", "simulate", "top"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
