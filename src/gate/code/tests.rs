//! Code that is whole, cut, or has lost a piece.

use super::{check, language};
use crate::{
    gate::Hint,
    verdict::{OffScript, Truncation, Verdict},
};

const SILENT: Option<Verdict> = Some(Verdict::Truncated(Truncation::Silent));
const GAP: Option<Verdict> = Some(Verdict::OffScript(OffScript::Gap));

/// The verdict on bare code of that language.
fn bare(language: &str, code: &str) -> Option<Verdict> {
    check(code, Some(language)).err().map(|broken| broken.verdict)
}

#[test]
fn strings_and_comments_do_not_count() {
    for (name, code) in [
        (
            "rust",
            "fn f<'a>(x: &'a str) { let c = '{'; let s = r#\"}\"#; /* ( /* ( */ */ } // (",
        ),
        (
            "c",
            "int f(void) { char c = '('; return \"}{\"[0]; /* { */ } // {",
        ),
        ("cpp", "auto s = R\"x(}{)\" )x\"; int n = f(1'000, '(');"),
        ("java", "class A { String s = \"\"\"\n  { \" (\n\"\"\"; }"),
        ("kotlin", "val s = \"${m[\"(\"]}\" /* ( /* ( */ */"),
        ("go", "var s = `{\"`\nvar r = '('"),
        (
            "js",
            "const a = `x ${f({b: `}`})} (`; const r = /[/(]/g; const d = a / b / c; // (",
        ),
        ("js", "if (x) return /\\(/.test(y);"),
        ("ts", "const don = \"it's (\"; let n = (a) / 2;"),
        (
            "csharp",
            "var p = @\"C:\\\"; var q = $@\"{a} \"\"(\"\" \"; var r = \"\\\"(\";",
        ),
        ("php", "$s = 'it (\n'; # (\n$t = \"{$a['b']}\"; // ("),
        (
            "css",
            "a::before { content: \"{\"; background: url(http://x/y) } /* } */",
        ),
        (
            "python",
            "def f(a):  # (\n    s = '''{\n'''\n    t = f\"{a['x']} (\"\n    return [r'\\(', \"it's\"]",
        ),
        (
            "sh",
            "case $x in\n  a) echo \"(\" ;;\nesac\n# don't\nf() { echo \"${#x} $# (\"; }\ncat <<EOF\n don't (\nEOF\n",
        ),
        (
            "bash",
            "echo $((1 << 2)) $(( a << b ))\ncat <<-'END' | wc\n\t{\n\tEND\necho <<< 'x'\n",
        ),
        ("bash", "echo \\( \\\" $(echo \"a\")"),
    ] {
        assert_eq!(
            bare(name, code),
            None,
            "{name}: {code} {:?}",
            check(code, Some(name))
        );
    }
}

#[test]
fn what_is_open_at_the_end_was_cut() {
    for (name, code) in [
        ("rust", "fn main() {\n    println!(\"hel"),
        ("rust", "fn main() {"),
        ("rust", "let s = r#\"abc\""),
        ("rust", "/* a /* b */"),
        ("c", "int main(void) {\n  return 0;\n"),
        ("c", "/* a"),
        ("cpp", "auto s = R\"x( )\""),
        ("java", "String s = \"\"\"\n abc"),
        ("go", "var s = `abc"),
        ("js", "const a = `x ${b"),
        ("js", "const a = `x ${b} c"),
        ("csharp", "var p = @\"C:\\\"\""),
        ("python", "x = f(a,\n  b"),
        ("python", "s = '''abc''"),
        ("php", "$s = 'abc"),
        ("css", "a { b: c;"),
        ("sh", "cat <<EOF\nabc\n"),
        ("sh", "echo 'abc"),
        ("sh", "f() { ls"),
    ] {
        assert_eq!(bare(name, code), SILENT, "{name}: {code}");
    }
}

#[test]
fn a_closer_that_fits_nothing_is_a_gap() {
    for (name, code) in [
        ("rust", "}"),
        ("c", "f(a];"),
        ("js", "`${a)}`"),
        ("python", "x = [1)"),
    ] {
        assert_eq!(bare(name, code), GAP, "{name}: {code}");
    }
    assert_eq!(bare("sh", "a) b"), None, "patterns of case");
}

