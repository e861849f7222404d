//! What cannot be known or is gone: the bot refuses then, says what is missing, and changes nothing.

use shipline_test_support::{Fault, FaultKind};

use crate::stage::{Database, POLICY, Stage};

async fn stage() -> Stage {
    Stage::with_bot(Database::Sqlite).await
}

#[tokio::test]
async fn a_commit_that_is_on_no_released_branch_is_refused_outside_of_its_pull_request() {
    let stage = stage().await;
    let pull = stage.pull("Say hello");
    let issue = stage.shop.issue("dev", "Ship it");
    insta::assert_snapshot!(stage.asks("dev", issue, &format!("/deploy staging --sha {}", pull.sha)), @"
    `/deploy staging --sha alpha-in-full`: `alpha` is not on `main`.

    **Next**: Merge it first, or write `/deploy staging` in the open pull request whose newest commit it is.

    <sub>reason: `commit-not-releasable`</sub>
    ");
    stage.assert_untouched();
}

#[tokio::test]
async fn a_comment_that_is_deleted_before_it_is_worked_on_does_nothing() {
    let stage = stage().await;
    let pull = stage.pull("Say hello");
    stage.github.hold_deliveries();
    let comment = stage.says("dev", pull.number, "/deploy staging");
    stage.shop.deletes("dev", comment);
    stage.github.release_deliveries();
    // Whatever came before this one has been worked on when it is answered.
    stage.asks("dev", pull.number, "/status");
    assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
    stage.assert_untouched();
}

#[tokio::test]
async fn a_service_that_does_not_exist_is_refused_with_its_name() {
    let stage = stage().await;
    stage.policy(&POLICY.replace("service: api-staging", "service: api-stagin"));
    let pull = stage.pull("Say hello");
    insta::assert_snapshot!(stage.brings("dev", pull.number, "/deploy staging"), @"
    ### staging ← `alpha` · refused, nothing was changed: api: there is no ECS service api-stagin in cluster pmis (us-east-1)

    dev [asked](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full)

    **Next**: Set `service` to one that exists there: `api-staging`, `api-production`.

    <sub>reason: `provider-failed`</sub>
    ");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/status staging"), @"
    ### What runs where

    **staging** · no deployment by the bot is known there

    The provider could not be asked what serves now: api: ecs:DescribeServices: the service api-stagin is not in cluster pmis any more

    Last: `alpha` ✗ `provider-failed` (N s ago)
    ");
    stage.assert_untouched();
}

#[tokio::test]
async fn what_aws_denies_is_told_and_nothing_is_changed() {
    let stage = stage().await;
    let pull = stage.pull("Say hello");
    stage.world.fault(Fault::on("ecs", "DescribeServices", FaultKind::Deny));
    insta::assert_snapshot!(stage.brings("dev", pull.number, "/deploy staging"), @r#"
    ### staging ← `alpha` · refused, nothing was changed: api: ecs:DescribeServices was refused: `ecs:DescribeServices` is not allowed on \*.

    dev [asked](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full)

    - User: arn:aws:iam::111122223333:user/deployer is not authorized to perform: ecs:DescribeServices on resource: \* because no identity-based policy allows the ecs:DescribeServices action
    - code: AccessDeniedException
    - request id: 5a1f7c1e-0000-4000-a000-N

    **Next**: Add this statement to the policy of arn:aws:iam::111122223333:user/deployer (docs/permissions.md), then run again: {"Effect":"Allow","Action":"ecs:DescribeServices","Resource":"\*"}

    <sub>reason: `provider-failed`</sub>
    "#);
    stage.assert_untouched();
}
