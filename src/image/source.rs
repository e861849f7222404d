//! What an image is built from: commit, time, branch, tags and the identity of the source tree.
//!
//! Read by running `git`. Nothing here changes the repository. Every call carries
//! `safe.directory=*` in command scope, because in a container action the workspace belongs to
//! another user and git would refuse to read it; what is read is only ever named by full id.

use std::path::{Component, Path, PathBuf};

use crate::config::spec::BuildSpec;
use crate::engine::Cancel;
use crate::problem::Problem;
use crate::process::{Environment, Finished, ProcessError, Program};
use crate::types::{CommitSha, Timestamp};

use super::identity::{Inputs, SourceIdentity};
use super::tags::Origin;

/// A commit in a repository on this machine.
#[derive(Debug, Clone)]
pub struct Source {
    root: PathBuf,
    environment: Environment,
    /// The commit.
    pub commit: CommitSha,
    /// When it was made.
    pub committed: Timestamp,
    /// What is checked out; only this commit can be built.
    pub checked_out: CommitSha,
    /// Where the repository is kept, as a URL without user information.
    pub remote: Option<String>,
    /// Branch, pull request and tags.
    pub origin: Origin,
}

/// How the files of a build context compare with the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Context {
    /// Exactly the commit's files: the tree's identity stands for them.
    Exact(SourceIdentity),
    /// The commit's files and others that git does not keep. The image is that of the commit, but
    /// equal trees do not mean equal images.
    WithExtras(Vec<String>),
}

impl Source {
    /// Reads the commit `at`, or what is checked out, in the repository that holds `root`.
    /// `GITHUB_*` variables of a workflow run win over what git knows of branch and tags.
    pub async fn read(
        root: &Path,
        at: Option<CommitSha>,
        environment: &Environment,
        cancel: &Cancel,
    ) -> Result<Self, Problem> {
        let git = Git { root, environment, cancel };
        let head: CommitSha = parsed(&git.needed(&["rev-parse", "--verify", "HEAD^{commit}"]).await?)?;
        let commit = at.unwrap_or(head);
        let name = commit.to_string();
        let show = ["show", "-s", "--format=%ct", &name];
        let points_at = ["tag", "--points-at", &name];
        let (time, branch, default, tags, remote) = futures_util::try_join!(
            git.needed(&show),
            git.asked(&["symbolic-ref", "--short", "-q", "HEAD"]),
            git.asked(&["symbolic-ref", "--short", "-q", "refs/remotes/origin/HEAD"]),
            git.asked(&points_at),
            git.asked(&["config", "--get", "remote.origin.url"]),
        )?;
        let seconds: i64 = time.trim().parse().map_err(|_| unreadable("the time of the commit"))?;
        let committed = Timestamp::from_second(seconds).map_err(|_| unreadable("the time of the commit"))?;
        let mut origin = Origin {
            branch: branch.filter(|_| commit == head),
            default_branch: default.and_then(|name| name.strip_prefix("origin/").map(str::to_owned)),
            pull_request: None,
            git_tags: tags.map(|tags| tags.lines().map(str::to_owned).collect()).unwrap_or_default(),
        };
        // The run is about what it checked out: another commit must not get its branch's tags.
        if commit == head {
            origin.read_workflow(environment);
        }
        let remote = workflow_remote(environment).or_else(|| remote.as_deref().and_then(web_url));
        let source = Self {
            root: root.to_owned(),
            environment: environment.clone(),
            commit,
            committed,
            checked_out: head,
            remote,
            origin,
        };
        Ok(source)
    }

    /// The folder that paths of the configuration are relative to.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Compares the build's files with the commit. Changed files that git does keep are refused:
    /// an image of them would carry the name of a commit it was not made from.
    pub async fn context(&self, build: &BuildSpec, cancel: &Cancel) -> Result<Context, Problem> {
        let git = Git { root: &self.root, environment: &self.environment, cancel };
        let dockerfile = dockerfile(build);
        let ignore = dockerignore(&dockerfile);
        let commit = self.commit.to_string();
        let identity = async {
            let tree = git.object(&commit, &build.context).await?;
            let outside = !clean(&dockerfile).starts_with(clean(&build.context));
            let (mut file, mut ignored) = (None, None);
            if outside {
                file = git.object(&commit, &dockerfile).await?;
                ignored = git.object(&commit, &ignore).await?;
            }
            Ok::<_, Problem>((tree, file, ignored))
        };
        let paths = [git_path(&build.context), git_path(&dockerfile), git_path(&ignore)];
        let mut status = vec![
            "status",
            "--porcelain=v1",
            "-z",
            "--no-renames",
            "--ignored=matching",
            "--untracked-files=normal",
            "--",
        ];
        status.extend(paths.iter().map(String::as_str));
        let compare = async {
            // What is not checked out is not compared: it can be looked up, but never built.
            if self.commit == self.checked_out { git.needed(&status).await } else { Ok(String::new()) }
        };
        let ((tree, dockerfile_blob, ignore_blob), status) = futures_util::try_join!(identity, compare)?;
        let (mut changed, mut extras) = (Vec::new(), Vec::new());
        for entry in status.split('\0').filter(|entry| entry.len() > 3) {
            let (state, path) = entry.split_at(3);
            match state.trim() {
                "??" | "!!" => extras.push(path.to_owned()),
                _ => changed.push(path.to_owned()),
            }
        }
        if !changed.is_empty() {
            return Err(Problem::refused(
                "uncommitted-changes",
                format!("The build context {} differs from commit {}.", build.context.display(), self.commit.short()),
                "Commit the changes (then deploy that commit), or put them aside with `git stash`.",
            )
            .because(few(&changed)));
        }
        let Some(tree) = tree else {
            return Err(Problem::mistake(
                "context-missing",
                format!("There is no folder {} in commit {}.", build.context.display(), self.commit.short()),
                "Correct `context` of the service's image, or commit the folder.",
            ));
        };
        if !extras.is_empty() {
            return Ok(Context::WithExtras(extras));
        }
        let inputs = Inputs { tree, dockerfile: git_path(&dockerfile), dockerfile_blob, ignore_blob };
        Ok(Context::Exact(SourceIdentity::of(&inputs, build)))
    }
}

