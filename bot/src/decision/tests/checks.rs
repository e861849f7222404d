use shipline::config::spec::Checks;

use super::{Scene, text};
use crate::decision::{Check, CheckState, ReasonCode, RequiredCheck};

use CheckState::{Failed, Passed, Pending};

fn check(name: &str, app: Option<u64>, state: CheckState) -> Check {
    Check { name: name.to_owned(), app, held: None, state }
}

fn scene(rule: Checks, required: &[(&str, Option<u64>)], seen: &[Check]) -> Scene {
    let mut scene = Scene::new();
    scene.spec().policy.checks = rule;
    let required = required.iter().map(|(name, app)| RequiredCheck { name: (*name).to_owned(), app: *app });
    scene.facts.commit.required = Some(Ok(required.collect()));
    scene.facts.commit.checks = Some(Ok(seen.to_vec()));
    scene
}

#[test]
fn required_checks_must_be_there_from_the_right_app_and_have_passed() {
    let required = [("test", Some(1)), ("lint", None)];
    let code = |seen: &[Check]| scene(Checks::Required, &required, seen).code();
    let (test, lint) = (check("test", Some(1), Passed), check("lint", None, Passed));
    assert_eq!(code(&[test.clone(), lint.clone()]), ReasonCode::Allowed);
    assert_eq!(code(std::slice::from_ref(&test)), ReasonCode::ChecksMissing);
    assert_eq!(code(&[]), ReasonCode::ChecksMissing);
    assert_eq!(code(&[check("test", Some(2), Passed), lint.clone()]), ReasonCode::ChecksMissing);
    assert_eq!(code(&[check("test", None, Passed), lint.clone()]), ReasonCode::ChecksMissing);
    assert_eq!(code(&[test.clone(), check("lint", Some(3), Pending)]), ReasonCode::ChecksPending);
    assert_eq!(code(&[test.clone(), check("lint", Some(3), Failed)]), ReasonCode::ChecksFailed);
    // One app's success does not hide another's failure of the same name.
    assert_eq!(code(&[test.clone(), lint.clone(), check("lint", Some(3), Failed)]), ReasonCode::ChecksFailed);
    // What is not required does not matter.
    assert_eq!(code(&[test, lint, check("slow", Some(1), Failed)]), ReasonCode::Allowed);
}

#[test]
fn named_checks_are_required_from_any_app() {
    let named = || Checks::Named(vec!["test".to_owned()]);
    assert_eq!(scene(named(), &[], &[check("test", Some(9), Passed)]).code(), ReasonCode::Allowed);
    assert_eq!(scene(named(), &[], &[check("tests", Some(9), Passed)]).code(), ReasonCode::ChecksMissing);
}

#[test]
fn all_means_every_reported_check_but_our_own_and_at_least_one() {
    let code = |seen: &[Check]| scene(Checks::All, &[], seen).code();
    let ours = check("Shipline: production", Some(5), Failed);
    assert_eq!(code(&[check("test", None, Passed), ours.clone()]), ReasonCode::Allowed);
    assert_eq!(code(&[ours]), ReasonCode::ChecksMissing);
    assert_eq!(code(&[check("test", None, Passed), check("x", None, Pending)]), ReasonCode::ChecksPending);
}

#[test]
fn the_check_of_this_very_deployment_is_not_waited_for_but_that_of_another_environment_is() {
    let required = [("Shipline: staging", None), ("test", None)];
    let passed = check("test", None, Passed);
    assert_eq!(scene(Checks::Required, &required, std::slice::from_ref(&passed)).code(), ReasonCode::Allowed);
    let other = [("Shipline: preview", None), ("test", None)];
    assert_eq!(scene(Checks::Required, &other, &[passed]).code(), ReasonCode::ChecksMissing);
}

#[test]
fn what_github_did_not_tell_counts_as_not_passed() {
    for rule in [Checks::Required, Checks::All, Checks::Named(vec!["test".to_owned()])] {
        let mut silent = scene(rule.clone(), &[], &[]);
        silent.facts.commit.checks = Some(Err("GitHub answered 502.".to_owned()));
        assert_eq!(silent.code(), ReasonCode::ChecksUnknown, "{rule:?}");
        silent.facts.commit.checks = None;
        assert_eq!(silent.code(), ReasonCode::ChecksUnknown, "{rule:?} not asked");
    }
    let mut rules = scene(Checks::Required, &[], &[check("test", None, Passed)]);
    rules.facts.commit.required = Some(Err("GitHub answered 403.".to_owned()));
    insta::assert_snapshot!(text(&rules.denied()), @"
    [checks-unknown] GitHub did not say which checks are required for `aaaaaaa`, so it counts as not passed.
    - GitHub answered 403.
    → Comment again in a minute.
    ");
}

#[test]
fn a_no_names_the_checks_and_everything_else_that_is_open() {
    let required = [("test", None), ("lint", None), ("e2e `x`", None), ("scan", None)];
    let seen = [check("test", None, Failed), check("lint", None, Failed), check("e2e `x`", None, Pending)];
    insta::assert_snapshot!(text(&scene(Checks::Required, &required, &seen).denied()), @"
    [checks-failed] `test` and `lint` failed on `aaaaaaa`.
    - Not ended yet: `e2e 'x'`.
    - Never reported: `scan`.
    → Mend or re-run them, then comment again.
    ");
    insta::assert_snapshot!(text(&scene(Checks::Required, &required[..1], &[]).denied()), @"
    [checks-missing] `test` was never reported for `aaaaaaa`, and `staging` asks for it.
    → See whether its workflow runs for this commit, and whether the name is spelt right in the policy or in branch protection.
    ");
    insta::assert_snapshot!(text(&scene(Checks::All, &[], &seen[2..]).denied()), @"
    [checks-pending] `e2e 'x'` has not ended yet on `aaaaaaa`.
    → Wait for it, then comment again.
    ");
    let many: Vec<Check> = (0..12).map(|n| check(&format!("c{n}"), None, Failed)).collect();
    let what = scene(Checks::All, &[], &many).denied().what;
    assert_eq!(what, "`c0`, `c1`, `c2`, `c3`, `c4`, `c5`, `c6`, `c7` and 4 more failed on `aaaaaaa`.");
}
