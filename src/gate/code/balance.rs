//! What is open while code is read.

use crate::gate::content::Broken;

/// Most things that are open at a time. Code beyond it is not judged.
pub(super) const MAX_OPEN: usize = 1 << 16;

/// Something that has to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opener {
    /// `(`
    Round,
    /// `[`
    Square,
    /// `{`
    Curly,
    /// `${` inside a template string.
    Hole,
    /// A string of any kind.
    String,
    /// A comment of several lines.
    Comment,
    /// A here-document.
    Here,
}

impl Opener {
    fn what(self) -> &'static str {
        match self {
            Self::Round => "`(`",
            Self::Square => "`[`",
            Self::Curly => "`{`",
            Self::Hole => "`${`",
            Self::String => "a string",
            Self::Comment => "a comment",
            Self::Here => "a here-document",
        }
    }

    fn closer(self) -> Option<&'static str> {
        match self {
            Self::Round => Some("`)`"),
            Self::Square => Some("`]`"),
            Self::Curly | Self::Hole => Some("`}`"),
            Self::String | Self::Comment | Self::Here => None,
        }
    }
}

/// Too much was open at a time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooDeep;

/// What is open, and the first closer that did not fit.
#[derive(Debug, Default)]
pub(super) struct Tally {
    open: Vec<(Opener, usize)>,
    misfit: Option<Fault>,
    too_deep: bool,
}

impl Tally {
    pub(super) fn open(&mut self, opener: Opener, at: usize) {
        if self.open.len() < MAX_OPEN {
            self.open.push((opener, at));
        } else {
            self.too_deep = true;
        }
    }

    pub(super) fn top(&self) -> Option<Opener> {
        self.open.last().map(|(opener, _)| *opener)
    }

    /// A closing bracket. `lenient`: one that fits nothing is no bracket.
    pub(super) fn close(&mut self, opener: Opener, at: usize, lenient: bool) {
        match self.open.last() {
            Some((top, _)) if *top == opener => {
                self.open.pop();
            }
            _ if lenient => {}
            top => {
                let closer = opener.closer().unwrap_or_default();
                let what = match top {
                    Some((top, _)) => format!("{closer} where {} is open", top.what()),
                    None => format!("{closer} closes nothing"),
                };
                self.misfit.get_or_insert(Fault {
                    at,
                    what,
                    open: false,
                });
            }
        }
    }

    /// Whether reading on can change nothing.
    pub(super) fn is_decided(&self) -> bool {
        self.misfit.is_some() || self.too_deep
    }

    /// What is wrong at the end, if anything: the first misfit, else the innermost thing that is open.
    pub(super) fn end(self) -> Result<Option<Fault>, TooDeep> {
        if self.too_deep {
            return Err(TooDeep);
        }
        let open = self.open.last().map(|(opener, at)| Fault {
            at: *at,
            what: format!("{} opened here never closes", opener.what()),
            open: true,
        });
        Ok(self.misfit.or(open))
    }
}

/// Code that doesn't balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) what: String,
    /// Something is open at the end, rather than misfitting before it.
    pub(super) open: bool,
}

impl Fault {
    pub(super) fn moved(mut self, place: impl Fn(usize) -> usize) -> Self {
        self.at = place(self.at);
        self
    }

    /// The code is the whole text: what is open at its end was cut.
    pub(super) fn at_the_end(self) -> Broken {
        if self.open {
            let reason = format!("the code ends too early: {}", self.what);
            Broken::cut(self.at, self.what, reason)
        } else {
            self.in_the_midst()
        }
    }

    /// The text went on after the code.
    pub(super) fn in_the_midst(self) -> Broken {
        let reason = format!("the code is not whole: {}", self.what);
        Broken::gap(self.at, self.what, reason)
    }
}
