//! The order of the decision, and what must hold of every yes.

use proptest::prelude::*;
use shipline::config::spec::{Allow, Checks, Freeze, Reviews, Role, WeekTime};
use shipline::types::Span;

use super::super::weigh;
use super::{COMMENTED, Scene, at, sha};
use crate::decision::{
    Ancestry, Approval, Check, CheckState, Learned, Origin, PullState, ReasonCode, ReviewState, SeenDeployment, Wanted,
};
use crate::store::Head;

/// What makes a scene wrong.
type Spoil = fn(&mut Scene);

/// Everything that can be wrong with a deploy, in the order of the decision.
fn spoilers() -> Vec<(ReasonCode, Spoil)> {
    vec![
        (ReasonCode::AccessDenied, |scene| scene.rights.role = Some(Role::Read)),
        (ReasonCode::PullClosed, |scene| scene.pull().state = PullState::Closed),
        (ReasonCode::PullDraft, |scene| scene.pull().draft = true),
        (ReasonCode::BaseNotAllowed, |scene| scene.pull().base = "next".to_owned()),
        (ReasonCode::ForkNotAllowed, |scene| scene.pull().fork = true),
        (ReasonCode::HeadMoved, |scene| scene.pull().head = sha('b')),
        (ReasonCode::ReviewMissing, |scene| {
            scene.spec().policy.reviews = Reviews::Required;
            scene.pull().reviews = Some(ReviewState::Missing);
        }),
        (ReasonCode::NotMergeable, |scene| scene.pull().mergeable = Some(false)),
        (ReasonCode::Frozen, |scene| {
            let day = |day| WeekTime { day, hour: 0, minute: 0 };
            scene.spec().policy.freeze = vec![Freeze { from: day(0), to: day(4), zone: "UTC".to_owned() }];
        }),
        (ReasonCode::Locked, |scene| scene.facts.lock = Some(scene.lock(11, ""))),
        (ReasonCode::ForeignDeployment, |scene| {
            scene.situation.deployments = vec![SeenDeployment {
                id: 1,
                sha: sha('c'),
                environment: "staging".to_owned(),
                shipline: None,
                creator: None,
                created: at(COMMENTED),
                state: Some("in_progress".to_owned()),
                since: None,
            }];
        }),
    ]
}

#[test]
fn the_first_rule_in_the_order_of_decision_is_the_answer_and_a_plan_sees_all_of_them() {
    let all = spoilers();
    for first in 0..all.len() {
        let mut scene = Scene::new();
        for (_, spoil) in all[first..].iter().rev() {
            spoil(&mut scene);
        }
        assert_eq!(scene.code(), all[first].0);
        let (_, objections) = weigh(&scene.question());
        let seen: Vec<ReasonCode> = objections.iter().map(|denied| denied.code).collect();
        let expected: Vec<ReasonCode> = all[first..].iter().map(|(code, _)| *code).collect();
        assert_eq!(seen, expected, "from {:?}", all[first].0);
    }
}

#[test]
fn checks_and_order_are_asked_of_the_commit_that_is_deployed_however_it_was_named() {
    let mut scene = Scene::with(|scene| {
        scene.environment = "production".parse().unwrap();
        scene.wanted = Wanted::Deploy { sha: Some(sha('b')) };
        scene.facts.commit.ancestry = Ancestry::OnDefaultBranch;
    });
    scene.spec().policy.checks = Checks::All;
    assert_eq!(scene.code(), ReasonCode::ChecksUnknown);
    scene.facts.commit.checks = Some(Ok(Vec::new()));
    assert_eq!(scene.code(), ReasonCode::ChecksMissing);
    let passed = Check { name: "test".to_owned(), app: None, held: None, state: CheckState::Passed };
    scene.facts.commit.checks = Some(Ok(vec![passed]));
    scene.spec().policy.requires = vec!["staging".parse().unwrap()];
    assert_eq!(scene.code(), ReasonCode::RequiresMissing);
}

#[test]
fn a_rollback_works_from_a_closed_pull_request_in_a_frozen_week_with_failed_checks() {
    let mut scene = Scene::with(|scene| scene.wanted = Wanted::Rollback);
    for (code, spoil) in spoilers() {
        let never = [ReasonCode::AccessDenied, ReasonCode::Locked, ReasonCode::ForeignDeployment];
        if never.contains(&code) {
            let mut alone = scene.clone();
            spoil(&mut alone);
            assert_eq!(alone.code(), code);
        } else {
            spoil(&mut scene);
            assert_eq!(scene.code(), ReasonCode::Allowed, "{code:?} stopped a rollback");
        }
    }
    assert_eq!(scene.decide().unwrap().bound, None);
}

