//! The App as GitHub has it: identity, clock, permissions, events, webhook, installations.

use std::collections::BTreeSet;

use shipline::problem::Problem;
use shipline::types::Timestamp;

use super::Findings;
use crate::github::{App, HookConfig, Known, PastDelivery};
use crate::requirements::{self, Difference};
use crate::settings::{AppSettings, Settings};

/// The App's token says when it was made: GitHub takes it if the clocks agree within a minute.
const APART: (i64, i64) = (10, 45);
/// How far back deliveries are looked at, in seconds.
const A_DAY: i64 = 86_400;

/// Looks at everything GitHub tells.
pub(super) async fn examine(
    github: &App,
    app: &AppSettings,
    settings: &Settings,
    now: Timestamp,
    found: &mut Findings,
) {
    let examined = match github.examine().await {
        Ok(examined) => examined,
        Err(problem) => return found.problem("app", &problem),
    };
    let apart = examined.clock.map(|theirs| now.as_second() - theirs.as_second());
    let known = match examined.app {
        Ok(known) => known,
        Err(status) => {
            refused(app, status, found);
            return clock(apart, found);
        }
    };
    identity(&known, app, found);
    clock(apart, found);
    permissions("permissions", &known.identity.permissions, &known.page, found);
    events(&known, found);
    match github.hook_config().await {
        Ok(config) => hook(config.as_ref(), settings, &known.page, found),
        Err(problem) => unasked("webhook", &problem, found),
    }
    let since = Timestamp::from_second(now.as_second() - A_DAY).unwrap_or(now);
    match github.deliveries_since(since).await {
        Ok(past) => deliveries(&past, found),
        Err(problem) => unasked("deliveries", &problem, found),
    }
    match github.installations().await {
        Ok(all) if all.is_empty() => found.warn(
            "installations",
            "the App is installed nowhere",
            format!("Install it where it shall deploy: {}/installations/new", known.page),
        ),
        Ok(all) => {
            let accounts: Vec<&str> = all.iter().map(|(_, account, _)| account.as_str()).collect();
            found.ok("installations", format!("at {}", accounts.join(", ")));
            for (_, account, permissions) in &all {
                installed(account, permissions, found);
            }
        }
        Err(problem) => unasked("installations", &problem, found),
    }
}

fn refused(app: &AppSettings, status: u16, found: &mut Findings) {
    match status {
        404 => found.fail(
            "app",
            format!("GitHub knows no App {}", app.id),
            "Set SHIPLINE_GITHUB_APP_ID to the number that the App's page shows, and SHIPLINE_GITHUB_API_URL to the server it is on.",
        ),
        403 => found.fail("app", "GitHub refuses the App", "See on the App's page whether it is suspended."),
        _ => found.fail(
            "app",
            format!("the private key does not belong to App {}, or this machine's clock is wrong", app.id),
            "Set SHIPLINE_GITHUB_APP_ID and the private key to those of one App; see the line about the clock.",
        ),
    }
}

fn identity(known: &Known, app: &AppSettings, found: &mut Findings) {
    if known.id == app.id {
        found.ok("app", format!("{} ({}), its key is the right one", known.identity.name, known.id));
    } else {
        found.fail(
            "app",
            format!("the private key belongs to App {}, not to {}", known.id, app.id),
            "Set SHIPLINE_GITHUB_APP_ID and the private key to those of one App.",
        );
    }
}

pub(super) fn clock(apart: Option<i64>, found: &mut Findings) {
    let (some, much) = APART;
    let next = "Let this machine keep time with a time server.";
    match apart {
        None => {
            found.warn("clock", "GitHub did not tell its time", "Check that SHIPLINE_GITHUB_API_URL leads to GitHub.")
        }
        Some(apart) if apart.abs() > much => {
            found.fail("clock", format!("{} s {} GitHub's: it refuses our tokens", apart.abs(), way(apart)), next);
        }
        Some(apart) if apart.abs() > some => {
            found.warn("clock", format!("{} s {} GitHub's", apart.abs(), way(apart)), next);
        }
        Some(_) => found.ok("clock", "agrees with GitHub's"),
    }
}

fn way(apart: i64) -> &'static str {
    if apart > 0 { "ahead of" } else { "behind" }
}

fn permissions(about: &'static str, has: &[(String, String)], page: &str, found: &mut Findings) {
    let different = requirements::permissions(has);
    if different.is_empty() {
        return found.ok(about, "exactly those it needs");
    }
    for difference in different {
        tell(about, &difference, page, found);
    }
}

fn events(known: &Known, found: &mut Findings) {
    let different = requirements::events(&known.identity.events);
    if different.is_empty() {
        return found.ok("events", "exactly those it needs");
    }
    for difference in different {
        tell("events", &difference, &known.page, found);
    }
}

