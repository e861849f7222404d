//! What a plan would do. Changes nothing; refuses what cannot be done.

use super::answer::{Answer, State};
use super::record::{self, Entry, Leaving, NOTHING, Wanted};
use super::{ComposeTarget, judge};
use crate::config::spec::{ComposeHost, Strategy};
use crate::engine::target::runs_images_only;
use crate::engine::{Target as _, TargetError, Wish};
use crate::problem::Problem;
use crate::rollout::{Change, FieldChange, Revision, ServicePlan};
use crate::types::PinnedImage;

/// The oldest compose plugin that knows every option used here (`--progress`, `--pull`).
const OLDEST: (u32, u32) = (2, 20);

impl ComposeTarget {
    pub(super) async fn plan(&self, wish: &Wish) -> Result<ServicePlan, TargetError> {
        self.refuse_strategy()?;
        let seen = self.survey().await?;
        self.refuse_host(&seen)?;
        let (revision, image, leaving) = wished(wish, &self.place().name)?;
        self.refuse_unreachable(image.as_ref())?;
        let live = record::live(&seen);
        let entries = Entry::all(&seen);
        let mut notices = Vec::new();
        if let Some(entry) = unfinished(&seen, entries.last(), &revision) {
            notices.push("an earlier run for this image did not end: it is followed".to_owned());
            return Ok(self.moved(entry.previous.clone(), &entry.wanted, image, None, notices));
        }
        if seen.state == Some(State::Running) {
            return Err(refused(self.busy(entries.last())));
        }
        let other_file = file_differs(&seen);
        if live.id == revision.id && judge::serves(&seen, &live) && !other_file {
            let previous = Revision { commit: revision.commit.or(live.commit), ..live };
            let place = crate::engine::Target::place(self);
            return Ok(ServicePlan { place, image, previous, change: Change::Nothing, notices });
        }
        if live.id == NOTHING {
            notices.push("nothing runs there yet: going back would remove the container again".to_owned());
        }
        if other_file && live.id != NOTHING {
            notices.push(
                "the compose file is not the one the container was started with: it comes along, and going back brings \
                 the earlier image with this file"
                    .to_owned(),
            );
        }
        let files = other_file.then_some("compose file");
        let wanted = Wanted { revision, baseline: seen.job.clone().unwrap_or_default(), leaving };
        Ok(self.moved(live, &wanted, image, files, notices))
    }

    fn moved(
        &self,
        previous: Revision,
        wanted: &Wanted,
        image: Option<PinnedImage>,
        file: Option<&str>,
        notices: Vec<String>,
    ) -> ServicePlan {
        let path = format!("services.{}.image", self.spec.service);
        let before = (previous.id != NOTHING).then(|| previous.image_text.clone());
        let mut fields = vec![FieldChange { path, before, after: Some(wanted.revision.image_text.clone()) }];
        if let Some(file) = file {
            let changed = |text: &str| Some(text.to_owned());
            fields.push(FieldChange {
                path: file.to_owned(),
                before: changed("as started"),
                after: changed("as it is now"),
            });
        }
        let change = Change::Move { fields, wish: serde_json::json!(wanted) };
        let place = crate::engine::Target::place(self);
        ServicePlan { place, image, previous, change, notices }
    }

    pub(super) fn refuse_strategy(&self) -> Result<(), TargetError> {
        if self.strategy == Strategy::Rolling {
            return Ok(());
        }
        let word = self.strategy.word();
        let what = format!(
            "a {word} rollout of {} is not possible: Compose replaces the container, it cannot split traffic",
            self.name
        );
        let next = "Remove the rollout strategy of this environment, or run this service on ECS.";
        Err(refused(Problem::refused("strategy-not-possible", what, next)))
    }

    fn refuse_host(&self, seen: &Answer) -> Result<(), TargetError> {
        self.host_problems(seen).into_iter().next().map_or(Ok(()), |problem| Err(refused(problem)))
    }

