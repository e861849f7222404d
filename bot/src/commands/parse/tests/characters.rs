//! Characters that deceive.

use super::{code, read};
use crate::commands::NotACommandCode;

#[test]
fn a_character_that_deceives_is_named_with_its_place() {
    let lines = [
        "/deploy st\u{430}ging",
        "/d\u{435}ploy staging",
        "\u{ff0f}deploy staging",
        "/deploy\u{a0}staging",
        "\u{feff}/deploy staging",
        "/deploy sta\u{200b}ging",
        "/deploy staging \u{202e}ipa",
        "/deploy staging \u{2014}reason x",
        "/deploy staging --reason \u{201c}x\u{201d}",
        "/deploy staging caf\u{e9}",
        "/deploy sta\u{7}ging",
        "/lock production a\u{202e}b",
        "/d\u{e9}ploy staging",
        "/\u{1d41d}\u{1d41e}\u{1d429}\u{1d425}\u{1d428}\u{1d432} staging",
        "/deploy staging --sh\u{430}=x",
    ];
    let told: Vec<String> = lines.iter().map(|line| read(line)).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    0 Confusable: Character 11 of the line is U+0430: it looks like `a` and is another character. Type the line again in a new comment, in plain ASCII, instead of pasting it.
    0 Confusable: Character 3 of the line is U+0435: it looks like `e` and is another character. Type the line again in a new comment, in plain ASCII, instead of pasting it.
    0 Confusable: Character 1 of the line is U+FF0F: it looks like `/` and is another character. Type the line again in a new comment, in plain ASCII, instead of pasting it.
    0 Confusable: Character 8 of the line is U+00A0: it looks like a space and is none. Write an ordinary space there.
    0 Confusable: Character 1 of the line is U+FEFF: it cannot be seen. Type the line again in a new comment, in plain ASCII, instead of pasting it.
    0 Confusable: Character 12 of the line is U+200B: it cannot be seen. Type the line again in a new comment, in plain ASCII, instead of pasting it.
    0 Confusable: Character 17 of the line is U+202E: it changes the direction of the text. Type the line again in a new comment, in plain ASCII, instead of pasting it.
    0 Confusable: Character 17 of the line is U+2014: a dash that is not `-`. Write `-`, and `--` before an option; some keyboards replace them on their own.
    0 Confusable: Character 26 of the line is U+201C: a curly quote. Write the straight quote `"`; some keyboards replace it on their own.
    0 Confusable: Character 20 of the line is U+00E9: not plain ASCII. Type the line again in a new comment, in plain ASCII, instead of pasting it.
    0 Confusable: Character 12 of the line is U+0007: a control character. Type the line again in a new comment, in plain ASCII, instead of pasting it.
    0 Confusable: Character 19 of the line is U+202E: it changes the direction of the text. Type the line again in a new comment, in plain ASCII, instead of pasting it.
    0 Confusable: Character 3 of the line is U+00E9: not plain ASCII. Type the line again in a new comment, in plain ASCII, instead of pasting it.
    0 Confusable: Character 2 of the line is U+1D41D: it looks like `d` and is another character. Type the line again in a new comment, in plain ASCII, instead of pasting it.
    0 Confusable: Character 21 of the line is U+0430: it looks like `a` and is another character. Type the line again in a new comment, in plain ASCII, instead of pasting it.
    "#);
    for line in lines {
        assert_eq!(code(line), Some(NotACommandCode::Confusable), "{line:?}");
    }
}

#[test]
fn reasons_may_be_in_any_language() {
    let fine = [
        "/deploy staging --reason \"Anmeldung für Müller — “jetzt”\"",
        "/deploy staging --reason \"修正ログイン\"",
        "/lock staging كسر قاعدة البيانات",
        "/lock staging می‌خواهم",
        "/lock staging a\u{a0}b",
        "/help \u{200b}",
    ];
    for line in fine {
        assert_eq!(code(line), None, "{line}");
        assert_ne!(read(line), "", "{line}");
    }
}

#[test]
fn a_foreign_word_after_a_slash_is_not_ours() {
    for line in ["/привет мир", "/übersicht", "/日本語", "\u{a0}text /deploy staging", "\u{200b}", "／", "/\u{200b}"]
    {
        assert_eq!(read(line), "", "{line:?}");
    }
}
