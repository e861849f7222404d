use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

mod characters;
mod whereabouts;

const SHA: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678";

/// What a comment gives, one line a command: `0 /deploy staging`, or `0 Usage: what next`.
fn read(body: &str) -> String {
    let mut text = String::new();
    for (index, parsed) in commands(body) {
        let _ = match parsed {
            Ok(command) => writeln!(text, "{index} {command}"),
            Err(no) => writeln!(text, "{index} {:?}: {} {}", no.code, no.what, no.next),
        };
    }
    text.trim_end().to_owned()
}

/// What the only command of a comment is.
fn only(body: &str) -> Command {
    let mut found = commands(body);
    match found.pop() {
        Some((0, Ok(command))) => command,
        _ => panic!("{body} is not one command: {}", read(body)),
    }
}

fn code(body: &str) -> Option<NotACommandCode> {
    commands(body).into_iter().find_map(|(_, parsed)| parsed.err()).map(|no| no.code)
}

#[test]
fn a_deployment_is_asked_for_with_everything() {
    let body = format!("/deploy staging api web --sha {SHA} --reason \"fix the \\\"login\\\" page\"");
    let expected = Command::Deploy {
        environment: "staging".parse().unwrap(),
        services: vec!["api".parse().unwrap(), "web".parse().unwrap()],
        sha: Some(SHA.parse().unwrap()),
        reason: Some("fix the \"login\" page".to_owned()),
    };
    assert_eq!(only(&body), expected);
    // In any order, in capitals, with the other way to write a value.
    let other = format!("/DEPLOY --reason='fix the \"login\" page' staging --SHA={} api\tweb", SHA.to_uppercase());
    assert_eq!(only(&other), expected);
}

#[test]
fn every_example_is_read_and_written_again_as_it_was() {
    let same = [
        "/plan staging",
        "/plan production api --sha a1b2c3d4e5f60718293a4b5c6d7e8f9012345678",
        "/approve",
        "/approve production --sha a1b2c3d4e5f60718293a4b5c6d7e8f9012345678",
        "/reject",
        "/reject production",
        "/reject production \"too late in the week\"",
        "/promote",
        "/pause production",
        "/resume production",
        "/cancel",
        "/rollback production",
        "/rollback production api to 2 --no-lock",
        "/rollback production to arn:aws:ecs:us-east-1:111122223333:task-definition/api:42",
        "/lock production",
        "/lock production --until 2h \"database migration\"",
        "/unlock production",
        "/unlock production --force \"she is on holiday\"",
        "/status",
        "/status staging",
        "/history staging",
        "/help",
    ];
    for line in same {
        assert_eq!(only(line).to_string(), line);
    }
}

