use shipline::config::spec::{Role, Who};

use super::super::access::{Standing, Visibility, may, may_look, teams};
use super::{Scene, text};
use crate::decision::{ReasonCode, Rights, Wanted};
use crate::types::UserId;

const ROLES: [Role; 5] = [Role::Read, Role::Triage, Role::Write, Role::Maintain, Role::Admin];

fn rights(role: Option<Role>, teams: &[&str]) -> Rights {
    let teams = teams.iter().map(ToString::to_string).collect();
    Rights { user: UserId::new(1), login: "Ann".to_owned(), role, teams }
}

#[test]
fn a_role_holds_everything_a_lesser_one_holds_and_nothing_more() {
    for least in ROLES {
        for has in ROLES {
            let expected = if has >= least { Standing::Among } else { Standing::NotAmong };
            assert_eq!(may(&[Who::Role(least)], &rights(Some(has), &[]), UserId::new(1)), expected);
        }
        assert_eq!(may(&[Who::Role(least)], &rights(None, &[]), UserId::new(1)), Standing::NotAmong);
    }
}

#[test]
fn rights_of_another_id_are_nobodys_whatever_they_hold() {
    let everything = [Who::Role(Role::Read), Who::User("ann".to_owned())];
    assert_eq!(may(&everything, &rights(Some(Role::Admin), &[]), UserId::new(2)), Standing::SomebodyElse);
}

#[test]
fn teams_and_users_count_without_case_and_a_rule_for_nobody_lets_nobody_through() {
    let team = || vec![Who::Team { org: "Acme".to_owned(), slug: "release-managers".to_owned() }];
    let me = UserId::new(1);
    assert_eq!(may(&team(), &rights(None, &["acme/release-managers"]), me), Standing::Among);
    assert_eq!(may(&team(), &rights(Some(Role::Admin), &["acme/release"]), me), Standing::NotAmong);
    assert_eq!(may(&[Who::User("ann".to_owned())], &rights(None, &[]), me), Standing::Among);
    assert_eq!(may(&[Who::User("anne".to_owned())], &rights(None, &[]), me), Standing::NotAmong);
    assert_eq!(may(&[], &rights(Some(Role::Admin), &[]), me), Standing::NotAmong);
    assert_eq!(teams(&[team(), team()].concat()), ["Acme/release-managers"]);
}

#[test]
fn a_person_without_the_right_is_told_who_has_it() {
    let mut scene = Scene::with(|scene| scene.rights.role = Some(Role::Read));
    scene.spec().policy.access.deploy = vec![
        Who::Role(Role::Maintain),
        Who::Team { org: "acme".to_owned(), slug: "ops".to_owned() },
        Who::User("dot".to_owned()),
    ];
    insta::assert_snapshot!(text(&scene.denied()), @"
    [access-denied] `ann` may not deploy to `staging`.
    - Your role in this repository is `read`; `access.deploy` asks for more.
    → Everybody with the role `maintain` or more, members of `@acme/ops` or `@dot` can do it: ask one of them.
    ");
    let taken = Scene::with(|scene| scene.rights.user = UserId::new(11));
    insta::assert_snapshot!(text(&taken.denied()), @"
    [access-denied] The login `ann` is not the account that wrote this comment any more.
    - The comment was written by the account with id 10.
    → Comment again from the account that has access.
    ");
}

#[test]
fn a_rollback_asks_for_its_own_right() {
    let mut scene = Scene::with(|scene| scene.wanted = Wanted::Rollback);
    scene.spec().policy.access.deploy = Vec::new();
    assert_eq!(scene.code(), ReasonCode::Allowed);
    scene.spec().policy.access.rollback = vec![Who::Role(Role::Admin)];
    assert_eq!(scene.code(), ReasonCode::AccessDenied);
}

#[test]
fn whoever_can_read_may_look_except_where_everybody_can_read() {
    let scene = Scene::new();
    let look = |visibility, role| {
        let rights = Rights { role, ..scene.rights.clone() };
        may_look(visibility, &rights, &scene.actor).is_ok()
    };
    assert!(look(Visibility::Private, Some(Role::Read)));
    assert!(!look(Visibility::Private, None));
    assert!(!look(Visibility::Public, Some(Role::Triage)));
    assert!(look(Visibility::Public, Some(Role::Write)));
    let another = Rights { user: UserId::new(99), ..scene.rights.clone() };
    assert!(may_look(Visibility::Private, &another, &scene.actor).is_err());
}

#[test]
fn an_answer_that_github_did_not_give_is_a_no() {
    let denied = super::super::access::unknown(&Scene::new().actor, "GitHub answered 502.");
    assert_eq!(denied.code, ReasonCode::AccessUnknown);
    assert_eq!(denied.why, ["GitHub answered 502."]);
}
