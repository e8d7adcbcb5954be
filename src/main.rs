//! `endturn`: everything is in the library; see its documentation.

use std::process::ExitCode;

fn main() -> ExitCode {
    endturn::cli::main().into()
}