#[test]
fn a_reason_is_the_rest_of_the_line_and_options_are_found_in_it() {
    let lock = |body: &str| only(body).to_string();
    assert_eq!(
        lock("/lock production  database   migration, see #12"),
        "/lock production \"database migration, see #12\""
    );
    assert_eq!(lock("/lock production migration --until 2h today"), "/lock production --until 2h \"migration today\"");
    assert_eq!(lock("/lock production --until=90m x"), "/lock production --until 1h30m \"x\"");
    assert_eq!(lock("/lock production built with --release"), "/lock production \"built with --release\"");
    assert_eq!(lock("/lock production -- wait"), "/lock production \"-- wait\"");
    assert_eq!(lock("/lock production don't \"touch"), "/lock production \"don't \\\"touch\"");
    assert_eq!(lock("/lock production Datenbank wächst 🧑‍🔧"), "/lock production \"Datenbank wächst 🧑‍🔧\"");
    assert_eq!(lock("/unlock production --force it --until burns"), "/unlock production --force \"it --until burns\"");
    assert_eq!(lock("/reject Not before Monday"), "/reject \"Not before Monday\"");
    assert_eq!(lock("/reject production Not before Monday"), "/reject production \"Not before Monday\"");
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table and its answers")]
fn wrong_usage_is_answered_with_what_is_wrong_and_how_it_is_written() {
    let lines = [
        "/deploy",
        "/deploy Staging",
        "/deploy ../etc",
        "/deploy staging api api",
        "/deploy staging --sha a1b2c3d",
        "/deploy staging --sha",
        "/deploy staging --sha main",
        "/deploy staging --reason \"open",
        "/deploy staging --reason \"a\"b",
        "/deploy staging --reason fix the login",
        "/deploy staging --reason \" \"",
        "/deploy staging --reson x",
        "/deploy staging --force",
        "/deploy staging -f",
        "/deploy staging --sha --reason x",
        "/plan staging --reason x",
        "/approve production please",
        "/rollback to 2",
        "/rollback production to",
        "/rollback production to 0",
        "/rollback production to 2 to 3",
        "/rollback production --no-lock=yes",
        "/rollback production --no-lock --no-lock",
        "/lock",
        "/lock production --until tomorrow",
        "/lock production --until 0s",
        "/lock production --untill 2h",
        "/lock production x --untill 2h",
        "/lock production --reason x",
        "/unlock production it is mine",
        "/unlock production --force",
        "/status staging production",
    ];
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "{line}\n  {}", read(line));
        assert_eq!(code(line), Some(NotACommandCode::Usage), "{line}");
    }
    insta::assert_snapshot!(text, @r#"
    /deploy
      0 Usage: `/deploy` needs the environment's name. It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.
    /deploy Staging
      0 Usage: `Staging` is not the name of an environment: that has at most 63 characters of a-z, 0-9, `-` and `_`, the first a letter or digit. Write `staging`. It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.
    /deploy ../etc
      0 Usage: `../etc` is not the name of an environment: that has at most 63 characters of a-z, 0-9, `-` and `_`, the first a letter or digit. It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.
    /deploy staging api api
      0 Usage: The service `api` is named twice. It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.
    /deploy staging --sha a1b2c3d
      0 Usage: `--sha` takes the full id of a commit, 40 characters; a short one can be made to fit another commit: `a1b2c3d`. Copy the id from the page of the commit. It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.
    /deploy staging --sha
      0 Usage: There is no value after `--sha`. It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.
    /deploy staging --sha main
      0 Usage: `--sha` takes the full id of a commit, 40 characters; this is none: `main`. Copy the id from the page of the commit. It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.
    /deploy staging --reason "open
      0 Usage: The quote after `--reason` is not closed. It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.
    /deploy staging --reason "a"b
      0 Usage: There must be a space after the closing quote of `--reason`. It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.
    /deploy staging --reason fix the login
      0 Usage: A reason of more than one word stands in quotes. It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.
    /deploy staging --reason " "
      0 Usage: There is no text after `--reason`. It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.
    /deploy staging --reson x
      0 Usage: `/deploy` has no option `--reson`. Did you mean `--reason`? It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.
    /deploy staging --force
      0 Usage: `/deploy` has no option `--force`. It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.
    /deploy staging -f
      0 Usage: `/deploy` has no option `-f`. It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.
    /deploy staging --sha --reason x
      0 Usage: There is no value after `--sha`. It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.
    /plan staging --reason x
      0 Usage: `/plan` has no option `--reason`. It is written `/plan <env> [service…] [--sha <sha>]`.
    /approve production please
      0 Usage: `/approve` has no place for `please`. It is written `/approve [env] [--sha <sha>]`.
    /rollback to 2
      0 Usage: `/rollback` needs the environment's name. It is written `/rollback <env> [service…] [to <sha|release|N>] [--no-lock]`.
    /rollback production to
      0 Usage: `to` takes a commit, a release's name or a number of steps from 1; nothing follows. It is written `/rollback <env> [service…] [to <sha|release|N>] [--no-lock]`.
    /rollback production to 0
      0 Usage: `to` takes a commit, a release's name or a number of steps from 1; `0` is none. It is written `/rollback <env> [service…] [to <sha|release|N>] [--no-lock]`.
    /rollback production to 2 to 3
      0 Usage: `to` stands there twice. It is written `/rollback <env> [service…] [to <sha|release|N>] [--no-lock]`.
    /rollback production --no-lock=yes
      0 Usage: `--no-lock` takes no value. It is written `/rollback <env> [service…] [to <sha|release|N>] [--no-lock]`.
    /rollback production --no-lock --no-lock
      0 Usage: `--no-lock` stands there twice. It is written `/rollback <env> [service…] [to <sha|release|N>] [--no-lock]`.
    /lock
      0 Usage: `/lock` needs the environment's name. It is written `/lock <env> [--until 2h] [reason]`.
    /lock production --until tomorrow
      0 Usage: `--until` takes a length of time like 45m, 2h or 1d12h; `tomorrow` is none. It is written `/lock <env> [--until 2h] [reason]`.
    /lock production --until 0s
      0 Usage: `--until` takes a length of time like 45m, 2h or 1d12h; `0s` is none. It is written `/lock <env> [--until 2h] [reason]`.
    /lock production --untill 2h
      0 Usage: `/lock` has no option `--untill`. Did you mean `--until`? It is written `/lock <env> [--until 2h] [reason]`.
    /lock production x --untill 2h
      0 Usage: `/lock` has no option `--untill`. Did you mean `--until`? It is written `/lock <env> [--until 2h] [reason]`.
    /lock production --reason x
      0 Usage: `/lock` has no option `--reason`. The reason is the rest of the line, without an option. It is written `/lock <env> [--until 2h] [reason]`.
    /unlock production it is mine
      0 Usage: `/unlock` has no place for `it`. A reason follows `--force`. It is written `/unlock <env> [--force reason]`.
    /unlock production --force
      0 Usage: There is no text after `--force`. It is written `/unlock <env> [--force reason]`.
    /status staging production
      0 Usage: `/status` has no place for `production`. It is written `/status [env]`.
    "#);
}

