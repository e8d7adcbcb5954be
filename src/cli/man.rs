//! `endturn man`: the manual, made from the arguments.

use std::{fs, io, path::Path};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::{Cli, Exit, args::ManArgs, complain, say};

/// Runs the command.
pub(super) fn run(args: &ManArgs) -> Exit {
    let done = match &args.out {
        None => whole().map(|page| say(&page)),
        Some(dir) => pages(dir),
    };
    match done {
        Ok(()) => Exit::Ok,
        Err(error) => {
            let place = args.out.as_deref().unwrap_or(Path::new("stdout")).display();
            complain(&format!("error: {place}: the manual can't be written: {error}"));
            Exit::Failure
        }
    }
}

/// The tree with the full name of every command.
fn tree() -> Command {
    let mut command = Cli::command();
    command.build();
    command
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set())
}

/// The head of a page. Ours, because an empty date has to stand in it: who installs the page tells no date.
fn title(name: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let name = name.to_uppercase();
    format!(".TH {name} 1 \"\" \"endturn {version}\" \"endturn manual\"\n")
}

/// Sections as they are rendered, without the definition of an apostrophe that each brings along.
fn sections(render: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<String> {
    let mut text = Vec::new();
    render(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().filter(|line| !APOSTROPHE.contains(line));
    Ok(lines.fold(String::new(), |all, line| all + line + "\n"))
}

/// An apostrophe that is no quotation mark, where roff knows one.
const APOSTROPHE: [&str; 2] = [".ie \\n(.g .ds Aq \\(aq", ".el .ds Aq '"];

/// Everything as one page: the program, then each command as a section.
fn whole() -> io::Result<String> {
    let tree = tree();
    let mut page = APOSTROPHE.join("\n") + "\n" + &title(tree.get_name());
    let man = Man::new(tree.clone());
    page += &sections(|out| {
        man.render_name_section(out)?;
        man.render_synopsis_section(out)?;
        man.render_description_section(out)?;
        man.render_options_section(out)
    })?;
    for command in shown(&tree) {
        // The page tells the arguments of every command once.
        let own = command.clone().mut_args(|argument| {
            let everywhere = argument.is_global_set() || argument.get_id() == "help";
            argument.hide(everywhere)
        });
        let man = Man::new(own.clone());
        let part = sections(|out| {
            man.render_synopsis_section(out)?;
            man.render_description_section(out)?;
            if own.get_arguments().any(|argument| !argument.is_hide_set()) {
                man.render_options_section(out)?;
            }
            Ok(())
        })?;
        page += &[".SH ", &command.get_name().to_uppercase(), "\n"].concat();
        // One level down: their sections are parts of ours.
        page += &(part + &after(command)).replace(".SH ", ".SS ");
    }
    Ok(page + &after(&tree))
}

/// A page a command.
fn pages(dir: &Path) -> io::Result<()> {
    let tree = tree();
    page(&tree, dir)?;
    shown(&tree).try_for_each(|command| page(command, dir))
}

fn page(command: &Command, dir: &Path) -> io::Result<()> {
    let man = Man::new(command.clone());
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let text = sections(|out| {
        man.render_name_section(out)?;
        man.render_synopsis_section(out)?;
        man.render_description_section(out)?;
        man.render_options_section(out)?;
        if command.has_subcommands() {
            man.render_subcommands_section(out)?;
        }
        Ok(())
    })?;
    let text = APOSTROPHE.join("\n") + "\n" + &title(name) + &text + &after(command);
    fs::write(dir.join(format!("{name}.1")), text)
}

/// Examples, exit codes and tables stand as they were written: filled paragraphs would run them together.
fn after(command: &Command) -> String {
    let Some(text) = command.get_after_long_help().or(command.get_after_help()) else {
        return String::new();
    };
    let text = text.to_string();
    let (title, body) = match text.strip_prefix("Examples:\n") {
        Some(body) => ("EXAMPLES", body),
        None => ("NOTES", text.as_str()),
    };
    let lines = body.lines().map(|line| escaped(line) + "\n").collect::<String>();
    format!(".SH {title}\n.nf\n{lines}.fi\n")
}

/// A line that roff shows as it is.
fn escaped(line: &str) -> String {
    let text = line.replace('\\', "\\\\").replace('-', "\\-");
    if text.starts_with(['.', '\'']) {
        format!("\\&{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_page_tells_every_command_and_a_folder_gets_a_page_each() {
        let page = whole().unwrap();
        let dir = tempfile::tempdir().unwrap();
        pages(dir.path()).unwrap();
        let mut names: Vec<_> = fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let mut expected = vec!["endturn.1".to_owned()];
        for command in shown(&tree()) {
            let name = command.get_name();
            assert!(
                page.contains(&format!("\n.SH {}\n.SS", name.to_uppercase())),
                "{name}"
            );
            expected.push(format!("endturn-{name}.1"));
        }
        expected.sort();
        assert_eq!(names, expected);
        let status = fs::read_to_string(dir.path().join("endturn-status.1")).unwrap();
        assert!(
            status.contains("\\-\\-wait\\-change") && status.contains("ENDTURN_URL"),
            "{status}"
        );
    }

    #[test]
    fn no_line_of_ours_is_a_request_to_roff() {
        for (line, shown) in [
            ("  endturn man | man -l -", "  endturn man | man \\-l \\-"),
            (".SH", "\\&.SH"),
            ("'x", "\\&'x"),
            ("a\\b", "a\\\\b"),
        ] {
            assert_eq!(escaped(line), shown);
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(pages(&dir.path().join("missing")).is_err());
    }
}
