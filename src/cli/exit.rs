//! Exit codes, documented in the help text.

use std::process::ExitCode;

/// What the process tells its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Ok,
    /// 1: it failed.
    Failure,
    /// 2: the command line is wrong.
    Usage,
    /// 3: the configuration is wrong.
    Config,
    /// 4: no endturn answers.
    Unreachable,
    /// 5: endturn answers: unhealthy.
    Unhealthy,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Config => 3,
            Self::Unreachable => 4,
            Self::Unhealthy => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