fn tell(about: &'static str, difference: &Difference, page: &str, found: &mut Findings) {
    let there = format!("in the App's settings ({page}), Permissions & events");
    match difference {
        Difference::TooLittle { permission, has } => {
            let (title, level, has) = (permission.title, permission.level.word(), has.as_deref().unwrap_or("none"));
            let said = format!("{title}: {level} is needed ({}), but it has {has}", permission.why);
            found.fail(about, said, format!("Set {title} to {level} {there}; then accept it at every installation."));
        }
        Difference::TooMuch { key, has } => {
            found.warn(about, format!("{key}: {has} is more than it needs"), format!("Take {key} back {there}."))
        }
        Difference::MayChangeCode { key } => found.fail(
            about,
            format!("{key}: write would let whoever gets the key change code"),
            format!("Take {key}: write back {there}. Shipline never needs it."),
        ),
        Difference::Deaf(event) => found.fail(
            about,
            format!("{} is not sent ({})", event.key, event.why),
            format!("Subscribe to {} {there}.", event.key),
        ),
        Difference::Chatter(event) => found.warn(
            about,
            format!("{event} is sent, and nobody here acts on it"),
            format!("Unsubscribe from {event} {there}."),
        ),
    }
}

/// What a person accepted may be less than what the App asks for today.
fn installed(account: &str, has: &[(String, String)], found: &mut Findings) {
    let lacks: Vec<&str> = requirements::permissions(has)
        .into_iter()
        .filter_map(|difference| match difference {
            Difference::TooLittle { permission, .. } => Some(permission.title),
            _ => None,
        })
        .collect();
    if !lacks.is_empty() {
        found.fail(
            "installations",
            format!("{account} has not accepted: {}", lacks.join(", ")),
            format!("An owner of {account} accepts the new permissions under Settings, GitHub Apps."),
        );
    }
}

fn hook(config: Option<&HookConfig>, settings: &Settings, page: &str, found: &mut Findings) {
    let there = format!("in the App's settings ({page}), General, Webhook");
    let Some((config, url)) = config.and_then(|config| Some((config, config.url.as_deref()?))) else {
        return found.fail("webhook", "the App sends no webhooks", format!("Make it active and set its URL {there}."));
    };
    let wanted = settings.public_url.as_ref().map(|public| format!("{public}/webhooks/github"));
    let mut well = true;
    let mut wrong = |said: String, next: String| {
        well = false;
        found.fail("webhook", said, next);
    };
    if config.content_type.as_deref() == Some("form") {
        wrong("bodies are sent as a form".into(), format!("Set the content type to application/json {there}."));
    }
    if config.secret.as_deref().is_none_or(str::is_empty) {
        wrong("deliveries are not signed: the bot refuses them all".into(), format!("Set the secret {there}."));
    }
    match &wanted {
        Some(wanted) if wanted != url => {
            wrong(
                format!("GitHub sends to {url}, this bot expects {wanted}"),
                format!("Set the URL {there}, or correct SHIPLINE_PUBLIC_URL."),
            );
        }
        None if !url.ends_with("/webhooks/github") => {
            wrong(
                format!("GitHub sends to {url}"),
                format!("Set the URL {there} to this bot's address and /webhooks/github."),
            );
        }
        Some(_) | None => {}
    }
    let unchecked = config.insecure_ssl.as_str() == Some("1") || config.insecure_ssl.as_u64() == Some(1);
    if unchecked {
        found.warn("webhook", "GitHub does not check the certificate", format!("Enable SSL verification {there}."));
    } else if well {
        found.ok("webhook", format!("GitHub sends to {url}, signed"));
    }
}

fn deliveries(past: &[PastDelivery], found: &mut Findings) {
    let arrived: BTreeSet<&str> =
        past.iter().filter(|delivery| delivery.arrived).map(|delivery| delivery.guid.as_str()).collect();
    let lost: BTreeSet<&str> = past
        .iter()
        .filter(|delivery| !arrived.contains(delivery.guid.as_str()))
        .map(|delivery| delivery.guid.as_str())
        .collect();
    match (lost.len(), arrived.len()) {
        (0, 0) => found.ok("deliveries", "none in the last day"),
        (0, count) => found.ok("deliveries", format!("all {count} of the last day arrived")),
        (lost, 0) => found.fail(
            "deliveries",
            format!("none of the {lost} of the last day arrived"),
            "See that GitHub reaches the bot: address, firewall, certificate, and that the webhook secret is the same on both sides.",
        ),
        (lost, _) => found.warn(
            "deliveries",
            format!("{lost} of the last day did not arrive"),
            "A running bot asks GitHub for them by itself; if they stay away, look at its log.",
        ),
    }
}

fn unasked(about: &'static str, problem: &Problem, found: &mut Findings) {
    found.warn(about, format!("could not be asked for: {}", problem.what), problem.next.clone());
}
