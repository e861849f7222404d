//! `shipline rollback`: back to a revision that was good there, as it was.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::deploy::{Prepared, Report, Request, roll_out};
use super::host::Host;
use super::recorder::Recorder;
use super::release::{self, Images};
use super::{environment, planning, telling};
use crate::engine::{Past, PastRevision, Wish, clock};
use crate::problem::{Problem, Problems};
use crate::report::ImageOrigin;
use crate::rollout::Revision;
use crate::types::{CommitSha, ImageDigest, ServiceName};

/// Which release to go back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// That many good releases back; 1 is the last good one.
    Steps(usize),
    /// The release of this commit.
    Commit(CommitSha),
    /// The revision of this name, for example `api:41`.
    Revision(String),
}

impl To {
    /// From what a person wrote.
    pub fn read(text: Option<&str>) -> Result<Self, Problem> {
        let Some(text) = text else { return Ok(Self::Steps(1)) };
        if let Ok(commit) = text.parse() {
            return Ok(Self::Commit(commit));
        }
        match text.parse::<usize>() {
            Ok(steps) if steps > 0 => Ok(Self::Steps(steps)),
            Ok(_) => {
                Err(Problem::mistake("rollback-to", "0 steps back is where it stands", "Give 1 or more, or a commit."))
            }
            Err(_) => Ok(Self::Revision(text.to_owned())),
        }
    }
}

/// Goes back and reports.
pub(super) async fn rollback(request: &Request, to: &To, host: &Host, recorder: &Recorder) -> Result<Report, Problems> {
    let began = clock::now();
    let prepared = host.before_changes(prepare(request, to, host, recorder)).await?;
    roll_out(prepared, "rollback", request, host, recorder, began).await
}

/// A service's revision to go back to, with what the reader should know.
type Found = (ServiceName, Revision, Vec<String>);

/// Finds the release and makes the plan; changes nothing on the environment.
async fn prepare<'a>(
    request: &'a Request,
    to: &To,
    host: &Host,
    recorder: &Recorder,
) -> Result<Prepared<'a>, Problems> {
    let spec = environment::find(&request.config, &request.environment)?;
    let services = environment::chosen(&request.environment, spec, &request.services)?;
    let github = host.github(request.github_token.as_deref())?;
    let untouched = environment::Images::Untouched;
    let opening = environment::places(request, &request.environment, spec, &services, untouched, host);
    let (session, targets) = recorder.stage("credentials", opening).await?;

    let looking = join_all(targets.iter().map(async |(name, target)| {
        let past = target.past().await.map_err(|error| planning::about(name, error.into()))?;
        let digest = match to {
            To::Commit(commit) => release::digest_of(*commit, &past.live, session.as_ref(), host).await?,
            To::Steps(_) | To::Revision(_) => None,
        };
        Ok((name.clone(), choose(name, to, digest, &past)?, past.notices))
    }));
    let found: Vec<Result<Found, Problem>> = recorder.stage("find the release", looking).await;
    let mut problems = Vec::new();
    let mut wishes = BTreeMap::new();
    let mut origins = BTreeMap::new();
    let mut put_back = BTreeMap::new();
    for answer in found {
        match answer {
            Ok((name, revision, notices)) => {
                for notice in notices {
                    recorder.notice(&format!("{name}: {notice}"));
                }
                origins.insert(name.clone(), (ImageOrigin::PutBack, Vec::new()));
                put_back.insert(name.clone(), revision.name.clone());
                wishes.insert(name, Wish::Revision(revision));
            }
            Err(problem) => problems.push(problem),
        }
    }
    Problems::or(problems, ())?;
    let commit = match to {
        To::Commit(commit) => Some(*commit),
        // One commit stands for all only if all agree.
        To::Steps(_) | To::Revision(_) => {
            let mut commits = wishes.values().map(|wish| match wish {
                Wish::Revision(revision) => revision.commit,
                Wish::Image { commit, .. } => *commit,
                Wish::Source { commit } => Some(*commit),
            });
            let first = commits.next().flatten();
            first.filter(|first| commits.all(|other| other == Some(*first)))
        }
    };
    let plan = recorder
        .stage(
            "plan",
            planning::plan(planning::Purpose::PutBack, &request.environment, spec, &targets, &wishes, commit),
        )
        .await?;
    let images = Images { origins, put_back, commit, ..Images::default() };
    let notifier = telling::notifier(spec, session.as_ref(), host);
    // Nothing is watched on the way back: a firing alarm is why one goes.
    Ok(Prepared { spec, plan, targets, metrics: None, alarms: None, notifier, images, github })
}

fn choose(service: &ServiceName, to: &To, digest: Option<ImageDigest>, past: &Past) -> Result<Revision, Problem> {
    let found = match to {
        To::Steps(steps) => past.good.get(steps - 1),
        To::Commit(commit) => past.good.iter().find(|good| is_of(&good.revision, *commit, digest)),
        To::Revision(name) => past.good.iter().find(|good| good.revision.name == *name || good.revision.id == *name),
    };
    if let Some(PastRevision { revision, .. }) = found {
        return Ok(revision.clone());
    }
    let serves_already = match to {
        To::Steps(_) => false,
        To::Commit(commit) => is_of(&past.live, *commit, digest),
        To::Revision(name) => past.live.name == *name || past.live.id == *name,
    };
    if serves_already {
        return Ok(past.live.clone());
    }
    let known: Vec<String> = past.good.iter().map(|good| named(&good.revision)).collect();
    let what = match to {
        To::Steps(1) => format!("{service}: no release that was good here is known before {}", past.live.name),
        To::Steps(steps) => {
            format!("{service}: {steps} good releases before {} are not known, only {}", past.live.name, known.len())
        }
        To::Commit(commit) => format!("{service}: {} is not known to have been good here", commit.short()),
        To::Revision(name) => format!("{service}: {name} is not known to have been good here"),
    };
    let next = if known.is_empty() {
        "Deploy the release you want: `shipline deploy <environment> --sha <commit>`, or with `--image`.".to_owned()
    } else {
        format!("Known, newest first: {}. To put anything else there, deploy it.", known.join(", "))
    };
    let problem = Problem::refused("nothing-to-go-back-to", what, next);
    Err(past.notices.iter().fold(problem, |problem, notice| problem.because(notice.clone())))
}

fn is_of(revision: &Revision, commit: CommitSha, digest: Option<ImageDigest>) -> bool {
    revision.commit == Some(commit)
        || (digest.is_some() && revision.image.as_ref().map(crate::types::PinnedImage::digest) == digest)
}

fn named(revision: &Revision) -> String {
    revision.commit.map_or_else(|| revision.name.clone(), |commit| format!("{} ({})", revision.name, commit.short()))
}
