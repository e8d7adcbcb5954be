//! Which tokenizer reads which language, as data.

use memchr::memmem;

/// How some code is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Language {
    /// By the Rust compiler's lexer.
    Rust,
    /// By the JSON parser.
    Json,
    /// As a unified diff.
    Diff,
    /// By our lexer, with these traits.
    Family(&'static Traits),
}

/// How strings and comments of a language look.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each a trait of its own")]
pub(super) struct Traits {
    /// `//` begins a comment.
    pub(super) slashes: bool,
    /// `/* */` is a comment.
    pub(super) blocks: bool,
    /// `/* /* */ */` is one.
    pub(super) nested: bool,
    /// `#` begins a comment; in a shell only at the start of a word.
    pub(super) hashes: bool,
    /// What `'` begins.
    pub(super) single: Quote,
    /// What `"` begins.
    pub(super) double: Quote,
    /// What a backtick begins.
    pub(super) tick: Quote,
    /// `"""` and `'''` begin strings of several lines.
    pub(super) triple: bool,
    /// `${ }` holds code inside strings.
    pub(super) holes: bool,
    /// `R"x( )x"` is a string.
    pub(super) raw: bool,
    /// `@"` begins a string in which `""` is a quote.
    pub(super) verbatim: bool,
    /// `/` may begin a regular expression.
    pub(super) regex: bool,
    /// `<<WORD` begins a here-document, and closing brackets may stand alone (patterns of `case`).
    pub(super) shell: bool,
    /// Texts between tags may hold any bracket.
    pub(super) markup: bool,
    /// `#else` may leave out one half of a pair.
    pub(super) branches: bool,
}

/// What a quotation mark begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quote {
    /// Nothing.
    Nothing,
    /// A string that ends on its line.
    Line,
    /// A string of several lines with escapes.
    Lines,
    /// A string of several lines without escapes.
    Raw,
}

const C: Traits = Traits {
    slashes: true,
    blocks: true,
    nested: false,
    hashes: false,
    single: Quote::Line,
    double: Quote::Line,
    tick: Quote::Nothing,
    triple: false,
    holes: false,
    raw: false,
    verbatim: false,
    regex: false,
    shell: false,
    markup: false,
    branches: true,
};

const JAVA: Traits = Traits {
    triple: true,
    branches: false,
    ..C
};

static FAMILIES: &[(&[&str], Traits)] = &[
    (&["c", "h", "glsl", "hlsl", "objc", "objective-c"], C),
    (
        &["cpp", "c++", "cc", "cxx", "hpp", "cuda", "arduino"],
        Traits { raw: true, ..C },
    ),
    (
        &["csharp", "cs", "c#"],
        Traits {
            verbatim: true,
            triple: true,
            ..C
        },
    ),
    (&["java"], JAVA),
    (&["swift"], Traits { nested: true, ..JAVA }),
    (&["groovy", "gradle"], Traits { holes: true, ..JAVA }),
    (
        &["kotlin", "kt", "kts", "scala", "dart"],
        Traits {
            nested: true,
            holes: true,
            ..JAVA
        },
    ),
    (
        &["go", "golang"],
        Traits {
            tick: Quote::Raw,
            branches: false,
            ..C
        },
    ),
    (
        &[
            "js",
            "javascript",
            "mjs",
            "cjs",
            "jsx",
            "ts",
            "typescript",
            "mts",
            "tsx",
            "node",
        ],
        Traits {
            tick: Quote::Lines,
            holes: true,
            regex: true,
            markup: true,
            branches: false,
            ..C
        },
    ),
    (
        &["php"],
        Traits {
            hashes: true,
            single: Quote::Lines,
            double: Quote::Lines,
            markup: true,
            branches: false,
            ..C
        },
    ),
    (
        &["css"],
        Traits {
            slashes: false,
            branches: false,
            ..C
        },
    ),
    (
        &["python", "py", "python3", "py3", "pyi", "starlark", "bazel"],
        Traits {
            slashes: false,
            blocks: false,
            hashes: true,
            triple: true,
            branches: false,
            ..C
        },
    ),
    (
        &["sh", "bash", "shell", "zsh", "ksh", "dash"],
        Traits {
            slashes: false,
            blocks: false,
            hashes: true,
            single: Quote::Raw,
            double: Quote::Lines,
            tick: Quote::Lines,
            shell: true,
            branches: false,
            ..C
        },
    ),
];

/// The language that a fence names, in lower case or not.
pub(super) fn find(name: &str) -> Option<Language> {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "rust" | "rs" => Some(Language::Rust),
        "json" => Some(Language::Json),
        "diff" | "patch" | "udiff" => Some(Language::Diff),
        name => FAMILIES
            .iter()
            .find(|(names, _)| names.contains(&name))
            .map(|(_, traits)| Language::Family(traits)),
    }
}

impl Traits {
    /// Whether the brackets of this code tell anything: not where text between tags may hold any, and not where
    /// branches of a preprocessor each hold a half of a pair.
    pub(super) fn can_tell(&self, code: &str) -> bool {
        let has = |needle: &str| memmem::find(code.as_bytes(), needle.as_bytes()).is_some();
        !(self.markup && (has("</") || has("/>") || has("?>")) || self.branches && has("#el"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_once() {
        let names: Vec<_> = FAMILIES.iter().flat_map(|(names, _)| *names).collect();
        for name in &names {
            assert_eq!(names.iter().filter(|other| other == &name).count(), 1, "{name}");
            assert!(find(&name.to_uppercase()).is_some(), "{name}");
        }
        assert!(find("brainfuck").is_none());
    }
}
