//! What a deployment to this host would run into, found without changing anything.
//!
//! Reading order: `examine_host` asks, the rest judges what was seen. Values of the compose file's
//! variables never leave the host: only what its service mounts, and whether it has a health check.

use std::fmt::Write as _;

use super::answer::{Answer, Login, State, Volume};
use super::host::{Verb, Way};
use super::record::{self, Entry, NOTHING};
use super::{ComposeTarget, judge};
use crate::engine::Examination;
use crate::problem::Problem;

/// With less, hardly any image can be pulled (KiB).
const TOO_LITTLE: u64 = 200 * 1024;
/// With less, somebody should look at it (KiB).
const LITTLE: u64 = 2 * 1024 * 1024;

impl ComposeTarget {
    pub(super) async fn examine_host(&self) -> Examination {
        let mut found = Examination::default();
        if let Err(error) = self.refuse_strategy() {
            found.failed(error);
        }
        if let Way::Instance(instance) = &self.host.way
            && !instance.examine(&mut found).await
        {
            return found;
        }
        let url = self.spec.check.as_ref().map_or("", |check| check.url.as_str());
        let databases = self.spec.backups.iter().map(|backup| backup.path.as_str());
        let arguments: Vec<&str> = [self.spec.service.as_str(), url].into_iter().chain(databases).collect();
        match self.host.ask(Verb::Examine, &arguments).await {
            Ok(seen) => self.examine_seen(&seen, &mut found),
            Err(failure) => found.failed(failure.into()),
        }
        found
    }

    /// What an answer means: pure.
    pub(super) fn examine_seen(&self, seen: &Answer, found: &mut Examination) {
        found.platform.clone_from(&seen.platform);
        let host = self.host_name();
        let problems = self.host_problems(seen);
        if let (Some(version), true) = (&seen.compose, seen.wrong.is_none() && !seen.file_missing) {
            let read = if seen.services.contains(&self.spec.service) { ", which names the service" } else { "" };
            found.good(format!("compose {version} of {host} reads {}{read}", self.host.file));
        }
        let readable = seen.services.contains(&self.spec.service);
        for problem in problems {
            found.fails(problem);
        }
        disk(seen, &host, found);
        if !readable {
            return;
        }
        self.examine_running(seen, found);
        self.examine_health(seen, found);
        for volume in &seen.volumes {
            examine_volume(volume, &self.host.file, found);
        }
        for backup in &self.spec.backups {
            let held = seen.mounts.iter().any(|target| {
                backup.path.strip_prefix(target.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
            });
            if !held {
                let what = format!("{} lies in no volume: every deployment begins with an empty one", backup.path);
                let next = "Mount a named volume there, or correct the path of the backup.";
                found.warns(Problem::refused("database-not-in-volume", what, next));
            }
        }
        examine_login(seen, &host, found);
    }

    fn examine_running(&self, seen: &Answer, found: &mut Examination) {
        if seen.state == Some(State::Running) {
            let what = format!("a deployment of {} is under way on {}", self.name, self.host_name());
            let last = Entry::all(seen).pop();
            let problem = Problem::refused("deployment-in-progress", what, "Wait until it has ended.");
            let brings = last.map(|entry| format!("it brings {}", entry.wanted.revision.image_text));
            found.warns(brings.into_iter().fold(problem, Problem::because));
            return;
        }
        let live = record::live(seen);
        if live.id == NOTHING {
            found.good(format!("{} does not run yet: the first deployment starts it", self.spec.service));
        } else if judge::serves(seen, &live) {
            found.good(format!("{} runs {}", self.spec.service, live.name));
        } else {
            let what = format!("{} does not serve: {}", self.spec.service, judge::said(seen));
            let next = "Look at `shipline logs`; a deployment that fails would go back to this.";
            found.warns(Problem::refused("service-not-serving", what, next));
        }
    }

    fn examine_health(&self, seen: &Answer, found: &mut Examination) {
        match (&self.spec.check, seen.checked) {
            (Some(check), _) => match seen.http.as_deref().filter(|_| !seen.containers.is_empty()) {
                Some(said) if said.parse() == Ok(check.expect) => {
                    found.good(format!("{} answers {said} on the host", check.url));
                }
                Some(said) => {
                    let what = format!("{} does not answer {} on {}", check.url, check.expect, self.host_name());
                    let next = "Correct `check`, or the program: a deployment waits for this answer.";
                    found.warns(Problem::provider("address-does-not-answer", what, next).because(said.to_owned()));
                }
                None => found.good(format!("{} is asked once the service runs", check.url)),
            },
            (None, true) => found.good(format!("{} has a health check", self.spec.service)),
            (None, false) => {
                let what =
                    format!("nothing says when {} is well: it only has to run for five seconds", self.spec.service);
                let next = "Give it a `healthcheck` in the compose file, or a `check` here.";
                found.warns(Problem::refused("no-health-check", what, next));
            }
        }
    }
}

fn disk(seen: &Answer, host: &str, found: &mut Examination) {
    let Some(disk) = &seen.disk else { return };
    let free = size(disk.free);
    let next =
        "Make room: `docker image prune --all --filter until=168h` removes images of releases nobody goes back to.";
    let what = format!("{free} are free on {host} ({})", disk.path);
    if disk.free < TOO_LITTLE {
        found.fails(Problem::refused("disk-full", what, next));
    } else if disk.free < LITTLE {
        found.warns(Problem::refused("disk-low", what, next));
    } else {
        found.good(what);
    }
}

/// KiB in words.
fn size(kibibytes: u64) -> String {
    let (whole, unit) = if kibibytes >= 1024 * 1024 { (1024 * 1024, "GiB") } else { (1024, "MiB") };
    let mut text = String::new();
    let _ = write!(text, "{}.{} {unit}", kibibytes / whole, kibibytes % whole * 10 / whole);
    text
}

fn examine_volume(volume: &Volume, file: &str, found: &mut Examination) {
    match volume {
        Volume { held: true, name, .. } => found.good(format!("volume {name} is there")),
        Volume { external: true, name, .. } => found.fails(Problem::refused(
            "volume-missing",
            format!("{file} names the external volume {name}, which does not exist"),
            format!("Make it (`docker volume create {name}`), or remove `external`."),
        )),
        Volume { name, .. } => found.good(format!("volume {name} is made with the first start")),
    }
}

fn examine_login(seen: &Answer, host: &str, found: &mut Examination) {
    let Some((registry, login)) = &seen.login else { return };
    match login {
        Login::Possible => found.good(format!("{host} can log in to {registry}")),
        Login::Refused(said) => found.fails(
            Problem::provider(
                "registry-login-refused",
                format!("{host} cannot log in to {registry}"),
                "Give the instance's role AmazonEC2ContainerRegistryPullOnly, or log Docker in there.",
            )
            .because(said.trim().to_owned()),
        ),
        Login::Impossible => {
            let problem = Problem::refused(
                "no-registry-login",
                format!("{host} is not logged in to {registry}, and has no aws command to do it with"),
                "Install the AWS CLI or amazon-ecr-credential-helper there (docs/compose.md).",
            );
            // What runs came from there once, in a way that is not seen here.
            if seen.containers.iter().any(|container| container.image.starts_with(registry.as_str())) {
                found.warns(problem);
            } else {
                found.fails(problem);
            }
        }
        Login::Unknown => found.warns(Problem::refused(
            "not-logged-in",
            format!("{host} is not logged in to {registry}: it can pull public images alone"),
            format!("If the image is private: `docker login {registry}` there."),
        )),
    }
}

#[cfg(test)]
mod tests;
