//! Nothing that a stranger wrote can act in a comment of ours. The texts are read with a Markdown
//! parser, as GitHub reads them, not compared.

use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};

use super::*;

/// Every place where a text of other people, programs or providers comes in.
fn with_everywhere(text: &str) -> Vec<String> {
    let mut about = deploy();
    about.asked.actor.login = text.into();
    about.asked.reason = Some(text.into());
    about.state.before = vec![(at(1), text.into())];
    about.state.notices = vec![text.into()];
    about.outcome = Some(text.into());
    let mut cause = cause();
    cause.summary = text.into();
    cause.provider_says = Some(text.into());
    cause.next = text.into();
    cause.task = Some(text.into());
    cause.facts = vec![text.into()];
    cause.log = Some(LogLines { source: text.into(), lines: text.lines().map(str::to_owned).collect() });
    cause.links = vec![Link { title: text.into(), url: format!("https://console.test/{text}") }];
    let mut api = service_view("api", "stuck");
    api.before = text.into();
    api.after = text.into();
    api.url = Some(format!("javascript:{text}"));
    api.console = Some(format!("https://console.test/{text}"));
    api.cause = Some(cause.clone());
    api.stuck = Some(cause.clone());
    api.changes = vec![FieldChange { path: text.into(), before: Some(text.into()), after: Some(text.into()) }; 2];
    let mut view = view("needs-attention", vec![api, service_view("web", "moving")]);
    view.commits[0].title = text.into();
    view.commits[1].author = text.into();
    view.timeline[0].what = text.into();
    view.stages[0].name = text.into();
    view.notices = vec![text.into()];
    view.check_failure = Some(cause);
    let mut lock = lock();
    lock.holder.login = text.into();
    lock.reason = text.into();
    let progress = BTreeMap::from([progress("web", 1, 2, text)]);
    let no = Denied::new(ReasonCode::Frozen, text, text).because(text);
    let status_of = EnvironmentStatus {
        name: "staging".parse().unwrap(),
        url: Some(format!("javascript:{text}")),
        good: None,
        live: Live::Known(vec![LiveService {
            name: service("api"),
            revision: text.into(),
            commit: None,
            id: text.into(),
        }]),
        open: vec![about.clone()],
        lock: Some(lock.clone()),
        last: Some(about.clone()),
    };
    let unknown = EnvironmentStatus { live: Live::Unknown(text.into()), ..environment() };
    let line = NotACommand { line: text.into(), what: text.into(), next: text.into(), code: NotACommandCode::Usage };
    let back = deployment_of(DeploymentKind::Rollback { to: Some(text.into()), lock: true });
    vec![
        told(&about, Stand::Ended { view: &view, locked: Some(&lock) }, &progress),
        told(&about, Stand::Rolling { view: &view, question: None }, &progress),
        told(&about, Stand::Waiting { behind: Some(&back) }, &progress),
        told(&about, Stand::Building { url: Some(format!("https://console.test/{text}")) }, &progress),
        told(&about, Stand::Refused(&no), &progress),
        told(&back, Stand::Preparing, &progress),
        denied(&no, text),
        not_a_command(&line),
        plan(&view, &[text.to_owned()]),
        status(&[status_of, unknown], at(100)),
        history(&"staging".parse().unwrap(), &[about.clone(), back.clone()], at(100)),
        locked(&lock, at(100)),
        unlocked(&lock, &actor("bo"), Some(text)),
        cancelling(&about),
        already(&about),
    ]
}

fn environment() -> EnvironmentStatus {
    EnvironmentStatus {
        name: "production".parse().unwrap(),
        url: None,
        good: None,
        live: Live::Known(vec![]),
        open: vec![],
        lock: None,
        last: None,
    }
}

/// Tags of ours; everything else that is HTML came from outside.
const OURS: [&str; 8] =
    ["<details>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>", "<!-- shipline:deployment:42 -->", "\n"];

fn without_ours(html: &str) -> String {
    OURS.iter().fold(html.to_owned(), |html, ours| html.replace(ours, ""))
}

/// What is wrong with a text, if anything.
fn acts(markdown: &str) -> Option<String> {
    let own = ["https://github.com/acme/shop/", "https://console.test/"];
    let mut options = Options::ENABLE_TABLES;
    options.insert(Options::ENABLE_GFM);
    let (mut code, mut folds) = (0_i32, 0_i64);
    for (event, range) in Parser::new_ext(markdown, options).into_offset_iter() {
        let raw = &markdown[range];
        let wrong = match &event {
            Event::Start(Tag::Image { .. }) => true,
            Event::Start(Tag::Link { dest_url, .. }) => !own.iter().any(|own| dest_url.starts_with(own)),
            Event::Start(Tag::CodeBlock(_)) => {
                code += 1;
                false
            }
            Event::End(pulldown_cmark::TagEnd::CodeBlock) => {
                code -= 1;
                false
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                folds += i64::try_from(html.matches("<details>").count()).unwrap();
                folds -= i64::try_from(html.matches("</details>").count()).unwrap();
                without_ours(html).contains('<')
            }
            Event::Text(_) if code == 0 => raw.contains('@') || raw.contains("://") || raw.contains('<') || refers(raw),
            _ => false,
        };
        if wrong {
            return Some(format!("{event:?} from {raw:?}"));
        }
    }
    let hidden = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{200b}';
    if markdown.chars().any(hidden) {
        return Some("a character that cannot be seen".into());
    }
    if folds != 0 || code != 0 {
        return Some(format!("{folds} folds and {code} fences are open"));
    }
    let markers = markdown.matches("<!--").count();
    let ended = markdown.trim_end().ends_with("<!-- shipline:deployment:42 -->");
    (markers != usize::from(ended)).then(|| format!("{markers} markers"))
}

