//! Values about people, time and workflows: teams, roles, days, zones, files of workflows.

use std::str::FromStr;

use super::super::super::read::{Bare, Written, nearest};
use super::super::super::tree::shown;
use super::{Malformed, Text, word};

text! {
    /// Somebody in GitHub: `@organisation/team` or `@user`.
    Person = "a team or user", like "\"@acme/release-managers\"", Some("^@[A-Za-z0-9-]+(/[A-Za-z0-9_.-]+)?$"), Text,
    |text| is_person(text),
    else format!("a team is written \"@organisation/team\" and a user \"@user\"; `{}` is neither", shown(text)),
    hint |text: &str| format!("@{text}").parse::<Person>().ok().map(|_| format!("Write \"@{text}\", in quotes."))
}
text! {
    /// A repository role, a team or a user.
    Access = "a role, team or user", like "write", Some("^(read|triage|write|maintain|admin|@[A-Za-z0-9-]+(/[A-Za-z0-9_.-]+)?)$"), Text,
    |text| ROLES.contains(&text) || is_person(text),
    else format!("access is read, triage, write, maintain, admin, \"@organisation/team\" or \"@user\"; `{}` is none of them", shown(text)),
    hint |text: &str| nearest(text, ROLES)
        .map(|role| format!("Did you mean `{role}`?"))
        .or_else(|| format!("@{text}").parse::<Person>().ok().map(|_| format!("Write \"@{text}\", in quotes.")))
}

const ROLES: [&str; 5] = ["read", "triage", "write", "maintain", "admin"];

fn is_person(text: &str) -> bool {
    let Some(name) = text.strip_prefix('@') else { return false };
    let (login, team) = name.split_once('/').map_or((name, None), |(login, team)| (login, Some(team)));
    word(login, 39, b"-") && !login.starts_with('-') && team.is_none_or(|team| word(team, 255, b"_.-"))
}

text! {
    /// A time of the week: `Fri 16:00`.
    WeekTime = "a day and time", like "Fri 16:00", Some("^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([01][0-9]|2[0-3]):[0-5][0-9]$"), Text,
    |text| is_week_time(text),
    else format!("a time of the week is a day (Mon Tue Wed Thu Fri Sat Sun) and a time from 00:00 to 23:59; `{}` is not", shown(text))
}

fn is_week_time(text: &str) -> bool {
    let Some((day, time)) = text.split_once(' ') else { return false };
    let Some((hour, minute)) = time.split_once(':') else { return false };
    let below = |text: &str, limit: u8| {
        text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u8>().is_ok_and(|n| n < limit)
    };
    ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].contains(&day) && below(hour, 24) && below(minute, 60)
}

text! {
    /// An IANA time zone, by form.
    Zone = "a time zone", like "Europe/Berlin", Some("^(UTC|[A-Z][A-Za-z0-9_+-]+(/[A-Z][A-Za-z0-9_+-]*){1,2})$"), Text,
    |text| {
        let part = |p: &str| word(p, 32, b"_+-") && p.as_bytes()[0].is_ascii_uppercase();
        text == "UTC" || ((2..=3).contains(&text.split('/').count()) && text.split('/').all(part))
    },
    else format!("a time zone is a name of the IANA database, as Europe/Berlin, or UTC; `{}` is not", shown(text)),
    hint |text: &str| text.eq_ignore_ascii_case("utc").then(|| "Write `UTC`.".to_owned())
        .or_else(|| (text.len() <= 5).then(|| "Abbreviations mean several zones: write the region and city.".to_owned()))
}

text! {
    /// The file of a workflow in `.github/workflows`.
    WorkflowFile = "a workflow's file name", like "build.yml", Some("^[A-Za-z0-9_][A-Za-z0-9_.-]*\\.ya?ml$"), Text,
    |text| is_workflow_file(text),
    else format!(
        "a workflow is named by its file in .github/workflows, without a path, and ends with .yml or .yaml; `{}` does not \
         fit",
        shown(text)
    ),
    hint |text: &str| {
        let name = text.rsplit(['/', '\\']).next().unwrap_or_default();
        let meant = [name.to_owned(), format!("{name}.yml")].into_iter().find(|name| is_workflow_file(name))?;
        Some(format!("Write `{meant}`."))
    }
}

fn is_workflow_file(text: &str) -> bool {
    let stem = text.strip_suffix(".yml").or_else(|| text.strip_suffix(".yaml"));
    stem.is_some_and(|stem| word(stem, 250, b"_.-") && !stem.starts_with(['.', '-']))
}
