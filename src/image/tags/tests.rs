use super::*;

fn commit() -> CommitSha {
    "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678".parse().unwrap()
}

fn others(rules: &[TagRule], origin: &Origin) -> Vec<String> {
    tags(Some(commit()), rules, origin).others.iter().map(ToString::to_string).collect()
}

fn on(branch: &str) -> Origin {
    Origin { branch: Some(branch.into()), default_branch: Some("main".into()), ..Origin::default() }
}

fn tagged(tags: &[&str]) -> Origin {
    Origin { git_tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..Origin::default() }
}

#[test]
fn the_full_commit_id_is_always_a_tag() {
    let all = tags(Some(commit()), &[], &Origin::default());
    assert_eq!(all.commit.unwrap().as_str(), commit().to_string());
    assert!(all.others.is_empty() && all.warnings.is_empty());
}

#[test]
fn without_a_commit_there_is_a_warning() {
    let all = tags(None, &[TagRule::Fixed("edge".parse().unwrap())], &Origin::default());
    assert_eq!(all.others.len(), 1);
    assert!(all.warnings[0].contains("only has tags that move"), "{:?}", all.warnings);
}

#[test]
fn latest_is_for_the_default_branch_only() {
    assert_eq!(others(&[TagRule::Latest], &on("main")), ["latest"]);
    assert!(others(&[TagRule::Latest], &on("feature")).is_empty());
    let pull = Origin { pull_request: Some(3), ..on("main") };
    assert!(others(&[TagRule::Latest], &pull).is_empty(), "a fork's branch may be called main too");
    let unknown = Origin { branch: Some("master".into()), ..Origin::default() };
    assert_eq!(others(&[TagRule::Latest], &unknown), ["latest"]);
    assert!(others(&[TagRule::Latest], &Origin::default()).is_empty());
}

#[test]
fn a_branch_becomes_a_tag() {
    for (branch, tag) in [
        ("main", "main"),
        ("feature/Login Form", "feature-Login-Form"),
        ("-x-", "x"),
        ("../../etc", "etc"),
        ("dependabot/npm_and_yarn/a-1.2", "dependabot-npm_and_yarn-a-1.2"),
    ] {
        assert_eq!(others(&[TagRule::Branch], &on(branch)), [tag], "{branch}");
    }
    assert_eq!(others(&[TagRule::Branch], &on(&"x".repeat(200)))[0].len(), 128);
    assert!(others(&[TagRule::Branch], &on("ä")).is_empty());
}

#[test]
fn a_release_moves_the_short_versions_and_a_pre_release_does_not() {
    let rule = [TagRule::SemanticVersion];
    assert_eq!(others(&rule, &tagged(&["v1.2.3"])), ["v1.2.3", "v1.2", "v1"]);
    assert_eq!(others(&rule, &tagged(&["1.2.3"])), ["1.2.3", "1.2", "1"]);
    assert_eq!(others(&rule, &tagged(&["v2.0.0-rc.1"])), ["v2.0.0-rc.1"]);
    assert_eq!(others(&rule, &tagged(&["v0.4.1"])), ["v0.4.1", "v0.4"]);
    assert_eq!(others(&rule, &tagged(&["v1.2.3+build.7"])), ["v1.2.3", "v1.2", "v1"]);
    for no in ["release", "v1", "v1.2", "v01.2.3", "v1.2.3.4", "v1.2.x", "v1.2.3-", "version1.2.3"] {
        assert!(others(&rule, &tagged(&[no])).is_empty(), "{no}");
    }
    let latest = [TagRule::Latest, TagRule::SemanticVersion];
    assert_eq!(others(&latest, &tagged(&["v2.0.0-rc.1"])), ["v2.0.0-rc.1"], "a pre-release never moves latest");
}

#[test]
fn a_tag_is_listed_once() {
    let fixed = TagRule::Fixed("main".parse().unwrap());
    assert_eq!(others(&[TagRule::Branch, fixed.clone(), fixed], &on("main")), ["main"]);
}

#[test]
fn a_workflow_run_says_branch_tag_and_pull_request() {
    let read = |pairs: &[(&str, &str)]| {
        let environment = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut origin = on("HEAD-of-checkout");
        origin.read_workflow(&environment);
        origin
    };
    assert_eq!(read(&[("GITHUB_REF", "refs/heads/a/b")]).branch.unwrap(), "a/b");
    let tag = read(&[("GITHUB_REF", "refs/tags/v1.0.0")]);
    assert_eq!((tag.branch, tag.git_tags), (None, vec!["v1.0.0".to_owned()]));
    let pull = read(&[("GITHUB_REF", "refs/pull/7/merge"), ("GITHUB_HEAD_REF", "topic")]);
    assert_eq!((pull.pull_request, pull.branch.as_deref()), (Some(7), Some("topic")));
    assert_eq!(others(&[TagRule::PullRequest], &pull_origin()), ["pr-7"]);
}

fn pull_origin() -> Origin {
    Origin { pull_request: Some(7), ..Origin::default() }
}

#[test]
fn the_highest_version_of_several_is_the_version() {
    assert_eq!(tagged(&["v1.9.0", "v1.10.0-rc.1", "v1.10.0", "nightly"]).version(), Some("v1.10.0"));
    assert_eq!(tagged(&["nightly"]).version(), None);
}
