//! Pull requests, locks, other deployments, the policy itself.

use shipline::config::spec::{Allow, BehindBase, Queue, Reviews};
use shipline::types::{EnvironmentName, ServiceName};

use super::super::{lock, policy};
use super::{Scene, at, sha, text};
use crate::decision::{Approval, ReasonCode, ReviewState, SeenDeployment, Wanted};
use crate::store::{Asked, Deployment, DeploymentKind, State};
use crate::types::{
    Actor, CommentId, DeploymentId, EnvironmentKey, InstallationId, RepositoryId, RepositoryRef, UserId,
};

fn spoilt(change: impl FnOnce(&mut Scene)) -> ReasonCode {
    Scene::with(change).code()
}

#[test]
fn drafts_and_other_bases_need_the_policys_leave() {
    assert_eq!(spoilt(|scene| scene.pull().draft = true), ReasonCode::PullDraft);
    let mut draft = Scene::with(|scene| scene.pull().draft = true);
    draft.spec().policy.pulls.drafts = Allow::Yes;
    assert_eq!(draft.code(), ReasonCode::Allowed);

    let mut stacked = Scene::with(|scene| scene.pull().base = "feature`x".to_owned());
    insta::assert_snapshot!(text(&stacked.denied()), @"
    [base-not-allowed] Pull request `#7` goes into `feature'x`, not into a branch that `staging` takes.
    → Change its base to `main`, or let the policy allow it (`pull-requests.bases`).
    ");
    stacked.spec().policy.pulls.bases = vec!["feature`x".to_owned()];
    assert_eq!(stacked.code(), ReasonCode::Allowed);
    stacked.pull().base = "main".to_owned();
    assert_eq!(stacked.code(), ReasonCode::BaseNotAllowed, "named bases are the only ones");
}

#[test]
fn a_fork_needs_leave_and_a_writer_who_approved_this_very_commit() {
    let fork = |approvals: &[(&str, bool, char)]| {
        let mut scene = Scene::with(|scene| scene.pull().fork = true);
        scene.spec().policy.pulls.forks = Allow::Yes;
        scene.pull().approvals = approvals
            .iter()
            .map(|(login, writer, at)| Approval { login: (*login).to_owned(), writer: *writer, commit: Some(sha(*at)) })
            .collect();
        scene
    };
    assert_eq!(spoilt(|scene| scene.pull().fork = true), ReasonCode::ForkNotAllowed);
    assert_eq!(spoilt(|scene| scene.pull().head_repository = None), ReasonCode::ForkNotAllowed);
    assert_eq!(fork(&[("cat", true, 'a')]).code(), ReasonCode::Allowed);
    assert_eq!(fork(&[]).code(), ReasonCode::ForkNotApproved);
    assert_eq!(fork(&[("cat", false, 'a')]).code(), ReasonCode::ForkNotApproved);
    assert_eq!(fork(&[("Ben", true, 'a')]).code(), ReasonCode::ForkNotApproved, "nobody approves their own");
    insta::assert_snapshot!(text(&fork(&[("cat", true, 'b')]).denied()), @"
    [fork-not-approved] Nobody who can write here has approved `aaaaaaa` of this fork.
    - `cat` approved `bbbbbbb`, an earlier commit.
    → Somebody with the role `write` reviews and approves the commit aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, then comment again.
    ");
}

#[test]
fn reviews_count_when_the_policy_asks_for_them() {
    let reviewed = |state: Option<ReviewState>, asked: Reviews| {
        let mut scene = Scene::with(|scene| scene.pull().reviews = state);
        scene.spec().policy.reviews = asked;
        scene.code()
    };
    for state in [None, Some(ReviewState::Approved)] {
        assert_eq!(reviewed(state, Reviews::Required), ReasonCode::Allowed);
    }
    for state in [ReviewState::Missing, ReviewState::ChangesRequested] {
        assert_eq!(reviewed(Some(state), Reviews::Required), ReasonCode::ReviewMissing);
        assert_eq!(reviewed(Some(state), Reviews::NotAsked), ReasonCode::Allowed);
    }
}

#[test]
fn conflicts_refuse_and_an_unknown_merge_does_where_the_policy_is_careful() {
    assert_eq!(spoilt(|scene| scene.pull().mergeable = Some(false)), ReasonCode::NotMergeable);
    let mut unknown = Scene::with(|scene| scene.pull().mergeable = None);
    assert_eq!(unknown.code(), ReasonCode::Allowed);
    unknown.spec().policy.reviews = Reviews::Required;
    assert_eq!(unknown.code(), ReasonCode::NotMergeable);
    let mut behind = Scene::with(|scene| scene.pull().behind = true);
    assert_eq!(behind.code(), ReasonCode::Allowed);
    behind.spec().policy.pulls.behind = BehindBase::Refused;
    assert_eq!(behind.code(), ReasonCode::BehindBase);
}

#[test]
fn a_lock_stops_everybody_but_its_holder_and_that_of_a_rollback_everybody() {
    let locked = |holder: u64, reason: &str, wanted: Wanted| {
        let mut scene = Scene::with(|scene| scene.wanted = wanted);
        scene.facts.lock = Some(scene.lock(holder, reason));
        scene.code()
    };
    let (deploy, back) = (Wanted::Deploy { sha: None }, Wanted::Rollback);
    assert_eq!(locked(10, "testing", deploy), ReasonCode::Allowed);
    assert_eq!(locked(10, "testing", back), ReasonCode::Allowed);
    assert_eq!(locked(11, "testing", deploy), ReasonCode::Locked);
    assert_eq!(locked(11, "testing", back), ReasonCode::Locked);
    assert_eq!(locked(10, lock::AFTER_ROLLBACK, deploy), ReasonCode::Locked);
    assert_eq!(locked(11, lock::AFTER_ROLLBACK, deploy), ReasonCode::Locked);
    assert_eq!(locked(11, lock::AFTER_ROLLBACK, back), ReasonCode::Allowed);
    let mut over = Scene::with(|scene| scene.now = at("2026-03-03T13:00:00Z"));
    over.facts.lock = Some(over.lock(11, "testing"));
    assert_eq!(over.code(), ReasonCode::Allowed, "a lock that has run out is none");
}

#[test]
fn a_lock_names_its_holder_its_reason_and_the_way_past_it() {
    let denied = |holder: u64, reason: &str| {
        let mut scene = Scene::new();
        scene.facts.lock = Some(scene.lock(holder, reason));
        text(&scene.denied())
    };
    insta::assert_snapshot!(denied(11, "load test"), @"
    [locked] `staging` was locked by `cat` 31 min ago and stays locked for another 1 h.
    - The reason given: load test
    → Ask `cat`, or if it cannot wait, somebody who may unlock writes `/unlock staging --force <reason>`.
    ");
    insta::assert_snapshot!(denied(10, lock::AFTER_ROLLBACK), @"
    [locked] `staging` was locked by `ann` 31 min ago and stays locked for another 1 h.
    - The reason given: rolled back, look before you deploy
    → Look at it with `/status staging`. When it may be deployed to again: `/unlock staging`.
    ");
}

fn seen(state: &str, since: &str, ours: bool) -> SeenDeployment {
    SeenDeployment {
        id: 5,
        sha: sha('c'),
        environment: "staging".to_owned(),
        shipline: ours.then(|| serde_json::json!({ "services": {} })),
        creator: Some("github-actions[bot]".to_owned()),
        created: at("2026-03-03T05:00:00Z"),
        state: Some(state.to_owned()),
        since: Some(at(since)),
    }
}

#[test]
fn somebody_elses_deployment_in_progress_refuses_until_it_must_be_a_leftover() {
    let scene = |seen: SeenDeployment| Scene::with(|scene| scene.situation.deployments = vec![seen]);
    insta::assert_snapshot!(text(&scene(seen("in_progress", "2026-03-03T11:50:02Z", false)).denied()), @"
    [foreign-deployment] A GitHub Deployment of `github-actions[bot]` is in progress on `staging`.
    - It brings `ccccccc` and has been in progress for 10 min (GitHub Deployment `5`).
    → Wait for its end or cancel its workflow run, then comment again. If nothing runs any more, set its status to `inactive`.
    ");
    for state in ["queued", "pending"] {
        assert_eq!(scene(seen(state, "2026-03-03T11:50:00Z", false)).code(), ReasonCode::ForeignDeployment);
    }
    for state in ["success", "failure", "inactive", "error", "waiting"] {
        assert_eq!(scene(seen(state, "2026-03-03T11:50:00Z", false)).code(), ReasonCode::Allowed);
    }
    assert_eq!(scene(seen("in_progress", "2026-03-03T07:00:00Z", false)).code(), ReasonCode::ForeignDeployment);
    assert_eq!(scene(seen("in_progress", "2026-03-03T06:00:00Z", false)).code(), ReasonCode::Allowed);
    // The action's own, without the bot.
    assert_eq!(scene(seen("in_progress", "2026-03-03T11:00:00Z", true)).code(), ReasonCode::ForeignDeployment);
    assert_eq!(scene(seen("in_progress", "2026-03-03T09:00:00Z", true)).code(), ReasonCode::Allowed);
    let never = SeenDeployment { state: None, since: None, ..seen("", "2026-03-03T11:59:00Z", false) };
    assert_eq!(scene(never).code(), ReasonCode::Allowed, "tools leave deployments without a status behind");
    let elsewhere =
        SeenDeployment { environment: "preview".to_owned(), ..seen("queued", "2026-03-03T11:59:00Z", false) };
    assert_eq!(scene(elsewhere).code(), ReasonCode::Allowed);
    let mut rollback = scene(seen("in_progress", "2026-03-03T11:50:00Z", false));
    rollback.wanted = Wanted::Rollback;
    assert_eq!(rollback.code(), ReasonCode::ForeignDeployment);
}

#[test]
fn what_the_bot_made_itself_is_not_foreign() {
    let mut scene =
        Scene::with(|scene| scene.situation.deployments = vec![seen("in_progress", "2026-03-03T11:50:00Z", true)]);
    scene.facts.own = vec![5];
    assert_eq!(scene.code(), ReasonCode::Allowed);
}

fn open(environment: &EnvironmentName) -> Deployment {
    let key = EnvironmentKey { repository: RepositoryId::new(1), environment: environment.clone() };
    let repository = RepositoryRef {
        id: RepositoryId::new(1),
        name: "acme/shop".parse().unwrap(),
        installation: InstallationId::new(1),
        public: false,
    };
    Deployment {
        id: DeploymentId::new(1),
        asked: Asked {
            key,
            repository,
            kind: DeploymentKind::Deploy { sha: sha('b') },
            services: Vec::new(),
            actor: Actor { id: UserId::new(11), login: "cat".to_owned() },
            issue: 8,
            is_pull: true,
            comment: CommentId::new(1),
            command: 0,
            reason: None,
            policy_commit: sha('0'),
            decided: at("2026-03-03T11:58:00Z"),
        },
        state: State::fresh(),
        created: at("2026-03-03T11:58:00Z"),
        cancel: None,
        outcome: None,
        ended: None,
    }
}

#[test]
fn a_second_deployment_is_refused_where_the_policy_says_so() {
    let mut scene = Scene::new();
    scene.facts.open = vec![open(&scene.environment)];
    assert_eq!(scene.code(), ReasonCode::Allowed, "it will wait");
    scene.spec().policy.queue = Queue::Refuse;
    insta::assert_snapshot!(text(&scene.denied()), @"
    [busy] A deployment that `cat` asked for 3 min ago is on its way to `staging`.
    - The policy says `queue: refuse`.
    → Comment again when it is over, or stop it with `/cancel staging`.
    ");
    scene.wanted = Wanted::Rollback;
    assert_eq!(scene.code(), ReasonCode::Allowed, "a rollback overtakes");
}

#[test]
fn names_that_the_policy_does_not_have_are_answered_with_those_it_has() {
    let mut scene = Scene::new();
    let unknown = policy::environment(&scene.config, &"stagin".parse().unwrap()).unwrap_err();
    insta::assert_snapshot!(text(&unknown), @"
    [unknown-environment] There is no environment `stagin` in the policy.
    → Did you mean `staging`? There are `production` and `staging`.
    ");
    let environment = scene.environment.clone();
    let spec = scene.spec();
    let db: ServiceName = "db".parse().unwrap();
    let unknown = policy::services(&environment, spec, &[db]).unwrap_err();
    insta::assert_snapshot!(text(&unknown), @"
    [unknown-service] `staging` has no service `db`.
    → There are `api` and `web`.
    ");
    assert_eq!(policy::services(&environment, spec, &[]).unwrap().len(), 2);
}

#[test]
fn a_missing_policy_and_one_with_mistakes_say_where_to_mend_them() {
    insta::assert_snapshot!(text(&policy::not_configured("main", sha('0'))), @"
    [not-configured] There is no `.github/shipline.yml` on `main`.
    - Looked at `0000000`.
    → Add it to `main`; `shipline init` writes a first one. The bot reads no other branch.
    ");
    let problems = shipline::config::parse(".github/shipline.yml", "version: 1\nservicess: {}\n").unwrap_err();
    let denied = policy::invalid("main", sha('0'), &problems);
    assert_eq!(denied.code, ReasonCode::PolicyInvalid);
    assert!(denied.why[2].starts_with(".github/shipline.yml:2 servicess: "), "{:?}", denied.why);
}
