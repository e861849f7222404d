//! Every no of the bot before anything changes, with its words: what is wrong, why, and what next.

use std::time::Duration;

use serde_json::json;
use shipline_test_support::{Behaviour, Role};

use crate::stage::{Database, POLICY, Stage};
use crate::told::{plain, policy, production_policy};

async fn stage() -> Stage {
    Stage::with_bot(Database::Sqlite).await
}

/// A stage whose staging has these rules, and what `/deploy staging` of a pull request is answered.
async fn with_rules(rules: &str) -> Stage {
    let stage = stage().await;
    stage.policy(&policy(rules));
    stage
}

#[tokio::test]
async fn names_that_the_policy_does_not_have_are_answered_with_those_it_has() {
    let stage = stage().await;
    let pull = stage.pull("Say hello");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy stagin"), @"
    `/deploy stagin`: There is no environment `stagin` in the policy.

    **Next**: Did you mean `staging`? There are `production` and `staging`.

    <sub>reason: `unknown-environment`</sub>
    ");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/rollback moon"), @"
    `/rollback moon`: There is no environment `moon` in the policy.

    **Next**: There are `production` and `staging`.

    <sub>reason: `unknown-environment`</sub>
    ");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging apii"), @"
    `/deploy staging apii`: `staging` has no service `apii`.

    **Next**: Did you mean `api`? There is `api`.

    <sub>reason: `unknown-service`</sub>
    ");
    stage.assert_untouched();
}

