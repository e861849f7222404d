use std::path::Path;

use super::*;

#[test]
fn every_verb_stands_once_and_finds_its_own_line() {
    for (index, usage) in USAGES.iter().enumerate() {
        assert_eq!(usage.verb as usize, index);
        assert_eq!(usage.verb.usage().word, usage.word);
        assert_eq!(Verb::of(usage.word), Some(usage.verb));
        assert_eq!(Verb::of(&usage.word.to_uppercase()), Some(usage.verb));
        assert!(!usage.does.ends_with('.'), "{}", usage.does);
    }
}

#[test]
fn a_slip_of_the_finger_is_near_and_the_verbs_of_other_bots_are_not() {
    let near = [
        ("dploy", Verb::Deploy),
        ("depoly", Verb::Deploy),
        ("deploys", Verb::Deploy),
        ("DEPLOI", Verb::Deploy),
        ("roll-back", Verb::Rollback),
        ("rolback", Verb::Rollback),
        ("rollbakc", Verb::Rollback),
        ("aprove", Verb::Approve),
        ("unlok", Verb::Unlock),
        ("stauts", Verb::Status),
        ("histroy", Verb::History),
    ];
    for (word, verb) in near {
        assert_eq!(Verb::near(word), Some(verb), "{word}");
    }
    let others = [
        "retest",
        "assign",
        "lgtm",
        "hold",
        "close",
        "deploying",
        "improve",
        "label",
        "merge",
        "test",
        "remote",
        "usr",
        "etc",
        "home",
        "",
        "x",
        "helpers",
    ];
    for word in others {
        assert_eq!(Verb::near(word), None, "{word}");
    }
}

#[test]
fn the_usage_lines_are_those_of_the_documentation() {
    let lines: Vec<String> = USAGES.iter().map(|usage| format!("{} ({})", usage.line(), usage.right.word())).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    /deploy <env> [service…] [--sha <sha>] [--reason "…"] (deploy)
    /plan <env> [service…] [--sha <sha>] (deploy)
    /approve [env] [--sha <sha>] (approve)
    /reject [env] [reason] (approve)
    /promote [env] (approve)
    /pause [env] (approve)
    /resume [env] (approve)
    /cancel [env] (deploy)
    /rollback <env> [service…] [to <sha|release|N>] [--no-lock] (rollback)
    /lock <env> [--until 2h] [reason] (lock)
    /unlock <env> [--force reason] (lock)
    /status [env] (read)
    /history <env> (read)
    /help (read)
    "#);
}

/// Compares the page with the committed one, or writes it when `UPDATE` is set.
#[test]
fn the_page_of_commands_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/bot-commands.md");
    #[expect(clippy::disallowed_methods, reason = "the switch of whoever changes the table")]
    let update = std::env::var_os("UPDATE").is_some();
    if update {
        std::fs::write(&path, reference()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == reference(), "{} is not current: run this test with UPDATE=1", path.display());
}
