use std::collections::BTreeMap;

use super::*;
use crate::config::spec::{BuildCache, Provenance};

struct Checkout {
    folder: tempfile::TempDir,
    environment: Environment,
}

impl Checkout {
    async fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "tests run the machine's own git")]
        let path = std::env::var("PATH").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap().to_owned();
        let environment: Environment = [
            ("PATH".to_owned(), path),
            ("HOME".to_owned(), home),
            ("GIT_AUTHOR_NAME".into(), "A".into()),
            ("GIT_AUTHOR_EMAIL".into(), "a@example.com".into()),
            ("GIT_COMMITTER_NAME".into(), "A".into()),
            ("GIT_COMMITTER_EMAIL".into(), "a@example.com".into()),
            ("GIT_COMMITTER_DATE".into(), "1700000000 +0000".into()),
        ]
        .into();
        let checkout = Self { folder, environment };
        checkout.git(&["init", "-q", "-b", "main"]).await;
        checkout.write("apps/api/Dockerfile", "FROM scratch\n");
        checkout.write("apps/api/app.txt", "one\n");
        checkout.write("other.txt", "one\n");
        checkout.write(".gitignore", "*.log\n");
        checkout.commit().await;
        checkout
    }

    async fn git(&self, args: &[&str]) -> String {
        let program = Program::new("git", &self.environment, "git").args(args).in_directory(self.folder.path());
        program.run(&Cancel::new(), &|_, _| {}).await.unwrap().out
    }

    async fn commit(&self) {
        self.git(&["add", "-A"]).await;
        self.git(&["commit", "-q", "-m", "change"]).await;
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    async fn source(&self) -> Source {
        Source::read(self.folder.path(), None, &self.environment, &Cancel::new()).await.unwrap()
    }

    async fn identity(&self, build: &BuildSpec) -> SourceIdentity {
        match self.source().await.context(build, &Cancel::new()).await.unwrap() {
            Context::Exact(identity) => identity,
            other @ Context::WithExtras(_) => panic!("{other:?}"),
        }
    }
}

fn build() -> BuildSpec {
    BuildSpec {
        context: "apps/api".into(),
        dockerfile: None,
        target: None,
        platforms: Vec::new(),
        args: BTreeMap::new(),
        secrets: Vec::new(),
        cache: BuildCache::Off,
        provenance: Provenance::Off,
    }
}

#[tokio::test]
async fn a_checkout_tells_commit_time_branch_tags_and_remote() {
    let checkout = Checkout::new().await;
    checkout.git(&["tag", "v1.0.0"]).await;
    checkout.git(&["remote", "add", "origin", "git@github.com:acme/app.git"]).await;
    let source = checkout.source().await;
    assert_eq!(source.commit.to_string(), checkout.git(&["rev-parse", "HEAD"]).await.trim());
    assert_eq!(source.committed.as_second(), 1_700_000_000);
    assert_eq!(source.origin.branch.as_deref(), Some("main"));
    assert_eq!(source.origin.git_tags, ["v1.0.0"]);
    assert_eq!(source.remote.as_deref(), Some("https://github.com/acme/app"));
}

#[tokio::test]
async fn a_checkout_that_belongs_to_another_user_is_read() {
    let mut checkout = Checkout::new().await;
    // Git's own way to test its check of ownership.
    checkout.environment.insert("GIT_TEST_ASSUME_DIFFERENT_OWNER".into(), "1".into());
    let plain = Program::new("git", &checkout.environment, "git").args(["rev-parse", "HEAD"]);
    let refused = plain.in_directory(checkout.folder.path()).run(&Cancel::new(), &|_, _| {}).await;
    assert!(refused.unwrap_err().tail().join(" ").contains("dubious ownership"));
    checkout.identity(&build()).await;
}

#[tokio::test]
async fn a_commit_elsewhere_in_the_repository_keeps_the_identity() {
    let checkout = Checkout::new().await;
    let first = checkout.identity(&build()).await;
    let first_commit = checkout.source().await.commit;
    checkout.write("other.txt", "two\n");
    checkout.commit().await;
    assert_ne!(checkout.source().await.commit, first_commit);
    assert_eq!(checkout.identity(&build()).await, first);
    checkout.write("apps/api/app.txt", "two\n");
    checkout.commit().await;
    assert_ne!(checkout.identity(&build()).await, first);
}

