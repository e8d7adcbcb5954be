//! A unified diff against its own hunk counts.
//!
//! Every hunk says how many lines of the old and of the new file it has. A text that ends before they all came is cut;
//! a hunk that gives way to something else before is a gap; more lines than told are another fault. Sources: POSIX
//! `diff -u`, the diff format of git.

use super::{
    code,
    content::{Broken, Whole},
};

/// How a text begins that is a diff from its first line on.
const BEGINNINGS: &[&str] = &["diff ", "--- ", "@@ ", "Index: ", "*** Begin Patch", "From "];
/// Header lines of git after which a file may have no hunk.
const BARE: &[&str] = &[
    "rename ",
    "copy ",
    "similarity ",
    "old mode ",
    "new mode ",
    "new file mode ",
    "deleted file mode ",
    "Binary files ",
    "GIT binary patch",
];

/// Checks a diff, bare or in fences.
pub(super) fn check(text: &str) -> Result<Whole, Broken> {
    let first = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    let bare = BEGINNINGS.iter().any(|start| first.starts_with(start));
    let blocks = if bare { Vec::new() } else { code::blocks(text) };
    let mut found = false;
    for block in blocks
        .iter()
        .filter(|block| is_diff(block.language.as_str(), &block.body))
    {
        found = true;
        lines(&block.body).map_err(|broken| broken.within(|at| block.place(at)))?;
        if !block.closed {
            return Err(block.unclosed(text));
        }
    }
    if !found {
        lines(text)?;
    }
    Ok(Whole::new("every hunk of the diff has all its lines"))
}

/// Whether a fenced block claims to be a diff.
pub(super) fn is_diff(language: &str, body: &str) -> bool {
    match language {
        "diff" | "patch" | "udiff" => true,
        "" => BEGINNINGS.iter().any(|start| body.starts_with(start)),
        _ => false,
    }
}

/// The hunk that is being read.
#[derive(Debug)]
struct Hunk {
    header: String,
    old: u64,
    new: u64,
}

impl Hunk {
    fn lacks(&self) -> String {
        let count = |n: u64, which: &str| match n {
            1 => format!("1 {which} line"),
            n => format!("{n} {which} lines"),
        };
        format!(
            "hunk {} lacks {} and {}",
            self.header,
            count(self.old, "old"),
            count(self.new, "new")
        )
    }

    fn is_over(&self) -> bool {
        self.old == 0 && self.new == 0
    }

    /// Counts a line; false if the hunk has no room for it, `None` if it is none of a hunk's.
    fn count(&mut self, line: &str) -> Option<bool> {
        let (old, new) = match line.as_bytes().first() {
            // Editors and models strip the one space of an empty context line.
            Some(b' ') | None => (1, 1),
            Some(b'-') => (1, 0),
            Some(b'+') => (0, 1),
            Some(b'\\') => (0, 0),
            Some(_) => return None,
        };
        if self.old < old || self.new < new {
            return Some(false);
        }
        self.old -= old;
        self.new -= new;
        Some(true)
    }
}

/// What was seen of the whole diff.
#[derive(Debug, Default)]
struct Seen {
    hunks: usize,
    /// A file was announced and nothing of it came yet.
    file: bool,
    /// The line before ended a hunk.
    after_hunk: bool,
    /// `*** Begin Patch` without its end.
    envelope: bool,
    any: bool,
}

/// Reads a diff line by line. Lines outside of hunks that are no diff's are words around it.
pub(super) fn lines(text: &str) -> Result<(), Broken> {
    let mut seen = Seen::default();
    let mut hunk: Option<Hunk> = None;
    let mut at = 0;
    while at < text.len() {
        let end = memchr::memchr(b'\n', &text.as_bytes()[at..]).map_or(text.len(), |n| at + n);
        let line = text[at..end].strip_suffix('\r').unwrap_or(&text[at..end]);
        let last = end == text.len();
        match hunk.as_mut().filter(|hunk| !hunk.is_over()) {
            Some(open) => {
                within(open, line, at)?;
                seen.after_hunk = true;
            }
            None => hunk = between(&mut seen, line, at, last)?,
        }
        at = end + 1;
    }
    let end = text.trim_end().len();
    if let Some(open) = hunk.filter(|hunk| !hunk.is_over()) {
        return Err(Broken::cut(
            end,
            open.lacks(),
            format!("the diff ends too early: {}", open.lacks()),
        ));
    }
    if seen.envelope {
        let what = "no \"*** End Patch\"";
        return Err(Broken::cut(
            end,
            what,
            format!("the patch ends too early: {what}"),
        ));
    }
    if seen.file {
        let what = "a file without a hunk";
        return Err(Broken::cut(end, what, format!("the diff ends too early: {what}")));
    }
    if seen.any {
        Ok(())
    } else {
        Err(Broken::other(0, "no diff", "the text holds no unified diff"))
    }
}

/// A line where the hunk still lacks some.
fn within(hunk: &mut Hunk, line: &str, at: usize) -> Result<(), Broken> {
    match hunk.count(line) {
        Some(true) => Ok(()),
        Some(false) => Err(Broken::other(
            at,
            "one line too many of its kind",
            format!("hunk {} has other lines than its header tells", hunk.header),
        )),
        None => Err(Broken::gap(
            at,
            hunk.lacks(),
            format!("inside the diff, {}", hunk.lacks()),
        )),
    }
}