/// A few paths, for a message.
pub(super) fn few(paths: &[String]) -> String {
    let shown = paths.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    if paths.len() > 5 { format!("{shown} and {} more", paths.len() - 5) } else { shown }
}

/// The Dockerfile of a build, relative to the repository.
pub fn dockerfile(build: &BuildSpec) -> PathBuf {
    build.dockerfile.clone().unwrap_or_else(|| build.context.join("Dockerfile"))
}

/// The ignore file BuildKit prefers: `<Dockerfile>.dockerignore` beside the Dockerfile.
pub fn dockerignore(dockerfile: &Path) -> PathBuf {
    let mut name = dockerfile.as_os_str().to_owned();
    name.push(".dockerignore");
    PathBuf::from(name)
}

/// Without `.` components: `./apps/api/` and `apps/api` are one folder.
fn clean(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Component::CurDir)).collect()
}

fn git_path(path: &Path) -> String {
    let clean = clean(path);
    if clean.as_os_str().is_empty() { ".".to_owned() } else { clean.to_string_lossy().into_owned() }
}

struct Git<'a> {
    root: &'a Path,
    environment: &'a Environment,
    cancel: &'a Cancel,
}

impl Git<'_> {
    async fn run(&self, args: &[&str]) -> Result<Finished, ProcessError> {
        // Literal paths: a folder called `*` is a folder. No optional locks: another git may be at work.
        // No file-system monitor: the repository's configuration could name any program as one.
        Program::new("git", self.environment, "git")
            .args([
                "-c",
                "safe.directory=*",
                "-c",
                "core.fsmonitor=false",
                "--no-optional-locks",
                "--literal-pathspecs",
            ])
            .args(args)
            .env("LC_ALL", "C")
            .in_directory(self.root)
            .run(self.cancel, &|_, _| {})
            .await
    }

    /// Output of a command that must succeed.
    async fn needed(&self, args: &[&str]) -> Result<String, Problem> {
        self.run(args).await.map(|finished| finished.out).map_err(|error| match error {
            ProcessError::Failed { tail, .. } => Problem::mistake(
                "not-a-commit",
                format!("git {} says: {}", args.first().unwrap_or(&""), tail.join(" ")),
                "Run this in a checkout of the repository that holds the commit (`actions/checkout`, with `fetch-depth: 0` for an older one).",
            ),
            other => other.into(),
        })
    }

    /// Trimmed output of a command that may have nothing to say; its failure is one way of saying so.
    async fn asked(&self, args: &[&str]) -> Result<Option<String>, Problem> {
        let out = match self.run(args).await {
            Ok(finished) => finished.out,
            Err(ProcessError::Failed { .. }) => String::new(),
            Err(other) => return Err(other.into()),
        };
        let out = out.trim();
        Ok((!out.is_empty()).then(|| out.to_owned()))
    }

    /// The object id of a path in a commit.
    async fn object(&self, commit: &str, path: &Path) -> Result<Option<String>, Problem> {
        let path = git_path(path);
        // `./` binds the path to the folder git runs in, so that a configuration in a subfolder works.
        let name = if path == "." { format!("{commit}:./") } else { format!("{commit}:./{path}") };
        self.asked(&["rev-parse", "--verify", "-q", &name]).await
    }
}

fn parsed(text: &str) -> Result<CommitSha, Problem> {
    text.trim().parse().map_err(|error| {
        Problem::mistake(
            "not-a-commit",
            format!("git names the commit in a way not understood: {error}"),
            "Use a SHA-1 repository.",
        )
    })
}

fn unreadable(what: &str) -> Problem {
    Problem::provider("git-unreadable", format!("git did not tell {what}."), "Check the repository with `git fsck`.")
}

fn workflow_remote(environment: &Environment) -> Option<String> {
    let server = environment.get("GITHUB_SERVER_URL")?;
    let repository = environment.get("GITHUB_REPOSITORY")?;
    Some(format!("{server}/{repository}"))
}

/// A remote as a page people can open: without user information, `.git` and the forms of ssh.
fn web_url(remote: &str) -> Option<String> {
    let bare = |text: &str| text.trim_end_matches('/').trim_end_matches(".git").to_owned();
    if let Some((scheme, rest)) = remote.split_once("://") {
        let (host, path) = rest.split_once('/')?;
        let host = host.rsplit('@').next()?;
        return match scheme {
            "http" | "https" => Some(bare(&format!("{scheme}://{host}/{path}"))),
            "ssh" => Some(bare(&format!("https://{}/{path}", host.split(':').next()?))),
            _ => None,
        };
    }
    let (host, path) = remote.split_once(':')?;
    let host = host.rsplit('@').next()?;
    host.contains('.').then(|| bare(&format!("https://{host}/{path}")))
}

#[cfg(test)]
mod tests;