prop_compose! {
    fn scene()(
        (head, learned, named) in (0..3usize, prop::option::of(0..3usize), prop::option::of(0..3usize)),
        learned_at in -2i64..3,
        (state, draft, fork, mergeable) in (0..3u8, any::<bool>(), any::<bool>(), prop::option::of(any::<bool>())),
        (forks, approved, writer) in (any::<bool>(), 0..3usize, any::<bool>()),
        ancestry in 0..5u8,
        in_pull in any::<bool>(),
        role in prop::option::of(prop::sample::select(vec![Role::Read, Role::Write, Role::Admin])),
        (asks_checks, check) in (any::<bool>(), prop::option::of(0..3u8)),
        (asks_order, good) in (any::<bool>(), prop::option::of(0i64..7200)),
        (locked, back) in (prop::option::of(10..12u64), any::<bool>()),
    ) -> Scene {
        let commit = |index: usize| sha(['a', 'b', 'c'][index]);
        let mut scene = Scene::new();
        scene.pull().head = commit(head);
        scene.pull().state = [PullState::Open, PullState::Closed, PullState::Merged][usize::from(state)];
        scene.pull().draft = draft;
        scene.pull().fork = fork;
        scene.pull().mergeable = mergeable;
        scene.pull().approvals = vec![Approval { login: "cat".to_owned(), writer, commit: Some(commit(approved)) }];
        if forks {
            scene.spec().policy.pulls.forks = Allow::Yes;
        }
        let second = at(COMMENTED).as_second() + learned_at;
        scene.facts.learned = learned.map_or(Learned::Nothing, |index| {
            Learned::Head(Head { sha: commit(index), at: jiff::Timestamp::from_second(second).unwrap(), sequence: 1 })
        });
        scene.facts.commit.ancestry = match ancestry {
            0 => Ancestry::NotAsked,
            1 => Ancestry::OnDefaultBranch,
            2 => Ancestry::Elsewhere,
            3 => Ancestry::NotKnown,
            _ => Ancestry::NotTold(String::new()),
        };
        if !in_pull {
            scene.situation.pull = None;
        }
        scene.rights.role = role;
        if asks_checks {
            scene.spec().policy.checks = Checks::All;
        }
        let states = [CheckState::Passed, CheckState::Pending, CheckState::Failed];
        scene.facts.commit.checks = check.map(|state| {
            Ok(vec![Check { name: "test".to_owned(), app: None, held: None, state: states[usize::from(state)] }])
        });
        if asks_order {
            scene.spec().policy.requires = vec!["production".parse().unwrap()];
            scene.spec().policy.soak = Span::minutes(30);
        }
        let since = good.map(|ago| jiff::Timestamp::from_second(scene.now.as_second() - ago).unwrap());
        scene.facts.commit.good_since = vec![("production".parse().unwrap(), since)];
        scene.facts.lock = locked.map(|holder| scene.lock(holder, "mine"));
        scene.wanted = if back { Wanted::Rollback } else { Wanted::Deploy { sha: named.map(commit) } };
        scene
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn every_yes_keeps_every_promise(scene in scene()) {
        let decision = scene.decide();
        let (bound, objections) = weigh(&scene.question());
        prop_assert_eq!(decision.is_ok(), objections.is_empty());
        for denied in &objections {
            prop_assert!(!denied.what.is_empty() && !denied.next.is_empty());
            // What does not pair would be shown as it is.
            prop_assert_eq!(denied.what.matches('`').count() % 2, 0, "{}", &denied.what);
            prop_assert_eq!(denied.next.matches('`').count() % 2, 0, "{}", &denied.next);
        }
        let Ok(allowed) = decision else { return Ok(()) };
        prop_assert_eq!(allowed.bound, bound);
        prop_assert!(scene.rights.role >= Some(Role::Write));
        prop_assert!(scene.facts.lock.as_ref().is_none_or(|lock| lock.holder.id == scene.actor.id));
        let Wanted::Deploy { sha: named } = scene.wanted else {
            prop_assert_eq!(bound, None);
            return Ok(());
        };
        let bound = bound.expect("a deploy has a commit");
        prop_assert!(named.is_none_or(|named| named == bound.sha));
        let pull = scene.situation.pull.as_ref();
        if named.is_none() {
            let Learned::Head(head) = scene.facts.learned else { panic!("bound to nothing") };
            prop_assert!(head.sha == bound.sha && head.at < at(COMMENTED));
        }
        match bound.origin {
            Origin::OpenPull => {
                let pull = pull.expect("a pull request");
                prop_assert!(pull.state == PullState::Open && pull.head == bound.sha && !pull.draft);
                prop_assert!(pull.mergeable != Some(false));
            }
            Origin::MergedPull => {
                prop_assert!(pull.is_some_and(|pull| pull.state == PullState::Merged && pull.head == bound.sha));
            }
            Origin::DefaultBranch => prop_assert_eq!(&scene.facts.commit.ancestry, &Ancestry::OnDefaultBranch),
        }
        if let (Some(pull), true) = (pull.filter(|pull| pull.fork), bound.origin != Origin::DefaultBranch) {
            prop_assert!(pull.approvals.iter().any(|one| one.writer && one.commit == Some(bound.sha)));
        }
        let policy = &scene.config.environments[&scene.environment].policy;
        if policy.checks == Checks::All {
            let seen = scene.facts.commit.checks.clone().expect("asked").expect("told");
            prop_assert!(seen.iter().all(|check| check.state == CheckState::Passed));
        }
        if !policy.requires.is_empty() {
            let since = scene.facts.commit.good_since[0].1.expect("good there");
            prop_assert!(scene.now.as_second() - since.as_second() >= 1800);
        }
    }
}