#[tokio::test]
async fn a_dockerfile_outside_the_context_belongs_to_the_identity() {
    let checkout = Checkout::new().await;
    checkout.write("docker/api", "FROM scratch\n");
    checkout.commit().await;
    let spec = BuildSpec { dockerfile: Some("docker/api".into()), ..build() };
    let first = checkout.identity(&spec).await;
    checkout.write("docker/api", "FROM scratch\nLABEL a=b\n");
    checkout.commit().await;
    let second = checkout.identity(&spec).await;
    assert_ne!(first, second);
    checkout.write("docker/api.dockerignore", "*.md\n");
    checkout.commit().await;
    assert_ne!(checkout.identity(&spec).await, second);
}

#[tokio::test]
async fn changes_that_are_not_committed_are_refused_by_name_inside_the_context_only() {
    let checkout = Checkout::new().await;
    checkout.write("other.txt", "changed\n");
    checkout.identity(&build()).await;
    checkout.write("apps/api/app.txt", "changed\n");
    let problem = checkout.source().await.context(&build(), &Cancel::new()).await.unwrap_err();
    assert_eq!(problem.code, "uncommitted-changes");
    assert_eq!(problem.why, ["apps/api/app.txt"]);
}

#[tokio::test]
async fn files_git_does_not_keep_end_the_reuse_by_tree() {
    let checkout = Checkout::new().await;
    checkout.write("apps/api/build.log", "ignored\n");
    let context = checkout.source().await.context(&build(), &Cancel::new()).await.unwrap();
    assert_eq!(context, Context::WithExtras(vec!["apps/api/build.log".into()]));
    checkout.write("apps/api/generated.txt", "untracked\n");
    let Context::WithExtras(paths) = checkout.source().await.context(&build(), &Cancel::new()).await.unwrap() else {
        panic!("the context has files git does not keep");
    };
    assert_eq!(paths.len(), 2);
}

#[tokio::test]
async fn a_missing_context_and_a_folder_without_git_say_what_to_do() {
    let checkout = Checkout::new().await;
    let spec = BuildSpec { context: "nowhere".into(), ..build() };
    let problem = checkout.source().await.context(&spec, &Cancel::new()).await.unwrap_err();
    assert_eq!(problem.code, "context-missing");
    let empty = tempfile::tempdir().unwrap();
    let problem = Source::read(empty.path(), None, &checkout.environment, &Cancel::new()).await.unwrap_err();
    assert_eq!(problem.code, "not-a-commit");
}

#[tokio::test]
async fn the_whole_repository_can_be_the_context() {
    let checkout = Checkout::new().await;
    let spec = BuildSpec { context: ".".into(), dockerfile: Some("./apps/api/Dockerfile".into()), ..build() };
    let first = checkout.identity(&spec).await;
    checkout.write("other.txt", "two\n");
    checkout.commit().await;
    assert_ne!(checkout.identity(&spec).await, first);
}

#[test]
fn remotes_become_pages_without_credentials() {
    for (remote, url) in [
        ("https://user:token@github.com/acme/app.git", Some("https://github.com/acme/app")),
        ("ssh://git@github.com:22/acme/app", Some("https://github.com/acme/app")),
        ("git@github.com:acme/app.git", Some("https://github.com/acme/app")),
        ("/srv/git/app", None),
        ("file:///srv/git/app", None),
    ] {
        assert_eq!(web_url(remote).as_deref(), url, "{remote}");
    }
}

#[tokio::test]
async fn an_older_commit_does_not_get_the_tags_of_the_run() {
    let mut checkout = Checkout::new().await;
    let old = checkout.source().await.commit;
    checkout.write("other.txt", "two\n");
    checkout.commit().await;
    checkout.environment.insert("GITHUB_REF".into(), "refs/heads/main".into());
    assert_eq!(checkout.source().await.origin.branch.as_deref(), Some("main"));
    let at = Source::read(checkout.folder.path(), Some(old), &checkout.environment, &Cancel::new()).await.unwrap();
    assert_eq!((at.commit, at.origin.branch), (old, None));
}

#[tokio::test]
async fn a_cancel_is_not_mistaken_for_a_missing_folder() {
    let checkout = Checkout::new().await;
    let source = checkout.source().await;
    let cancel = Cancel::new();
    cancel.cancel();
    assert_eq!(source.context(&build(), &cancel).await.unwrap_err().code, "cancelled");
}
