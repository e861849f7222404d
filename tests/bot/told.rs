//! What the bot says, as stories compare it: the same words every time, with names for commits and
//! without times, ids and ports.

use std::fmt::Write as _;

use crate::stage::{POLICY, Stage};

/// Names of commits, in the order in which a text mentions them.
const NAMES: [&str; 6] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];

/// The one long number that is always the same.
const ACCOUNT: &str = "111122223333";

/// The policy with more rules of `staging`, each line of them indented by four spaces.
pub(crate) fn policy(staging: &str) -> String {
    POLICY.replace("  production:\n", &format!("{staging}  production:\n"))
}

/// The policy with more rules of `production`.
pub(crate) fn production_policy(production: &str) -> String {
    format!("{POLICY}{production}")
}

impl Stage {
    /// Writes the policy of the default branch.
    pub(crate) fn policy(&self, text: &str) {
        self.shop.file(".github/shipline.yml", text);
    }

    /// What the bot answers to the first command of this comment.
    #[track_caller]
    pub(crate) fn asks(&self, who: &str, issue: u64, body: &str) -> String {
        let comment = self.says(who, issue, body);
        self.reply(issue, comment, 0)
    }

    /// What the bot answered to one command of a comment.
    #[track_caller]
    pub(crate) fn reply(&self, issue: u64, comment: u64, command: u32) -> String {
        let marker = format!("<!-- shipline:answer:{comment}:{command} -->");
        plain(&self.answer(issue, &marker).body)
    }

    /// How the deployment that this comment asks for ends, by its own comment.
    #[track_caller]
    pub(crate) fn brings(&self, who: &str, issue: u64, body: &str) -> String {
        let comment = self.says(who, issue, body);
        self.end_of(issue, comment)
    }

    /// How the deployment that a comment asked for ended.
    #[track_caller]
    pub(crate) fn end_of(&self, issue: u64, comment: u64) -> String {
        self.until("the end of the deployment", || {
            let shown = self.shown(issue, comment)?;
            let heading = shown.lines().next().unwrap_or_default();
            let under_way = ["· waiting", "· building", "· preparing", "· rolling out", "checking", "going back"];
            (!under_way.iter().any(|words| heading.contains(words))).then(|| plain(&shown))
        })
    }

    /// The deployment's comment, as it is now.
    pub(crate) fn shown(&self, issue: u64, comment: u64) -> Option<String> {
        let link = format!("#issuecomment-{comment})");
        let asked = |body: &String| {
            // Others that wait behind it name its comment too, but further down.
            let about = body.lines().find(|line| line.contains("#issuecomment-"));
            body.contains("<!-- shipline:deployment:") && about.is_some_and(|line| line.contains(&link))
        };
        self.answers(issue).into_iter().map(|answer| answer.body).find(asked)
    }

    /// Nothing of the provider was changed so far.
    #[track_caller]
    pub(crate) fn assert_untouched(&self) {
        assert_eq!(self.world.count("ecs", "UpdateService"), 0, "{}", self.everything());
        assert_eq!(self.world.count("ecs", "RegisterTaskDefinition"), 0, "{}", self.everything());
    }
}

/// A text of the bot without what differs from run to run.
pub(crate) fn plain(text: &str) -> String {
    let text = without_timeline(text);
    let lines = text.lines().filter(|line| !line.starts_with("<!-- shipline:"));
    let text: String = lines.fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "{line}");
        all
    });
    let mut commits: Vec<String> = Vec::new();
    let mut out = String::new();
    let mut rest = text.trim_end();
    while let Some(first) = rest.chars().next() {
        if !first.is_ascii_alphanumeric() {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        if let Some(after) = seconds(word, rest) {
            out.push_str("N s");
            rest = after;
        } else if let Some(after) = date(word, rest) {
            out.push_str("DATE");
            rest = after;
        } else if out.ends_with("plan `") && is_hex(word, 6) {
            out.push_str("plan");
        } else if ["#issuecomment-", "GitHub Deployment `", "number, ", "/runs/"]
            .iter()
            .any(|before| out.ends_with(before))
        {
            out.push('N');
        } else if is_hex(word, 40) || (is_hex(word, 7) && word.bytes().any(|byte| byte.is_ascii_digit())) {
            let short = &word[..7];
            let place = commits.iter().position(|known| known == short).unwrap_or_else(|| {
                commits.push(short.to_owned());
                commits.len() - 1
            });
            match NAMES.get(place) {
                Some(name) => out.push_str(name),
                None => write!(out, "commit-{place}").unwrap(),
            }
            out.push_str(if word.len() == 40 { "-in-full" } else { "" });
        } else if (word.len() >= 12 && word != ACCOUNT && is_hex(word, word.len()))
            || is_port(&out, word)
            || is_id(word)
        {
            out.push('N');
        } else {
            out.push_str(word);
        }
    }
    out
}

fn is_hex(word: &str, length: usize) -> bool {
    word.len() == length && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_id(word: &str) -> bool {
    word.len() >= 6 && word != ACCOUNT && word.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_port(before: &str, word: &str) -> bool {
    before.ends_with("127.0.0.1:") && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// `12 s`, `1.5 s`, `340 ms`: the text after it.
fn seconds<'a>(word: &str, after: &'a str) -> Option<&'a str> {
    if !word.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = after.strip_prefix('.').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    let rest = fraction.unwrap_or(after);
    let rest = rest.strip_prefix(" ms").or_else(|| rest.strip_prefix(" s"))?;
    (!rest.starts_with(|c: char| c.is_ascii_alphanumeric())).then_some(rest)
}

/// `2026-11-21 13:24 UTC`: the text after it.
fn date<'a>(word: &str, after: &'a str) -> Option<&'a str> {
    let rest = after.get("-11-21 13:24".len()..)?;
    let begins = word.len() == 4 && word.starts_with("20") && after.starts_with('-');
    (begins && after.as_bytes().get(9) == Some(&b':')).then_some(rest)
}

/// The moments of a timeline are as many as the provider was looked at.
fn without_timeline(text: &str) -> String {
    const BEGIN: &str = "<details><summary>Timeline</summary>";
    let Some((before, rest)) = text.split_once(BEGIN) else { return text.to_owned() };
    let after = rest.split_once("</details>").map_or("", |(_, after)| after);
    format!("{before}{BEGIN} … </details>{after}")
}

#[test]
fn what_differs_from_run_to_run_is_named_or_left_out() {
    let sha = "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678";
    let text = format!(
        "`a1b2c3d` `0f0f0f1` {sha} plan `a1b2c3` after 1.5 s, 340 ms and 2 h, 2026-11-21 13:24 UTC \
         http://127.0.0.1:4711/x#issuecomment-1000123 faced 2 services\n\n\
         <details><summary>Timeline</summary>\n\n- 1 s · x\n\n</details>\n\n<!-- shipline:deployment:1 -->"
    );
    assert_eq!(
        plain(&text),
        "`alpha` `beta` alpha-in-full plan `plan` after N s, N s and 2 h, DATE UTC \
         http://127.0.0.1:N/x#issuecomment-N faced 2 services\n\n\
         <details><summary>Timeline</summary> … </details>"
    );
}
