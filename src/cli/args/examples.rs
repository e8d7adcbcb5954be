//! Examples at the end of each command's help.

pub(in crate::cli) const ALL: &str = "\
Examples:
  endturn demo                          watch a scripted outage being found, no key, no network
  endturn init -o endturn.toml          a configuration from the keys in the environment
  endturn check                         what would be probed, how often, at what cost a day
  endturn run -c endturn.toml           the daemon; its page is at http://127.0.0.1:7411/
  endturn probe anthropic/claude-haiku-4-5
  endturn status --json
  endturn top                           the same, live in the terminal
  endturn validate --expect json reply.txt --stop-reason stop

Exit codes: 0 ok, 1 failure, 2 usage, 3 config, 4 endturn not reachable, 5 unhealthy.";

pub(in crate::cli) const VALIDATE: &str = "\
Examples:
  curl -sN -i https://api.openai.com/v1/chat/completions .. | endturn validate --expect json
  endturn validate --protocol anthropic captured.sse
  endturn validate --stop-reason end_turn --expect diff answer.patch
  endturn validate --stop-reason stop --expect code --language rust main.rs
  endturn validate --stop-reason end_turn --ends-with DONE answer.txt && use answer.txt

A capture may be an event stream, NDJSON, Bedrock's binary frames or a JSON body, with or without
the HTTP head that `curl -i` writes. docs/validate.md tells what each check proves and can't.";

pub(in crate::cli) const BACKUP: &str = "\
Examples:
  endturn backup /backup/endturn-2026-11-22.db
  endturn backup -c /etc/endturn/endturn.toml /backup/endturn.db
  endturn backup --db /var/lib/endturn/endturn.db /backup/endturn.db --json";

pub(in crate::cli) const STATUS: &str = "\
Examples:
  endturn status anthropic/claude-haiku-4-5 && start-the-batch
  endturn status --wait-change             wait for the next change, then show it
  endturn status --oneline                 for a prompt or a status bar
  endturn status --nagios openai/gpt-5.2   as a check of Nagios or Icinga";

pub(in crate::cli) const COMPLETIONS: &str = "\
Examples:
  source <(endturn completions bash)
  endturn completions zsh > \"${fpath[1]}/_endturn\"
  endturn completions fish > ~/.config/fish/completions/endturn.fish";

pub(in crate::cli) const MAN: &str = "\
Examples:
  endturn man | man -l -
  mkdir -p ~/.local/share/man/man1 && endturn man --out ~/.local/share/man/man1";

pub(in crate::cli) const DEMO: &str = "\
Examples:
  endturn demo                     loops; the page is at http://127.0.0.1:7411/
  endturn demo --once              one pass and a summary; exit 0 if every fault was found
  endturn demo --listen 127.0.0.1:0 --seed 7";

pub(in crate::cli) const RUN: &str = "\
Examples:
  ANTHROPIC_API_KEY=.. endturn run         no file: whatever has its key in the environment
  endturn run -c /etc/endturn/endturn.toml
  endturn run --log warn,endturn::probe=debug --log-format json";

pub(in crate::cli) const CHECK: &str = "\
Examples:
  endturn check                            the configuration that `run` would take
  endturn check -c new.toml && endturn reload
  endturn check --json | jq .targets";

pub(in crate::cli) const PROBE: &str = "\
Examples:
  endturn probe anthropic/claude-haiku-4-5
  endturn probe --kind reach openai/gpt-5.2    free: transport, edge and credential
  endturn probe --kind long --json openrouter/anthropic/claude-sonnet-4.5 | jq .verdict";

pub(in crate::cli) const TOP: &str = "\
Examples:
  endturn top
  endturn top --url http://monitor:7411    another machine's daemon
  endturn top 2>top.log                    with the log in a file";

pub(in crate::cli) const SIMULATE: &str = "\
Examples:
  endturn simulate
  endturn simulate --scenario outage.toml --seed 7
  curl -X PUT http://127.0.0.1:7410/control/faults/openai -d '{\"kind\":\"truncate\",\"rate\":0.6}'";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_help_of_every_command_has_examples() {
        let mut program = crate::cli::Cli::command();
        let commands = program.get_subcommands_mut();
        for command in commands.filter(|command| !command.is_hide_set()) {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Examples:\n  "), "{}", command.get_name());
        }
    }
}