    /// Everything that is wrong with the host and the project there.
    pub(super) fn host_problems(&self, seen: &Answer) -> Vec<Problem> {
        let host = self.host_name();
        let (file, service) = (&self.host.file, &self.spec.service);
        let install = "Install Docker's compose plugin there (package docker-compose-plugin, or docker-compose from \
                       Debian 13 and Ubuntu 24.04).";
        let problem = if let Some(said) = &seen.no_compose {
            Problem::refused("compose-missing", format!("`docker compose` does not run on {host}"), install)
                .because(said.trim().to_owned())
        } else if let Some(old) = seen.compose.as_deref().filter(|version| is_older(version)) {
            let what = format!("compose {old} of {host} is too old: {}.{} is needed", OLDEST.0, OLDEST.1);
            Problem::refused("compose-too-old", what, install)
        } else if seen.file_missing {
            let what = format!("there is no compose file {file} on {host}");
            Problem::mistake("compose-file-missing", what, "Correct `file` in the configuration, or put it there.")
        } else if let Some(said) = &seen.wrong {
            let what = format!("compose cannot read {file}");
            Problem::mistake("compose-file-wrong", what, "Mend what compose names, then run again.")
                .because(said.trim().to_owned())
        } else if !seen.services.contains(service) {
            let what = format!("{file} has no service `{service}`");
            let next = format!("Correct `service` in the configuration; there are: {}.", seen.services.join(", "));
            Problem::mistake("unknown-compose-service", what, next)
        } else {
            return self.service_problems(seen);
        };
        vec![problem]
    }

    fn service_problems(&self, seen: &Answer) -> Vec<Problem> {
        let curl = (self.spec.check.is_some() && !seen.curl).then(|| {
            let what = format!("`check` is asked on {}, which has no curl", self.host_name());
            Problem::refused("curl-missing", what, "Install curl there, or use the environment's `verify` instead.")
        });
        let uncopied = seen.databases.iter().filter(|database| !database.can).map(|database| {
            let what = format!("{} cannot be copied while it is in use", database.path);
            let next = "Put sqlite3 or python3 into the image, or install sqlite3 on the host and let Shipline run there \
                        as root; or remove it from `backups`.";
            Problem::refused("backup-not-possible", what, next)
                .because("neither the container nor, for its volume, the host has sqlite3 or python3")
        });
        curl.into_iter().chain(uncopied).collect()
    }

    /// An image that only this machine's engine has cannot be pulled anywhere else.
    fn refuse_unreachable(&self, image: Option<&PinnedImage>) -> Result<(), TargetError> {
        let Some(image) = image.filter(|image| image.reference().registry().is_engine()) else { return Ok(()) };
        if self.spec.host == ComposeHost::Local {
            return Ok(());
        }
        let what = format!("{} is only on this machine; {} cannot pull it", image.reference(), self.host_name());
        let next = "Give the service's image a registry that the host can reach.";
        Err(refused(Problem::refused("image-on-engine", what, next)))
    }

    fn busy(&self, last: Option<&Entry>) -> Problem {
        let problem = Problem::refused(
            "deployment-in-progress",
            format!("somebody else's deployment of {} is under way on {}", self.name, self.host_name()),
            "Wait until it has ended, then run again.",
        );
        last.into_iter()
            .fold(problem, |problem, entry| problem.because(format!("it brings {}", entry.wanted.revision.image_text)))
    }
}

pub(super) fn refused(problem: Problem) -> TargetError {
    TargetError::Refused(Box::new(problem))
}

fn wished(wish: &Wish, place: &str) -> Result<(Revision, Option<PinnedImage>, Leaving), TargetError> {
    Ok(match wish {
        Wish::Image { image, commit } => {
            let commit = commit.or_else(|| image.reference().tag()?.as_str().parse().ok());
            let revision = record::revision(&image.for_docker(), Some(image.clone()), commit, "");
            (revision, Some(image.clone()), Leaving::Behind)
        }
        Wish::Source { .. } => return Err(runs_images_only(place)),
        Wish::Revision(revision) => (revision.clone(), revision.image.clone(), Leaving::Away),
    })
}

/// The change that an earlier run for the same image began, where it is under way or has left what it
/// brought unproven: it is followed, so that what ran before it stays known.
fn unfinished<'a>(seen: &Answer, last: Option<&'a Entry>, wished: &Revision) -> Option<&'a Entry> {
    let entry = last.filter(|entry| seen.job.as_ref() == Some(&entry.job) && entry.wanted.revision.id == wished.id)?;
    let there = record::live(seen).id == wished.id;
    let unproven = there && !judge::serves(seen, wished) && entry.previous.id != wished.id;
    (seen.state == Some(State::Running) || unproven).then_some(entry)
}

/// Whether compose would start the service otherwise than it was started, but for the image.
fn file_differs(seen: &Answer) -> bool {
    let Some(now) = &seen.hash else { return false };
    seen.containers.iter().any(|known| known.hash.as_ref().is_some_and(|then| then != now))
}

fn is_older(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < OLDEST,
        // A version that is not numbers was built by somebody who knows.
        _ => false,
    }
}