#[test]
fn a_verb_with_a_slip_is_answered_and_any_other_word_is_left_alone() {
    insta::assert_snapshot!(read("/depoly staging\n/rolback production\n/retest\n/usr/bin/env\n/deploying\n/lgtm"), @r#"
    0 UnknownVerb: There is no command `/depoly`. Did you mean `/deploy`? It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.
    1 UnknownVerb: There is no command `/rolback`. Did you mean `/rollback`? It is written `/rollback <env> [service…] [to <sha|release|N>] [--no-lock]`.
    "#);
    assert_eq!(code("/depoly staging"), Some(NotACommandCode::UnknownVerb));
    for line in
        ["/path/like/this", "/ deploy staging", "//deploy staging", "/deploying", "/deploy/staging", "/", "deploy x"]
    {
        assert_eq!(read(line), "", "{line}");
    }
}

#[test]
fn more_than_ten_commands_are_answered_once_and_none_runs() {
    let ten = "/deploy staging\n".repeat(10);
    assert_eq!(commands(&ten).len(), 10);
    assert!(
        commands(&ten)
            .iter()
            .enumerate()
            .all(|(at, (index, parsed))| u32::try_from(at) == Ok(*index) && parsed.is_ok())
    );
    insta::assert_snapshot!(read(&(ten + "\n/status")), @"0 Usage: The comment holds more than 10 commands; none of them was carried out. Write at most 10 commands into one comment.");
    assert_eq!(code(&"/depoly\n".repeat(5000)), Some(NotACommandCode::UnknownVerb), "strangers are not told");
    assert_eq!(commands(&"/depoly\n".repeat(5000)).len(), 1);
}

#[test]
fn a_line_in_an_answer_is_of_bearable_length() {
    let body = format!("/deploy staging {}", "x".repeat(60_000));
    let no = commands(&body).pop().unwrap().1.expect_err("no service has such a name");
    assert!(no.line.chars().count() <= 201 && no.what.chars().count() < 300, "{no:?}");
    let long = |length: usize| code(&format!("/lock staging {}", "ä".repeat(length)));
    assert_eq!((long(500), long(501)), (None, Some(NotACommandCode::Usage)));
}

/// Comments of the greatest length that GitHub takes, each of a kind that is slow for some parsers.
#[test]
fn time_grows_with_the_length_and_with_nothing_else() {
    let pieces = [
        "/deploy staging\n",
        "/deploy ",
        "/",
        "/\n",
        "/deplo\n",
        "[",
        "![",
        "[a](",
        "[a]: /b\n",
        "*a_ ",
        "**a ",
        "`",
        "``` ",
        "<!--",
        "<",
        "<a ",
        "<pre>",
        "> ",
        "- ",
        "1. ",
        "> - ",
        "\t",
        " ",
        "\u{a0}",
        "\u{200b}/",
        "\"",
        "\\",
        "&",
        "&amp",
        "|",
        "|a\n",
        "[^a]",
        "[^a]: ",
        "~",
        "$",
        "_",
        "a\n",
        "\r",
        "\u{202e}",
        "e\u{301}",
        "---\n",
        "* a\n\n",
        "<!-- > ",
    ];
    for piece in pieces {
        for start in ["", "/deploy staging --reason \"", "/lock staging ", "/\n\n"] {
            let count = (65_536 - start.len()) / piece.chars().count();
            let body = format!("{start}{}", piece.repeat(count));
            let began = shipline::engine::clock::instant();
            let _ = commands(&body);
            let took = shipline::engine::clock::instant() - began;
            assert!(took < Duration::from_secs(2), "{start}{piece:?} took {took:?}");
        }
    }
}

/// A line that has to do with commands, or with what commands must not be found in.
fn fragment() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[a-z/\"'`<>!|~*_#-]{1,6}",
        proptest::sample::select(vec![
            "/deploy",
            "/lock",
            "/rollback",
            "/help",
            "/reject",
            "/unlock",
            "staging",
            "api",
            "--sha",
            SHA,
            "--reason",
            "--until",
            "2h",
            "to",
            "--force",
            "--no-lock",
            "\"a b\"",
            "```",
            "~~~",
            "<!--",
            "-->",
            "<pre>",
            "</pre>",
            "> ",
            "- ",
            "    ",
            "\t",
            "\n",
            "\r\n",
            "\n\n",
            "\u{a0}",
            "\u{200b}",
            "\u{202e}",
            "е",
            "–",
            "“",
            "🚀",
            "|",
            "---",
            "#",
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(word, 0..40).prop_map(|words| words.join(" ").replace("\n ", "\n"))
}

proptest! {
    #[test]
    fn no_comment_stops_the_parser(body in any::<String>()) {
        let _ = commands(&body);
    }

    #[test]
    fn no_comment_that_looks_like_commands_stops_it_and_every_answer_says_what_to_do(body in fragment()) {
        for (at, (index, parsed)) in commands(&body).into_iter().enumerate() {
            prop_assert_eq!(u32::try_from(at), Ok(index));
            if let Err(no) = parsed {
                prop_assert!(no.what.ends_with('.') && !no.next.is_empty(), "{:?}", no);
                // An answer repeats nothing that could be Markdown, a mention, or unseen.
                prop_assert!(no.what.chars().chain(no.next.chars()).all(|c| c.is_ascii_graphic() || " …".contains(c)), "{:?}", no);
                prop_assert_eq!(no.what.matches('`').count() % 2, 0, "{:?}", no);
            }
        }
    }

    #[test]
    fn what_is_read_can_be_written_and_is_read_the_same(body in fragment()) {
        for (_, parsed) in commands(&body) {
            if let Ok(command) = parsed {
                let written = command.to_string();
                prop_assert_eq!(commands(&written), vec![(0, Ok(command))], "{}", written);
            }
        }
    }

    #[test]
    fn nothing_in_a_code_block_a_quote_or_a_comment_is_a_command(inside in fragment()) {
        let lines: Vec<&str> = inside.split(['\n', '\r']).collect();
        let prefixed = |prefix: &str| lines.iter().flat_map(|line| [prefix, line, "\n"]).collect::<String>();
        let fence = format!("{0}\n{1}\n{0}", "`".repeat(200), inside.replace("````", ""));
        let bodies = [fence, prefixed("    "), prefixed("> "), format!("<!--\n{}\n-->", inside.replace("--", "-"))];
        for body in bodies {
            prop_assert!(commands(&body).is_empty(), "{}", body);
        }
    }

    #[test]
    fn line_ends_make_no_difference(body in fragment()) {
        let plain = body.replace('\r', "");
        prop_assert_eq!(commands(&plain), commands(&plain.replace('\n', "\r\n")));
    }

    #[test]
    fn a_command_with_a_foreign_character_outside_of_quotes_never_runs(at in 0..22_usize, c in proptest::char::range('\u{80}', '\u{10ffff}')) {
        let mut body = "/deploy production api".to_owned();
        body.insert(at, c);
        prop_assert!(commands(&body).iter().all(|(_, parsed)| parsed.is_err()), "{:?}", body);
    }
}
