use super::{Scene, at, sha, text};
use crate::decision::{Allowed, Ancestry, Bound, Learned, Origin, PullState, ReasonCode, Wanted};
use crate::store::Head;

fn named(digit: char) -> Wanted {
    Wanted::Deploy { sha: Some(sha(digit)) }
}

fn bound(digit: char, origin: Origin) -> Allowed {
    Allowed { bound: Some(Bound { sha: sha(digit), origin }) }
}

fn head(digit: char, time: &str) -> Learned {
    Learned::Head(Head { sha: sha(digit), at: at(time), sequence: 1 })
}

#[test]
fn a_command_binds_to_the_head_that_was_learnt_before_the_comment_and_is_still_live() {
    assert_eq!(Scene::new().decide(), Ok(bound('a', Origin::OpenPull)));
}

#[test]
fn a_head_that_nobody_told_before_the_comment_is_asked_for() {
    let unknown = Scene::with(|scene| scene.facts.learned = Learned::Nothing);
    insta::assert_snapshot!(text(&unknown.denied()), @"
    [head-unknown] Which commit do you mean? A comment does not say.
    - GitHub has not told the bot of a push to this pull request before your comment.
    → To deploy the head as it is now: `/deploy staging --sha aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`
    ");
}

#[test]
fn a_push_in_the_second_of_the_comment_counts_as_later() {
    let learnt = |time: &str| Scene::with(|scene| scene.facts.learned = head('a', time)).code();
    assert_eq!(learnt("2026-03-03T11:59:59Z"), ReasonCode::Allowed);
    assert_eq!(learnt("2026-03-03T12:00:00Z"), ReasonCode::HeadUnknown);
    assert_eq!(learnt("2026-03-03T12:00:01Z"), ReasonCode::HeadUnknown);
}

#[test]
fn a_push_between_comment_and_decision_stops_it_and_names_both_commits() {
    let moved = Scene::with(|scene| scene.pull().head = sha('b'));
    insta::assert_snapshot!(text(&moved.denied()), @"
    [head-moved] The pull request had the head `aaaaaaa` when you commented; now GitHub shows `bbbbbbb`.
    → To deploy the head as it is now: `/deploy staging --sha bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb`
    ");
}

#[test]
fn the_live_head_may_be_named_whatever_was_learnt() {
    let scene = Scene::with(|scene| {
        scene.wanted = named('a');
        scene.facts.learned = Learned::Nothing;
    });
    assert_eq!(scene.decide(), Ok(bound('a', Origin::OpenPull)));
}

#[test]
fn an_older_commit_of_the_pull_request_is_refused() {
    let old = Scene::with(|scene| {
        scene.wanted = named('b');
        scene.facts.commit.ancestry = Ancestry::Elsewhere;
    });
    insta::assert_snapshot!(text(&old.denied()), @"
    [head-moved] `bbbbbbb` is neither the head of this pull request, which is `aaaaaaa`, nor on `main`.
    → To deploy the head as it is now: `/deploy staging --sha aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`
    ");
}

#[test]
fn a_commit_of_the_default_branch_may_be_named_anywhere() {
    for in_pull in [true, false] {
        let scene = Scene::with(|scene| {
            scene.wanted = named('b');
            scene.facts.commit.ancestry = Ancestry::OnDefaultBranch;
            // Rules of a pull request that the commit is not from mean nothing.
            scene.pull().draft = true;
            scene.pull().state = PullState::Closed;
            scene.situation.pull = scene.situation.pull.clone().filter(|_| in_pull);
        });
        assert_eq!(scene.decide(), Ok(bound('b', Origin::DefaultBranch)), "in a pull request: {in_pull}");
    }
}

#[test]
fn an_issue_has_no_commit_and_takes_only_one_of_the_default_branch() {
    let issue = |wanted: Wanted, ancestry: Ancestry| {
        Scene::with(|scene| {
            scene.situation.pull = None;
            scene.wanted = wanted;
            scene.facts.commit.ancestry = ancestry;
        })
        .denied()
    };
    insta::assert_snapshot!(text(&issue(Wanted::Deploy { sha: None }, Ancestry::NotAsked)), @"
    [not-a-pull-request] This is not a pull request, so there is no commit to deploy.
    → Write which commit of `main` you mean: `/deploy staging --sha <full sha>`, or comment in the pull request.
    ");
    insta::assert_snapshot!(text(&issue(named('b'), Ancestry::Elsewhere)), @"
    [commit-not-releasable] `bbbbbbb` is not on `main`.
    → Merge it first, or write `/deploy staging` in the open pull request whose newest commit it is.
    ");
    insta::assert_snapshot!(text(&issue(named('b'), Ancestry::NotKnown)), @"
    [commit-unknown] This repository does not know the commit `bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb`.
    → Check the commit; it must be pushed here, and written with all 40 characters.
    ");
    insta::assert_snapshot!(text(&issue(named('b'), Ancestry::NotTold("GitHub answered 502.".to_owned()))), @"
    [commit-unknown] GitHub did not say whether `bbbbbbb` is on `main`.
    - GitHub answered 502.
    → Comment again in a minute.
    ");
    // A fact that was forgotten to ask for is a no.
    assert_eq!(issue(named('b'), Ancestry::NotAsked).code, ReasonCode::CommitNotReleasable);
}

#[test]
fn a_closed_pull_request_deploys_nothing_of_its_own_and_a_merged_one_only_its_named_last_commit() {
    let scene = |state: PullState, wanted: Wanted| {
        Scene::with(|scene| {
            scene.pull().state = state;
            scene.pull().mergeable = None;
            scene.wanted = wanted;
            scene.facts.commit.ancestry = Ancestry::Elsewhere;
        })
    };
    let unnamed = Wanted::Deploy { sha: None };
    insta::assert_snapshot!(text(&scene(PullState::Closed, unnamed).denied()), @"
    [pull-closed] Pull request `#7` is closed.
    → Reopen it, or deploy a commit of `main` with `/deploy staging --sha <full sha>`. `/rollback staging` works here too.
    ");
    insta::assert_snapshot!(text(&scene(PullState::Merged, unnamed).denied()), @"
    [pull-closed] Pull request `#7` is merged already.
    → Write which commit you mean: `/deploy staging --sha aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` for its last commit, or one of `main`.
    ");
    assert_eq!(scene(PullState::Closed, named('a')).code(), ReasonCode::PullClosed);
    assert_eq!(scene(PullState::Merged, named('a')).decide(), Ok(bound('a', Origin::MergedPull)));
    assert_eq!(scene(PullState::Merged, named('b')).code(), ReasonCode::CommitNotReleasable);
    assert_eq!(scene(PullState::Closed, named('b')).code(), ReasonCode::CommitNotReleasable);
}

#[test]
fn a_merged_pull_request_keeps_the_rules_about_base_fork_and_reviews() {
    use shipline::config::spec::Reviews;
    let merged = |spoil: fn(&mut Scene)| {
        let mut scene = Scene::with(|scene| {
            scene.wanted = named('a');
            scene.pull().state = PullState::Merged;
            scene.facts.commit.ancestry = Ancestry::Elsewhere;
        });
        spoil(&mut scene);
        scene.code()
    };
    assert_eq!(merged(|scene| scene.pull().base = "next".to_owned()), ReasonCode::BaseNotAllowed);
    assert_eq!(merged(|scene| scene.pull().fork = true), ReasonCode::ForkNotAllowed);
    let unreviewed = |scene: &mut Scene| {
        scene.spec().policy.reviews = Reviews::Required;
        scene.pull().reviews = Some(crate::decision::ReviewState::Missing);
    };
    assert_eq!(merged(unreviewed), ReasonCode::ReviewMissing);
    assert_eq!(merged(|_| ()), ReasonCode::Allowed);
}
