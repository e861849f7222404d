//! A release whose image is missing: the bot starts the build workflow of the default branch, waits
//! for its end, and believes only what is in the registry then.

use std::time::Duration;

use shipline_test_support::{Pull, Run};

use crate::stage::{Database, POLICY, Stage};
use crate::told::plain;

async fn stage() -> Stage {
    let stage = Stage::with_bot(Database::Sqlite).await;
    stage.policy(&format!("{POLICY}build: {{ workflow: build.yml }}\n"));
    stage
}

/// A pull request that nobody has built yet.
fn unbuilt(stage: &Stage) -> Pull {
    let pull = stage.shop.pull("dev", "Say hello");
    stage.github.advance(Duration::from_secs(2));
    pull
}

/// The run of the build, when it was dispatched.
fn dispatched(stage: &Stage) -> Run {
    stage.until("the build", || stage.shop.runs().into_iter().next())
}

#[tokio::test]
async fn a_missing_image_is_built_by_the_workflow_and_deployed() {
    let stage = stage().await;
    stage.shop.building_workflow("build.yml", "sha", &["pmis/api"], Duration::from_secs(3));
    let pull = unbuilt(&stage);
    let comment = stage.says("dev", pull.number, "/deploy staging");
    let shown = stage.until("that it is being built", || {
        stage.shown(pull.number, comment).filter(|shown| shown.contains("makes it"))
    });
    insta::assert_snapshot!(plain(&shown), @"
    ### staging ← `alpha` · building

    dev [asked](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) N s ago · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full)

    The image of this commit is not in the registry yet: [the build workflow](http://127.0.0.1:N/acme/shop/actions/runs/N) makes it.

    Cancel: `/cancel staging`

    <details><summary>Timeline</summary> … </details>
    ");
    insta::assert_snapshot!(stage.end_of(pull.number, comment), @"
    ### staging ← `alpha` serves after N s

    dev [asked](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC · 1 service · plan `plan` · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full) · [Deployment](http://127.0.0.1:N/acme/shop/deployments/staging)

    | service | before | after | state | image | |
    | --- | --- | --- | --- | --- | --- |
    | api | `api-staging:1` | `alpha` | ✓ serving | built | [console](https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/pmis/services/api-staging?region=us-east-1) |

    Back: `/rollback staging`

    <details><summary>1 changed field</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | api | `containers.app.image` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` |

    </details>

    <details><summary>Timeline</summary> … </details>
    ");
    let runs = stage.shop.runs();
    assert_eq!(runs.len(), 1, "{runs:#?}");
    assert_eq!((runs[0].branch.as_str(), runs[0].inputs["sha"].as_str()), ("main", pull.sha.as_str()));
    assert_eq!((runs[0].inputs["environment"].as_str(), runs[0].inputs["services"].as_str()), ("staging", "api"));
    // What the workflow pushed serves; a second deploy finds it.
    assert_eq!(stage.world.count("ecs", "UpdateService"), 1, "{}", stage.everything());
    stage.brings("dev", pull.number, "/deploy production");
    assert_eq!(stage.shop.runs().len(), 1, "{}", stage.everything());
}

#[tokio::test]
async fn a_build_that_fails_deploys_nothing_and_its_run_is_named() {
    let stage = stage().await;
    stage.shop.workflow("build.yml");
    let pull = unbuilt(&stage);
    let comment = stage.says("dev", pull.number, "/deploy staging");
    stage.shop.finish(dispatched(&stage).id, "failure");
    insta::assert_snapshot!(stage.end_of(pull.number, comment), @"
    ### staging ← `alpha` · refused, nothing was changed: The build workflow ended with `failure`; there is no image of `alpha` for `api`.

    dev [asked](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full)

    - [the workflow's run](http://127.0.0.1:N/acme/shop/actions/runs/N)

    **Next**: Mend the build, then deploy again.

    <sub>reason: `build-failed`</sub>

    <details><summary>Timeline</summary> … </details>
    ");
    stage.assert_untouched();
}

#[tokio::test]
async fn a_build_that_was_cancelled_deploys_nothing() {
    let stage = stage().await;
    stage.shop.workflow("build.yml");
    let pull = unbuilt(&stage);
    let comment = stage.says("dev", pull.number, "/deploy staging");
    stage.shop.finish(dispatched(&stage).id, "cancelled");
    insta::assert_snapshot!(stage.end_of(pull.number, comment), @"
    ### staging ← `alpha` · refused, nothing was changed: The build workflow ended with `cancelled`; there is no image of `alpha` for `api`.

    dev [asked](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full)

    - [the workflow's run](http://127.0.0.1:N/acme/shop/actions/runs/N)

    **Next**: Mend the build, then deploy again.

    <sub>reason: `build-failed`</sub>

    <details><summary>Timeline</summary> … </details>
    ");
    stage.assert_untouched();
}

#[tokio::test]
async fn a_build_that_ends_well_without_an_image_is_not_believed() {
    let stage = stage().await;
    stage.shop.workflow("build.yml");
    let pull = unbuilt(&stage);
    let comment = stage.says("dev", pull.number, "/deploy staging");
    stage.shop.finish(dispatched(&stage).id, "success");
    insta::assert_snapshot!(stage.end_of(pull.number, comment), @"
    ### staging ← `alpha` · refused, nothing was changed: The build workflow ended well, but there is no image of `alpha` for `api`.

    dev [asked](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full)

    - [the workflow's run](http://127.0.0.1:N/acme/shop/actions/runs/N)

    **Next**: Let it push each image with the full commit as its tag and in the label `org.opencontainers.image.revision`.

    <sub>reason: `build-failed`</sub>

    <details><summary>Timeline</summary> … </details>
    ");
    stage.assert_untouched();
}

#[tokio::test]
async fn an_image_that_the_build_labelled_as_another_commit_is_not_deployed() {
    let stage = stage().await;
    stage.shop.workflow("build.yml");
    let (other, pull) = (stage.pull("Another"), unbuilt(&stage));
    let comment = stage.says("dev", pull.number, "/deploy staging");
    let run = dispatched(&stage);
    stage.image(&pull.sha, Some(&other.sha));
    stage.shop.finish(run.id, "success");
    insta::assert_snapshot!(stage.end_of(pull.number, comment), @"
    ### staging ← `alpha` · refused, nothing was changed: `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api:alpha-in-full` is not the image of `alpha`: its label says `beta`.

    dev [asked](http://127.0.0.1:N/acme/shop/pull/2#issuecomment-N) at DATE UTC · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full)

    **Next**: Build and push the image of this commit with that label (`shipline build` and docs/bot.md do), then try again.

    <sub>reason: `image-of-another-commit`</sub>

    <details><summary>Timeline</summary> … </details>
    ");
    stage.assert_untouched();
}

#[tokio::test]
async fn a_deployment_that_is_cancelled_while_it_is_built_changes_nothing() {
    let stage = stage().await;
    stage.shop.workflow("build.yml");
    let pull = unbuilt(&stage);
    let comment = stage.says("dev", pull.number, "/deploy staging");
    dispatched(&stage);
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/cancel"), @"Cancelling `staging` ← `alpha`, which dev asked for. Nothing has been changed for it yet; its own comment says how it ends.");
    insta::assert_snapshot!(stage.end_of(pull.number, comment), @"
    ### staging ← `alpha` · cancelled, nothing was changed

    dev [asked](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full)

    Cancelled by dev before anything was changed.

    - The build workflow is not stopped; its images are used next time.

    **Next**: `/deploy staging` starts again.

    <sub>reason: `cancelled`</sub>

    <details><summary>Timeline</summary> … </details>
    ");
    stage.assert_untouched();
}

#[tokio::test]
async fn a_workflow_that_is_not_there_is_told_with_what_it_needs() {
    let stage = stage().await;
    let pull = unbuilt(&stage);
    insta::assert_snapshot!(stage.brings("dev", pull.number, "/deploy staging"), @"
    ### staging ← `alpha` · refused, nothing was changed: The build workflow `build.yml` could not be started: GitHub knows no workflow `build.yml` in this repository.

    dev [asked](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full)

    - It needs `workflow_dispatch` with the inputs `sha`, `environment`, `services` and `deployment` on the default branch (workflows/ has one to copy).

    **Next**: Add it to `.github/workflows` of the default branch, or correct its name in the policy.

    <sub>reason: `build-failed`</sub>
    ");
    stage.assert_untouched();
}