#[tokio::test]
async fn a_repository_without_a_policy_is_told_how_to_get_one() {
    let stage = stage().await;
    let bare = stage.github.repository("acme/bare");
    bare.user("dev", Role::Write);
    let issue = bare.issue("dev", "Ship it");
    stage.github.advance(Duration::from_secs(2));
    bare.says("dev", issue, "/status");
    let answer =
        stage.until("the answer", || bare.conversation(issue).into_iter().find(|said| said.author.ends_with("[bot]")));
    insta::assert_snapshot!(plain(&answer.body), @"
    `/status`: There is no `.github/shipline.yml` on `main`.

    - Looked at `alpha`.

    **Next**: Add it to `main`; `shipline init` writes a first one. The bot reads no other branch.

    <sub>reason: `not-configured`</sub>
    ");
}

#[tokio::test]
async fn a_broken_policy_deploys_nothing_and_its_mistakes_are_told_with_their_lines() {
    let stage = stage().await;
    let pull = stage.pull("Say hello");
    stage.policy(&POLICY.replace("cluster:", "clustr:").replace("region: us-east-1", "region: mars"));
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging"), @r#"
    `/deploy staging`: `.github/shipline.yml` on `main` has 6 mistakes, so nothing is deployed.

    - .github/shipline.yml:6 environments.staging.aws.region: A region is written like us-east-1; "mars" is not one. Write it as in `us-east-1`.
    - .github/shipline.yml:7 environments.staging.services.api.ecs.clustr: `clustr` is not a key that is known here. Did you mean `cluster`?
    - .github/shipline.yml:7 environments.staging.services.api.ecs.cluster: `cluster` is missing. Add it, as in `{ cluster: pmis-staging, service: api, container: app }`.
    - .github/shipline.yml:9 environments.production.aws.region: A region is written like us-east-1; "mars" is not one. Write it as in `us-east-1`.
    - .github/shipline.yml:10 environments.production.services.api.ecs.clustr: `clustr` is not a key that is known here. Did you mean `cluster`?
    - .github/shipline.yml:10 environments.production.services.api.ecs.cluster: `cluster` is missing. Add it, as in `{ cluster: pmis-staging, service: api, container: app }`.
    - Looked at `alpha`.

    **Next**: Mend it on `main` (`shipline check` shows the same), then comment again.

    <sub>reason: `policy-invalid`</sub>
    "#);
    stage.policy("version: 1\nservices: [\n");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/status"), @"
    `/status`: `.github/shipline.yml` on `main` has a mistake, so nothing is deployed.

    - .github/shipline.yml:2: This is not YAML: while parsing a node, did not find expected node content. Check the indentation, quotes and brackets of this line and the one before.
    - Looked at `alpha`.

    **Next**: Mend it on `main` (`shipline check` shows the same), then comment again.

    <sub>reason: `policy-invalid`</sub>
    ");
    stage.assert_untouched();
}

#[tokio::test]
async fn a_strategy_that_the_service_cannot_carry_out_refuses_instead_of_being_ignored() {
    let stage = with_rules("    rollout: canary\n").await;
    let pull = stage.pull("Say hello");
    stage.built(&pull.sha);
    let told = stage.brings("dev", pull.number, "/deploy staging");
    assert!(told.contains("rollout: rolling") && told.contains("`plan-refused`"), "{told}");
    stage.assert_untouched();
}

#[tokio::test]
async fn whoever_may_not_is_told_who_may() {
    let stage = with_rules("    access: { deploy: [maintain, \"@acme/ops\", \"@ann\"], lock: [admin] }\n").await;
    let pull = stage.pull("Say hello");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging"), @"
    `/deploy staging`: `dev` may not deploy to `staging`.

    - Your role in this repository is `write`; `access.deploy` asks for more.

    **Next**: Everybody with the role `maintain` or more, members of `@acme/ops` or `@ann` can do it: ask one of them.

    <sub>reason: `access-denied`</sub>
    ");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/rollback staging"), @"
    `/rollback staging`: `dev` may not roll back `staging`.

    - Your role in this repository is `write`; `access.rollback` asks for more.

    **Next**: Everybody with the role `maintain` or more, members of `@acme/ops` or `@ann` can do it: ask one of them.

    <sub>reason: `access-denied`</sub>
    ");
    insta::assert_snapshot!(stage.asks("mona", pull.number, "/lock staging"), @"
    `/lock staging`: `mona` may not lock or unlock `staging`.

    - Your role in this repository is `maintain`; `access.lock` asks for more.

    **Next**: Everybody with the role `admin` can do it: ask one of them.

    <sub>reason: `access-denied`</sub>
    ");
    stage.assert_untouched();
    // Membership counts from the moment that GitHub tells it.
    stage.github.team("ops", &["dev"]);
    stage.brings("dev", pull.number, "/deploy staging");
    stage.assert_serves("api-staging", &stage.built(&pull.sha));
}

#[tokio::test]
async fn a_stranger_on_a_public_repository_gets_a_reaction_and_no_word() {
    let stage = stage().await;
    let open = stage.github.public_repository("acme/open");
    open.user("dev", Role::Write);
    open.file(".github/shipline.yml", POLICY);
    let pull = open.pull("dev", "Say hello");
    for body in ["/deploy staging", "/status", "/deploy nowhere", "/cancel"] {
        stage.github.advance(Duration::from_secs(2));
        let comment = open.says("stranger", pull.number, body);
        stage.until("the reaction", || {
            let said = open.conversation(pull.number);
            said.iter().find(|said| said.id == comment && said.reactions.contains_key("confused")).map(|_| ())
        });
    }
    let answers = open.conversation(pull.number).iter().filter(|said| said.author.ends_with("[bot]")).count();
    assert_eq!(answers, 0, "{}", stage.everything());
    stage.assert_untouched();
}

#[tokio::test]
async fn a_stranger_to_the_team_of_a_private_repository_is_told_who_may() {
    let stage = stage().await;
    let pull = stage.pull("Say hello");
    insta::assert_snapshot!(stage.asks("reader", pull.number, "/deploy staging"), @"
    `/deploy staging`: `reader` may not deploy to `staging`.

    - Your role in this repository is `read`; `access.deploy` asks for more.

    **Next**: Everybody with the role `write` or more can do it: ask one of them.

    <sub>reason: `access-denied`</sub>
    ");
    insta::assert_snapshot!(stage.asks("reader", pull.number, "/rollback staging"), @"
    `/rollback staging`: `reader` may not roll back `staging`.

    - Your role in this repository is `read`; `access.rollback` asks for more.

    **Next**: Everybody with the role `write` or more can do it: ask one of them.

    <sub>reason: `access-denied`</sub>
    ");
    insta::assert_snapshot!(stage.asks("nobody", pull.number, "/status"), @"
    `/status`: `nobody` may not ask this here.

    - Your role in this repository is none.

    **Next**: Everybody with the role `read` or more can: ask one of them.

    <sub>reason: `access-denied`</sub>
    ");
    stage.assert_untouched();
}

#[tokio::test]
async fn pull_requests_that_are_drafts_closed_merged_or_go_elsewhere_are_refused() {
    let stage = stage().await;
    let draft = stage.shop.draft("dev", "Not yet");
    insta::assert_snapshot!(stage.asks("dev", draft.number, "/deploy staging"), @"
    `/deploy staging`: Pull request `#1` is a draft, and `staging` takes none.

    **Next**: Press “Ready for review”, then comment again.

    <sub>reason: `pull-draft`</sub>
    ");
    let closed = stage.pull("Never mind");
    stage.shop.close(closed.number);
    insta::assert_snapshot!(stage.asks("dev", closed.number, "/deploy staging"), @"
    `/deploy staging`: Pull request `#2` is closed.

    **Next**: Reopen it, or deploy a commit of `main` with `/deploy staging --sha <full sha>`. `/rollback staging` works here too.

    <sub>reason: `pull-closed`</sub>
    ");
    let merged = stage.pull("Done");
    stage.shop.merge(merged.number);
    insta::assert_snapshot!(stage.asks("dev", merged.number, "/deploy staging"), @"
    `/deploy staging`: Pull request `#3` is merged already.

    **Next**: Write which commit you mean: `/deploy staging --sha alpha-in-full` for its last commit, or one of `main`.

    <sub>reason: `pull-closed`</sub>
    ");
    stage
        .shop
        .act("commit", json!({"branch": "release-1", "from": "main", "files": {"a": "b"}, "message": "Release 1"}));
    let elsewhere = stage.shop.act("pull", json!({"who": "dev", "title": "Backport", "base": "release-1"}));
    let elsewhere = elsewhere["number"].as_u64().unwrap();
    insta::assert_snapshot!(stage.asks("dev", elsewhere, "/deploy staging"), @"
    `/deploy staging`: Pull request `#4` goes into `release-1`, not into a branch that `staging` takes.

    **Next**: Change its base to `main`, or let the policy allow it (`pull-requests.bases`).

    <sub>reason: `base-not-allowed`</sub>
    ");
    stage.assert_untouched();
    // The merged one goes out when its commit is named.
    stage.brings("dev", merged.number, &format!("/deploy staging --sha {}", merged.sha));
    stage.assert_serves("api-staging", &stage.built(&merged.sha));
}

#[tokio::test]
async fn a_fork_is_refused_until_the_policy_takes_forks_and_a_writer_approved_that_very_commit() {
    let stage = stage().await;
    let fork = stage.shop.pull_from_fork("guest", "From outside");
    stage.built(&fork.sha);
    insta::assert_snapshot!(stage.asks("dev", fork.number, "/deploy staging"), @"
    `/deploy staging`: Pull request `#1` comes from a fork, and `staging` takes none.

    **Next**: Push the branch to this repository and open a pull request from there.

    <sub>reason: `fork-not-allowed`</sub>
    ");
    stage.policy(&policy("    pull-requests: { forks: allow }\n"));
    insta::assert_snapshot!(stage.asks("dev", fork.number, "/deploy staging"), @"
    `/deploy staging`: Nobody who can write here has approved `alpha` of this fork.

    **Next**: Somebody with the role `write` reviews and approves the commit alpha-in-full, then comment again.

    <sub>reason: `fork-not-approved`</sub>
    ");
    stage.shop.review("guest", fork.number, "approved");
    stage.shop.review("reader", fork.number, "approved");
    stage.asks("dev", fork.number, "/deploy staging");
    stage.shop.review("mona", fork.number, "approved");
    let sha = stage.push(fork.number);
    insta::assert_snapshot!(stage.asks("dev", fork.number, "/deploy staging"), @"
    `/deploy staging`: Nobody who can write here has approved `alpha` of this fork.

    - `mona` approved `beta`, an earlier commit.

    **Next**: Somebody with the role `write` reviews and approves the commit alpha-in-full, then comment again.

    <sub>reason: `fork-not-approved`</sub>
    ");
    stage.assert_untouched();
    stage.shop.review("mona", fork.number, "approved");
    stage.brings("dev", fork.number, "/deploy staging");
    stage.assert_serves("api-staging", &stage.built(&sha));
}

#[tokio::test]
async fn a_head_that_the_bot_was_not_told_of_or_that_moved_is_asked_for() {
    let mut stage = Stage::new(Database::Sqlite).await;
    // Opened while nobody listened, and never told.
    stage.github.webhook_to("http://127.0.0.1:9/nowhere");
    let pull = stage.pull("Say hello");
    stage.start();
    stage.github.delivered().await;
    stage.github.webhook_to(&format!("http://127.0.0.1:{}/webhooks/github", stage.port(0)));
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging"), @"
    `/deploy staging`: Which commit do you mean? A comment does not say.

    - GitHub has not told the bot of a push to this pull request before your comment.

    **Next**: To deploy the head as it is now: `/deploy staging --sha alpha-in-full`

    <sub>reason: `head-unknown`</sub>
    ");
    let sha = stage.push(pull.number);
    // The comment arrives with the push after it: whoever wrote it has not seen that one.
    stage.github.hold_deliveries();
    let comment = stage.says("dev", pull.number, "/deploy staging");
    let newer = stage.push(pull.number);
    stage.github.release_deliveries();
    insta::assert_snapshot!(stage.reply(pull.number, comment, 0), @"
    `/deploy staging`: The pull request had the head `alpha` when you commented; now GitHub shows `beta`.

    **Next**: To deploy the head as it is now: `/deploy staging --sha beta-in-full`

    <sub>reason: `head-moved`</sub>
    ");
    insta::assert_snapshot!(stage.asks("dev", pull.number, &format!("/deploy staging --sha {sha}")), @"
    `/deploy staging --sha alpha-in-full`: `alpha` is neither the head of this pull request, which is `beta`, nor on `main`.

    **Next**: To deploy the head as it is now: `/deploy staging --sha beta-in-full`

    <sub>reason: `head-moved`</sub>
    ");
    let unknown = "0123456789012345678901234567890123456789";
    insta::assert_snapshot!(stage.asks("dev", pull.number, &format!("/deploy staging --sha {unknown}")), @"
    `/deploy staging --sha alpha-in-full`: This repository does not know the commit `alpha-in-full`.

    **Next**: Check the commit; it must be pushed here, and written with all 40 characters.

    <sub>reason: `commit-unknown`</sub>
    ");
    stage.assert_untouched();
    stage.brings("dev", pull.number, &format!("/deploy staging --sha {newer}"));
    stage.assert_serves("api-staging", &stage.built(&newer));
}

#[tokio::test]
async fn checks_that_are_missing_pending_or_failed_refuse_until_a_rerun_passes() {
    let stage = with_rules("    checks: required\n").await;
    stage.shop.require_checks(&["test", "lint"]);
    let pull = stage.pull("Say hello");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging"), @"
    `/deploy staging`: `lint` and `test` were never reported for `alpha`, and `staging` asks for them.

    **Next**: See whether their workflow runs for this commit, and whether the names are spelt right in the policy or in branch protection.

    <sub>reason: `checks-missing`</sub>
    ");
    stage.shop.check(&pull.sha, "test", "in_progress");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging"), @"
    `/deploy staging`: `test` has not ended yet on `alpha`.

    - Never reported: `lint`.

    **Next**: Wait for it, then comment again.

    <sub>reason: `checks-pending`</sub>
    ");
    stage.shop.check(&pull.sha, "test", "failure");
    stage.shop.check(&pull.sha, "lint", "success");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging"), @"
    `/deploy staging`: `test` failed on `alpha`.

    **Next**: Mend or re-run it, then comment again.

    <sub>reason: `checks-failed`</sub>
    ");
    stage.assert_untouched();
    stage.shop.check(&pull.sha, "test", "success");
    stage.brings("dev", pull.number, "/deploy staging");
    stage.assert_serves("api-staging", &stage.built(&pull.sha));
}

#[tokio::test]
async fn all_checks_means_at_least_one() {
    let stage = with_rules("    checks: all\n").await;
    let pull = stage.pull("Say hello");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging"), @"
    `/deploy staging`: No check was reported for `alpha`, and `staging` asks that all pass.

    **Next**: Wait until the first check begins, then comment again.

    <sub>reason: `checks-missing`</sub>
    ");
    stage.assert_untouched();
}

#[tokio::test]
async fn missing_reviews_conflicts_and_a_branch_behind_its_base_are_refused() {
    let stage = with_rules("    reviews: required\n    pull-requests: { behind: refuse }\n").await;
    stage.shop.act("protect", json!({"reviews": 1, "checks": []}));
    let pull = stage.pull("Say hello");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging"), @"
    `/deploy staging`: `staging` asks for the reviews of branch protection, and some are missing.

    **Next**: Get the pull request approved, then comment again.

    <sub>reason: `review-missing`</sub>
    ");
    stage.shop.review("mona", pull.number, "changes_requested");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging"), @"
    `/deploy staging`: `staging` asks for the reviews of branch protection, and a reviewer asks for changes.

    **Next**: Settle it with the reviewer, then comment again.

    <sub>reason: `review-missing`</sub>
    ");
    stage.shop.review("mona", pull.number, "approved");
    stage.shop.file("README.md", "Meanwhile");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging"), @"
    `/deploy staging`: The branch lacks commits of `main`, and `staging` asks for all of them.

    **Next**: Press “Update branch”, wait for the checks, then comment again.

    <sub>reason: `behind-base`</sub>
    ");
    stage.shop.act("mergeable", json!({"pull": pull.number, "mergeable": "conflicting"}));
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging"), @"
    `/deploy staging`: The pull request has conflicts with `main`.

    **Next**: Solve them and push, then comment again.

    <sub>reason: `not-mergeable`</sub>
    ");
    stage.shop.act("mergeable", json!({"pull": pull.number, "mergeable": "unknown"}));
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging"), @"
    `/deploy staging`: GitHub has not worked out yet whether the pull request merges into `main`.

    **Next**: Comment `/deploy staging` again in a minute.

    <sub>reason: `not-mergeable`</sub>
    ");
    stage.assert_untouched();
}

#[tokio::test]
async fn production_takes_only_what_was_good_on_staging_for_long_enough() {
    let stage = stage().await;
    stage.policy(&production_policy("    requires: [staging]\n    soak: 1h\n"));
    let pull = stage.pull("Say hello");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy production"), @"
    `/deploy production`: `production` takes what is good on `staging`, and `alpha` is not there.

    **Next**: `/deploy staging --sha alpha-in-full` first; when it is good there, comment again.

    <sub>reason: `requires-missing`</sub>
    ");
    stage.brings("dev", pull.number, "/deploy staging");
    // GitHub's clock runs ahead on this stage, and GitHub tells since when it is good.
    let told = stage.asks("dev", pull.number, "/deploy production").replace("1 h 1 min", "1 h");
    insta::assert_snapshot!(told, @"
    `/deploy production`: `alpha` has been good on `staging` for N s; `production` asks for 1h.

    **Next**: Comment again in 1 h.

    <sub>reason: `soaking`</sub>
    ");
    assert_eq!(stage.world.count("ecs", "UpdateService"), 1, "{}", stage.everything());
}

#[tokio::test]
async fn in_a_freeze_nothing_goes_out_and_everything_may_go_back() {
    let stage = stage().await;
    let pull = stage.pull("Say hello");
    stage.brings("dev", pull.number, "/deploy staging");
    stage.push(pull.number);
    stage.brings("dev", pull.number, "/deploy staging");
    let windows = "{ from: Mon 00:00, to: Thu 12:00, zone: UTC }, { from: Thu 12:00, to: Mon 00:00, zone: UTC }";
    stage.policy(&policy(&format!("    freeze: [{windows}]\n")));
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging"), @"
    `/deploy staging`: `staging` is frozen all week: its windows leave no gap.

    **Next**: Change `freeze` in the policy on the default branch.

    <sub>reason: `frozen`</sub>
    ");
    stage.brings("dev", pull.number, "/rollback staging");
    stage.assert_serves("api-staging", &stage.built(&pull.sha));
}

#[tokio::test]
async fn a_busy_environment_refuses_a_second_where_the_policy_says_so() {
    let stage = with_rules("    queue: refuse\n").await;
    let (first, second) = (stage.pull("First"), stage.pull("Second"));
    stage.goes(&stage.built(&first.sha), Behaviour::Healthy { after_ms: Some(60_000), drain_ms: None, lines: vec![] });
    stage.says("dev", first.number, "/deploy staging");
    stage.until("the change", || (stage.world.count("ecs", "UpdateService") > 0).then_some(()));
    insta::assert_snapshot!(stage.asks("mona", second.number, "/deploy staging"), @"
    `/deploy staging`: A deployment that `dev` asked for N s ago is on its way to `staging`.

    - The policy says `queue: refuse`.

    **Next**: Comment again when it is over, or stop it with `/cancel staging`.

    <sub>reason: `busy`</sub>
    ");
    assert_eq!(stage.world.count("ecs", "UpdateService"), 1, "{}", stage.everything());
}

#[tokio::test]
async fn of_those_that_wait_the_newest_runs_and_the_older_is_told() {
    let stage = stage().await;
    let (first, second, third) = (stage.pull("First"), stage.pull("Second"), stage.pull("Third"));
    stage.goes(&stage.built(&first.sha), Behaviour::Healthy { after_ms: Some(6_000), drain_ms: None, lines: vec![] });
    stage.says("dev", first.number, "/deploy staging");
    stage.until("the change", || (stage.world.count("ecs", "UpdateService") > 0).then_some(()));
    let replaced = stage.says("dev", second.number, "/deploy staging");
    stage.until("that it waits", || stage.shown(second.number, replaced));
    let started = stage.says("mona", third.number, "/deploy staging");
    insta::assert_snapshot!(stage.end_of(second.number, replaced), @"
    ### staging ← `alpha` · superseded by a newer command, nothing was changed

    dev [asked](http://127.0.0.1:N/acme/shop/pull/2#issuecomment-N) at DATE UTC · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full)

    A newer command of `mona` in `#3` took its place in the queue of `staging`.

    **Next**: Comment again if it is still wanted. Nothing was changed for this one.

    <sub>reason: `replaced`</sub>
    ");
    stage.until("the queued one to serve", || {
        stage.shown(third.number, started).filter(|shown| shown.contains("serves after"))
    });
    stage.assert_serves("api-staging", &stage.built(&third.sha));
    assert_eq!(stage.states("staging").len(), 2, "{}", stage.everything());
}

#[tokio::test]
async fn somebody_elses_deployment_under_way_is_not_disturbed() {
    let stage = stage().await;
    let pull = stage.pull("Say hello");
    stage.shop.foreign_deployment("mona", &pull.sha, "staging", "in_progress");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging"), @"
    `/deploy staging`: A GitHub Deployment of `mona` is in progress on `staging`.

    - It brings `alpha` and has been in progress for N s (GitHub Deployment `N`).

    **Next**: Wait for its end or cancel its workflow run, then comment again. If nothing runs any more, set its status to `inactive`.

    <sub>reason: `foreign-deployment`</sub>
    ");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/rollback staging"), @"
    `/rollback staging`: A GitHub Deployment of `mona` is in progress on `staging`.

    - It brings `alpha` and has been in progress for N s (GitHub Deployment `N`).

    **Next**: Wait for its end or cancel its workflow run, then comment again. If nothing runs any more, set its status to `inactive`.

    <sub>reason: `foreign-deployment`</sub>
    ");
    stage.assert_untouched();
}

#[tokio::test]
async fn too_many_commands_are_answered_once() {
    let stage = stage().await;
    let pull = stage.pull("Say hello");
    let many = ["/status"; 11].join("\n");
    insta::assert_snapshot!(stage.asks("dev", pull.number, &many), @"
    The comment holds more than 10 commands; none of them was carried out.

    **Next**: Write at most 10 commands into one comment.

    <sub>reason: `usage`</sub>
    ");
    for _ in 0..20 {
        stage.says("dev", pull.number, "/status moon");
    }
    let told = stage.answer(pull.number, "too-many-commands");
    insta::assert_snapshot!(plain(&told.body), @"
    `/status moon`: These are too many commands in a short time, so nothing was done.

    **Next**: Wait a minute, then comment again. Until then there is no answer.

    <sub>reason: `too-many-commands`</sub>
    ");
    stage.github.delivered().await;
    let answers = stage.answers(pull.number);
    assert_eq!(answers.iter().filter(|answer| answer.body.contains("too-many-commands")).count(), 1);
}

#[tokio::test]
async fn characters_that_deceive_are_refused_and_named() {
    let stage = stage().await;
    let pull = stage.pull("Say hello");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/d\u{435}ploy staging"), @"
    `/dеploy staging`: Character 3 of the line is U+0435: it looks like `e` and is another character.

    **Next**: Type the line again in a new comment, in plain ASCII, instead of pasting it.

    <sub>reason: `confusable-text`</sub>
    ");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy\u{a0}staging"), @"
    `/deploy staging`: Character 8 of the line is U+00A0: it looks like a space and is none.

    **Next**: Write an ordinary space there.

    <sub>reason: `confusable-text`</sub>
    ");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy sta\u{200b}ging"), @"
    `/deploy staging`: Character 12 of the line is U+200B: it cannot be seen.

    **Next**: Type the line again in a new comment, in plain ASCII, instead of pasting it.

    <sub>reason: `confusable-text`</sub>
    ");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging \u{2014}sha x"), @"
    `/deploy staging —sha x`: Character 17 of the line is U+2014: a dash that is not `-`.

    **Next**: Write `-`, and `--` before an option; some keyboards replace them on their own.

    <sub>reason: `confusable-text`</sub>
    ");
    stage.assert_untouched();
}

#[tokio::test]
async fn an_image_that_is_missing_or_of_another_commit_is_not_deployed() {
    let stage = stage().await;
    let pull = stage.shop.pull("dev", "Not built");
    insta::assert_snapshot!(stage.brings("dev", pull.number, "/deploy staging"), @"
    ### staging ← `alpha` · refused, nothing was changed: There is no image of `alpha` for `api`.

    dev [asked](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full)

    **Next**: Push it with the tag `alpha-in-full` and the label `org.opencontainers.image.revision`, or name a workflow that does in the policy: `build: { workflow: build.yml }`.

    <sub>reason: `image-missing`</sub>
    ");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/plan staging"), @"
    `/plan staging`: There is no image of `alpha` for `api`.

    **Next**: Push it with the tag `alpha-in-full` and the label `org.opencontainers.image.revision`, or name a workflow that does in the policy: `build: { workflow: build.yml }`.

    <sub>reason: `image-missing`</sub>
    ");
    let other = stage.pull("Built");
    stage.image(&pull.sha, Some(&other.sha));
    insta::assert_snapshot!(stage.brings("dev", pull.number, "/deploy staging"), @"
    ### staging ← `alpha` · refused, nothing was changed: `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api:alpha-in-full` is not the image of `alpha`: its label says `beta`.

    dev [asked](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full)

    **Next**: Build and push the image of this commit with that label (`shipline build` and docs/bot.md do), then try again.

    <sub>reason: `image-of-another-commit`</sub>
    ");
    stage.assert_untouched();
}

#[tokio::test]
async fn a_place_belongs_to_the_repository_that_deployed_there_first() {
    let stage = stage().await;
    let pull = stage.pull("Say hello");
    stage.brings("dev", pull.number, "/deploy staging");
    let served = stage.serving("api-staging").unwrap();
    let other = stage.github.repository("acme/other");
    other.user("dev", Role::Write);
    other.file(".github/shipline.yml", POLICY);
    let theirs = other.pull("dev", "Take it over");
    stage.built(&theirs.sha);
    stage.github.advance(Duration::from_secs(4));
    other.says("dev", theirs.number, "/deploy staging");
    let answer = stage.until("the answer", || {
        let said = other.conversation(theirs.number);
        said.into_iter().find(|said| said.author.ends_with("[bot]") && said.body.contains("place-taken"))
    });
    insta::assert_snapshot!(plain(&answer.body), @"
    ### staging ← `alpha` · refused, nothing was changed: A service of this environment runs where another repository deploys.

    dev [asked](http://127.0.0.1:N/acme/other/pull/1#issuecomment-N) at DATE UTC · commit [`alpha`](http://127.0.0.1:N/acme/other/commit/alpha-in-full)

    - `ecs/us-east-1/111122223333/pmis/api-staging`

    **Next**: Correct `cluster` and `service` in the policy. If the service really changed hands, the bot's administrator can say so (docs/bot-security.md).

    <sub>reason: `place-taken`</sub>
    ");
    stage.assert_serves("api-staging", &served);
}

#[tokio::test]
async fn a_repository_uses_only_what_the_administrators_list_gives_it() {
    let mut stage = Stage::new(Database::Sqlite).await;
    let list = stage.keep("allow.yml", "repositories:\n  acme/shop: { regions: [eu-central-1] }\n");
    stage.set("SHIPLINE_ALLOW_FILE", &list);
    stage.start();
    let pull = stage.pull("Say hello");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging"), @"
    `/deploy staging`: `acme/shop` may not use the region `us-east-1`.

    - Allowed are `eu-central-1`.

    **Next**: Correct `aws` of the environment on the default branch, or ask the bot's administrator to add it to the allow-list.

    <sub>reason: `not-on-allow-list`</sub>
    ");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/rollback staging"), @"
    `/rollback staging`: `acme/shop` may not use the region `us-east-1`.

    - Allowed are `eu-central-1`.

    **Next**: Correct `aws` of the environment on the default branch, or ask the bot's administrator to add it to the allow-list.

    <sub>reason: `not-on-allow-list`</sub>
    ");
    let other = stage.github.repository("acme/other");
    other.user("dev", Role::Write);
    other.file(".github/shipline.yml", POLICY);
    let theirs = other.pull("dev", "Me too");
    stage.built(&theirs.sha);
    stage.github.advance(Duration::from_secs(4));
    other.says("dev", theirs.number, "/deploy staging");
    let answer = stage.until("the answer", || {
        other.conversation(theirs.number).into_iter().find(|said| said.author.ends_with("[bot]"))
    });
    insta::assert_snapshot!(plain(&answer.body), @"
    `/deploy staging`: `acme/other` may not deploy with this bot.

    - It is not on the allow-list with its number, N.

    **Next**: Ask the bot's administrator to put the repository on the allow-list.

    <sub>reason: `not-on-allow-list`</sub>
    ");
    stage.assert_untouched();
}

#[tokio::test]
async fn an_edited_comment_and_a_command_in_a_quote_or_code_do_nothing() {
    let stage = stage().await;
    let pull = stage.pull("Say hello");
    let comment = stage.says("dev", pull.number, "Soon");
    stage.shop.edits("dev", comment, "/deploy staging");
    stage.says("dev", pull.number, "> /deploy staging\n\n```\n/deploy staging\n```\n\n<!--\n/deploy staging\n-->");
    // Whatever came before this one has been worked on when it is answered.
    stage.asks("dev", pull.number, "/status");
    assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
    stage.assert_untouched();
}