/// `#12` and `GH-12`.
fn refers(raw: &str) -> bool {
    let lower = raw.to_lowercase().replace("&#", "");
    ["#", "gh-"].iter().any(|sign| {
        lower.match_indices(sign).any(|(at, _)| lower[at + sign.len()..].starts_with(|c: char| c.is_ascii_digit()))
    })
}

#[test]
fn the_reader_of_this_test_sees_what_acts() {
    for bad in ["hi @team", "see #12", "![x](https://a.test)", "<b>x</b>", "https://evil.test", "[x](javascript:1)"] {
        assert!(acts(bad).is_some(), "{bad}");
    }
    assert!(acts("<details><summary>x</summary>\n\ny").is_some());
    assert!(acts("a <!-- shipline:deployment:42 --> b").is_some());
    assert_eq!(acts("plain, `@code` and [page](https://console.test/x)"), None);
}

#[test]
fn a_marker_in_a_commit_title_or_a_log_line_is_never_found_as_ours() {
    for forged in ["<!-- shipline:deployment:7 -->", "<!-\u{200b}- shipline:answer:1:0 -->", "a\n<!-- shipline:"] {
        for text in with_everywhere(forged) {
            assert!(!text.contains(&deployment_marker(DeploymentId::new(7))), "{text}");
            assert!(!text.contains("<!-- shipline:answer"), "{text}");
            assert_eq!(acts(&text), None, "{text}");
        }
    }
}

#[test]
fn known_tricks_do_nothing_anywhere() {
    for trick in [
        "@acme/everyone closes #1, GH-2 and acme/shop#3",
        "| a | b |\n| --- | --- |\n| c | d |",
        "````\n```\n</details>\n@all",
        "</summary></details><img src=x onerror=y>",
        "![x](https://evil.test/pixel.png)",
        "[click](https://evil.test) https://evil.test www.evil.test",
        "https://evil.test/a) [b](https://evil.test/c",
        "javascript:alert(1)",
        "\u{202e}gnp.exe \u{1b}[31m \u{7}",
        "`` ` ``` ` `",
        "# heading\n> quote\n- [ ] task\n---",
        "\\",
        "\\`@team\\`",
    ] {
        for text in with_everywhere(trick) {
            assert_eq!(acts(&text), None, "{trick:?} acts in\n{text}");
        }
    }
}

#[test]
fn every_text_fits_however_much_there_is_and_keeps_its_marker() {
    let long = "@`<|é ".repeat(20_000);
    for text in with_everywhere(&long) {
        assert!(text.chars().count() <= 65_536 && text.len() <= 65_536, "{} bytes", text.len());
        assert_eq!(acts(&text), None);
    }
    let mut services: Vec<ServiceView> = (0..400).map(|n| service_view(&format!("s{n}"), "stuck")).collect();
    let mut cause = cause();
    cause.log = Some(LogLines { source: "x".into(), lines: vec!["y".repeat(9_000); 100] });
    for service in &mut services {
        service.changes = vec![service.changes[0].clone(); 100];
        service.cause = Some(cause.clone());
    }
    let mut view = view("needs-attention", services);
    view.commits = vec![view.commits[0].clone(); 5_000];
    view.timeline = vec![view.timeline[0].clone(); 5_000];
    let text = told(&deploy(), Stand::Ended { view: &view, locked: None }, &BTreeMap::new());
    assert!(text.len() <= 65_536, "{} bytes", text.len());
    assert!(text.ends_with("\n<!-- shipline:deployment:42 -->\n"), "{text}");
    assert!(text.contains("… and 340 more services."), "{text}");
    assert!(text.contains("… more did not fit into one comment."), "{text}");
    assert_eq!(acts(&text), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn no_text_of_a_stranger_acts_in_any_message(
        text in "\\PC{0,40}|[`|<>@#!\\[\\]()\\\\*_~&;/:.\n a1-]{0,40}|(<!--|-->|```|\\||@a|#1|</details>|https://|www\\.|\n|`| ){0,12}"
    ) {
        for message in with_everywhere(&text) {
            let wrong = acts(&message);
            prop_assert!(wrong.is_none(), "{:?}: {}\n{}", text, wrong.unwrap_or_default(), message);
            // One row for each service, whatever stands in its cells.
            let rows = message.lines().filter(|line| line.starts_with("| api |") || line.starts_with("| web |"));
            prop_assert!(rows.count() <= 6);
        }
    }
}
