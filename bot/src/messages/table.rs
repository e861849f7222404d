//! The services of a rollout: before, after, how far, and what is measured of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use shipline::engine::Progress;
use shipline::report::escape::{code, cut, inline, link};
use shipline::report::{ServiceView, View, mark, origin_words, values};
use shipline::types::{Percent, ServiceName};

/// How far each service is, as far as it is known.
type Progresses = BTreeMap<ServiceName, Progress>;

/// The table. `all` is how many services there are, shown or not.
pub(super) fn table(view: &View, progress: &Progresses, all: usize) -> String {
    let traffic = view.services.iter().any(|service| {
        progress.get(&service.name).is_some_and(|progress| progress.traffic.is_some_and(|share| share != Percent::ALL))
    });
    // Instances are known while something moves; an empty column at the end would only ask questions.
    let instances = view.services.iter().any(|service| progress.contains_key(&service.name));
    // While traffic moves, what matters is what it does, not where the image is from.
    let images = !traffic && view.services.iter().any(|service| service.origin.is_some());
    let cell = |service: &ServiceView| {
        let judged = view.analysis.as_ref().filter(|_| traffic);
        judged.map(|judged| values(judged, &service.name)).unwrap_or_default()
    };
    let values_shown = view.services.iter().any(|service| !cell(service).is_empty());
    let titles =
        [(traffic, " traffic |"), (instances, " healthy |"), (values_shown, " measured |"), (images, " image |")];
    let shown: Vec<&str> = titles.iter().filter(|(shown, _)| *shown).map(|(_, title)| *title).collect();
    let mut out = format!(
        "| service | before | after | state |{} |\n| --- | --- | --- | --- |{} --- |\n",
        shown.concat(),
        " --- |".repeat(shown.len())
    );
    for service in &view.services {
        let progress = progress.get(&service.name);
        let share = match progress.and_then(|progress| progress.traffic) {
            _ if !traffic => String::new(),
            Some(share) => format!(" {} |", bar(share)),
            None => " |".to_owned(),
        };
        let healthy = match progress {
            _ if !instances => String::new(),
            Some(progress) => format!(" {} |", healthy(progress)),
            None => "  |".to_owned(),
        };
        let measured = if values_shown { format!(" {} |", cell(service)) } else { String::new() };
        let image = if images { format!(" {} |", service.origin.map_or("", origin_words)) } else { String::new() };
        let state = if service.state == "waiting at a step" { "at the step" } else { service.state.as_str() };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} {state} |{share}{healthy}{measured}{image} {} |",
            service.name,
            code(&service.before),
            code(&service.after),
            mark(service),
            remarks(service, progress)
        );
    }
    if all > view.services.len() {
        let _ = writeln!(out, "\n… and {} more services.", all - view.services.len());
    }
    out
}

/// How much of the whole is done, in percent: instances where they are known, services elsewhere.
pub(super) fn percent(view: &View, progress: &Progresses) -> u64 {
    let done: u64 = view.services.iter().map(|service| share_of(service, progress.get(&service.name))).sum();
    done / u64::try_from(view.services.len().max(1)).unwrap_or(1)
}

fn share_of(service: &ServiceView, progress: Option<&Progress>) -> u64 {
    match (service.state.as_str(), progress) {
        ("serving" | "unchanged", _) => 100,
        ("moving", Some(Progress { traffic: Some(share), .. })) => {
            let tenths = (share.value() * 10.0).clamp(0.0, 1000.0);
            (0_u32..=100).rev().find(|percent| f64::from(*percent) * 10.0 <= tenths).map_or(0, u64::from)
        }
        ("moving", Some(progress)) if progress.wanted > 0 => {
            u64::from(progress.healthy.min(progress.wanted)) * 100 / u64::from(progress.wanted)
        }
        _ => 0,
    }
}

fn healthy(progress: &Progress) -> String {
    format!("{}/{}", progress.healthy, progress.wanted)
}

/// Ten boxes, so that a glance is enough.
fn bar(share: Percent) -> String {
    let full = (share.value() / 10.0).round().clamp(0.0, 10.0);
    let boxes: String = (1..=10).map(|place| if f64::from(place) <= full { '▓' } else { '░' }).collect();
    format!("{share} % {boxes}")
}

/// What it is doing, and pages to open.
fn remarks(service: &ServiceView, progress: Option<&Progress>) -> String {
    let busy = matches!(service.state.as_str(), "starting" | "moving" | "going back");
    let mut parts = Vec::new();
    if let Some(doing) = progress.map(|progress| progress.doing.as_str()).filter(|doing| busy && !doing.is_empty()) {
        parts.push(inline(&cut(doing, 120)));
    }
    parts.extend(service.url.as_deref().map(|url| link("open", &cut(url, 500))));
    parts.extend(service.console.as_deref().map(|url| link("console", &cut(url, 500))));
    parts.join(" · ")
}