#[test]
fn fences_and_brackets_of_a_reply() {
    for (text, verdict, hints) in [
        ("Here:\n```rust\nfn a() {}\n```\nDone.", None, 0),
        ("Here:\n```rust\nfn a() {}\n", SILENT, 0),
        ("Here:\n```rust\nfn a() {\n```\nDone.", GAP, 0),
        ("```rust\nfn a() {}\n```\n```js\nf(\n```\n", GAP, 0),
        ("```json\n{\"a\": 1}\n```\n", None, 0),
        ("```json\n{\"a\":\n```\n", SILENT, 0),
        ("```diff\n@@ -1 +1 @@\n-a\n+b\n```\n", None, 0),
        ("```cobol\n((((\n```\n", None, 1),
        ("```\n((((\n```\n```\n(\n```\n", None, 1),
        ("((((", None, 1),
        ("```tsx\nreturn <p>:(</p>\n```\n", None, 1),
        (
            "```c\n#if A\nif (a) {\n#else\nif (b) {\n#endif\n}\n```\n",
            None,
            1,
        ),
    ] {
        let got = check(text, None);
        let found = got.as_ref().map_or(0, |whole| whole.hints.len());
        assert_eq!(
            got.as_ref().err().map(|broken| broken.verdict),
            verdict,
            "{text} {got:?}"
        );
        assert_eq!(found, hints, "{text} {got:?}");
    }
    let unchecked = check("```cobol\n(\n```\n", None).expect("whole");
    assert_eq!(unchecked.hints, [Hint::BracketsUnchecked]);
    assert!(unchecked.what.contains("no tokenizer for cobol"), "{unchecked:?}");
}

#[test]
fn the_place_of_an_open_bracket() {
    let broken = check("Look:\n\n```rust\nfn a() {\n    b(1, 2;\n}\n```\n", None).expect_err("a misfit");
    assert_eq!(broken.what, "`}` where `(` is open");
    assert_eq!(broken.at, 36);
    let broken = check("fn a() {\n  b(", Some("rust")).expect_err("open");
    assert_eq!(
        (broken.at, broken.what.as_str()),
        (12, "`(` opened here never closes")
    );
}

#[test]
fn depth_is_bounded() {
    let deep = "(".repeat(super::balance::MAX_OPEN);
    assert_eq!(bare("c", &deep), SILENT);
    let whole = check(&format!("{deep}("), Some("c")).expect("not judged");
    assert_eq!(whole.hints, [Hint::BracketsUnchecked]);
}

#[test]
fn whatever_the_code_is_the_lexers_end() {
    let nasty = "\"'`/*R\"(@\"<<E\n\\é(${[#//'''\"\"\"";
    for name in [
        "c", "cpp", "js", "go", "csharp", "python", "sh", "php", "kotlin", "rust", "css",
    ] {
        assert!(language::find(name).is_some());
        let cuts: Vec<usize> = nasty.char_indices().map(|(at, _)| at).collect();
        for from in &cuts {
            for to in cuts.iter().filter(|to| *to >= from) {
                let _ = bare(name, &nasty[*from..*to]);
            }
        }
    }
}

/// Inputs that make a careless lexer look to the end of the code again and again. Linear reading takes milliseconds;
/// the quadratic way would take hours.
#[test]
fn no_input_is_read_again_and_again() {
    for (name, piece) in [
        ("js", "=/["),
        ("js", "=/\\"),
        ("js", "`${"),
        ("sh", "(<<a\n"),
        ("sh", "<<a "),
        ("sh", "'"),
        ("c", "'"),
        ("c", "/*"),
        ("c", "\"\n"),
        ("kotlin", "\"${"),
        ("kotlin", "/*"),
        ("cpp", "R\"("),
        ("csharp", "@\""),
        ("python", "'''"),
        ("rust", "r#\""),
        ("rust", "'"),
    ] {
        let _ = bare(name, &piece.repeat((1 << 18) / piece.len()));
    }
    for piece in ["```\n", "~~~", "> ```\n", "- ```\n", "``` `\n"] {
        let _ = check(&piece.repeat((1 << 18) / piece.len()), Some("c"));
    }
}