/// A line where no hunk is open; perhaps it opens one.
fn between(seen: &mut Seen, line: &str, at: usize, last: bool) -> Result<Option<Hunk>, Broken> {
    let after_hunk = std::mem::take(&mut seen.after_hunk);
    if line.starts_with("@@") && !seen.envelope {
        let Some(hunk) = header(line) else {
            let (what, reason) = ("no hunk header", "a hunk header of the diff can't be read");
            return Err(if last {
                Broken::cut(at + line.len(), what, "the diff ends inside a hunk header")
            } else {
                Broken::other(at, what, reason)
            });
        };
        seen.hunks += 1;
        (seen.file, seen.any, seen.after_hunk) = (false, true, true);
        return Ok(Some(hunk));
    }
    if line == "*** Begin Patch" {
        (seen.envelope, seen.any) = (true, true);
    } else if line == "*** End Patch" {
        seen.envelope = false;
    } else if line.starts_with("diff ") || line.starts_with("+++ ") {
        (seen.file, seen.any) = (true, true);
    } else if BARE.iter().any(|start| line.starts_with(start)) {
        seen.file = false;
    } else if after_hunk && line.starts_with('\\') {
        seen.after_hunk = true;
    } else if after_hunk && !line.starts_with("--- ") && line != "-- " && line.starts_with(['+', '-', ' ']) {
        let reason = "a hunk of the diff has more lines than its header tells";
        return Err(Broken::other(at, "one line too many", reason));
    }
    Ok(None)
}

/// `@@ -1,3 +1,4 @@`; a count that is left out is 1.
fn header(line: &str) -> Option<Hunk> {
    let (old, rest) = range(line.strip_prefix("@@ -")?)?;
    let (new, rest) = range(rest.strip_prefix(" +")?)?;
    let rest = rest.strip_prefix(" @@")?;
    Some(Hunk {
        header: line[..line.len() - rest.len()].to_owned(),
        old,
        new,
    })
}

/// `12,3` to its count and the rest.
fn range(text: &str) -> Option<(u64, &str)> {
    let (_, rest) = number(text)?;
    match rest.strip_prefix(',') {
        Some(rest) => number(rest),
        None => Some((1, rest)),
    }
}

fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    Some((text[..end].parse().ok()?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{OffScript, Truncation, Verdict};

    const SILENT: Option<Verdict> = Some(Verdict::Truncated(Truncation::Silent));
    const GAP: Option<Verdict> = Some(Verdict::OffScript(OffScript::Gap));
    const OTHER: Option<Verdict> = Some(Verdict::OffScript(OffScript::Text));
    const FULL: &str = "diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n@@ -1,3 +1,4 @@ fn x\n a\n-b\n+c\n+d\n e\n@@ -9 +10 @@\n-f\n+g\n\\ No newline at end of file\ndiff --git a/y b/y\n--- a/y\n+++ b/y\n@@ -0,0 +1,2 @@\n+h\n+i\n";

    fn verdict(text: &str) -> Option<Verdict> {
        check(text).err().map(|broken| broken.verdict)
    }

    #[test]
    fn diffs() {
        for (text, expected) in [
            (FULL, None),
            ("@@ -1 +1 @@\n-a\n+b", None),
            ("@@ -1,2 +1,2 @@\n-a\n+b\n\n", None),
            ("@@ -1 +1 @@\r\n-a\r\n+b\r\n", None),
            ("Here:\n\n```diff\n@@ -1 +1 @@\n-a\n+b\n```\n- a list\n", None),
            ("Here:\n\n```diff\n@@ -1,2 +1 @@\n-a\n+b\n```\n", SILENT),
            ("```diff\n@@ -1 +1 @@\n-a\n+b\n", SILENT),
            (
                "diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n",
                None,
            ),
            ("--- a\n+++ b\n@@ -1,2 +1,2 @@\n-a\n+b\n", SILENT),
            ("--- a\n+++ b\n", SILENT),
            ("--- a\n+++ b\n@@ -1,2 +1", SILENT),
            ("@@ -1,2 +1,2 @@\n-a\n+b\nSo that is it.\n", GAP),
            ("@@ -1,3 +1,3 @@\n-a\n@@ -9 +9 @@\n-a\n+b\n", GAP),
            ("@@ -1 +1 @@\n-a\n-b\n+c\n", OTHER),
            ("@@ -1 +1 @@\n-a\n+b\n+c\n", OTHER),
            ("@@ -1 +1 @@\n-a\n+b\n-- \n2.47.0\n", None),
            ("@@ -x +1 @@\n-a\n+b\n", OTHER),
            ("@@ -99999999999999999999,1 +1 @@\n", OTHER),
            ("no diff at all", OTHER),
            (
                "*** Begin Patch\n*** Update File: x\n@@\n-a\n+b\n*** End Patch\n",
                None,
            ),
            ("*** Begin Patch\n*** Update File: x\n@@\n-a\n", SILENT),
        ] {
            assert_eq!(verdict(text), expected, "{text}");
        }
    }

    #[test]
    fn a_diff_cut_after_any_line_of_a_hunk_is_not_whole() {
        let body = FULL.find("@@").unwrap();
        let cuts = FULL[body..].match_indices('\n').map(|(at, _)| body + at);
        let whole: Vec<usize> = cuts.filter(|at| verdict(&FULL[..*at]).is_none()).collect();
        // Only at the ends of hunks, of which a diff has as many as it likes.
        let ends: Vec<usize> = ["\n@@ -9", "\n\\ No", "\ndiff --git a/y", "\n"]
            .iter()
            .filter_map(|end| {
                if *end == "\n" {
                    FULL.rfind(end)
                } else {
                    FULL.find(end)
                }
            })
            .collect();
        assert_eq!(whole, ends);
    }
}
