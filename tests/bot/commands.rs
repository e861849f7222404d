//! Every command as people write it, and every word of its answer.

use shipline_test_support::{Behaviour, Role};

use crate::stage::{Database, Stage};
use crate::told::plain;

/// Two services in each environment, both from `pmis/api`.
const TWO: &str = "\
version: 1
services:
  api: { image: { repository: pmis/api } }
  worker: { image: { repository: pmis/api } }
environments:
  staging:
    aws: { region: us-east-1 }
    services:
      api: { ecs: { cluster: pmis, service: api-staging, container: app } }
      worker: { ecs: { cluster: pmis, service: worker-staging, container: app } }
";

async fn two_services() -> Stage {
    let stage = Stage::with_bot(Database::Sqlite).await;
    stage.service("worker-staging");
    stage.policy(TWO);
    stage
}

fn slow(stage: &Stage, image: &str) {
    stage.goes(image, Behaviour::Healthy { after_ms: Some(60_000), drain_ms: None, lines: Vec::new() });
}

#[tokio::test]
async fn deploy_with_a_reason_tells_who_what_why_and_the_way_back() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    let told = stage.brings("dev", pull.number, "/deploy staging --reason \"fix the login\"");
    insta::assert_snapshot!(told, @"
    ### staging ← `alpha` serves after N s

    dev [asked](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC: “fix the login” · 1 service · plan `plan` · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full) · [Deployment](http://127.0.0.1:N/acme/shop/deployments/staging)

    | service | before | after | state | image | |
    | --- | --- | --- | --- | --- | --- |
    | api | `api-staging:1` | `alpha` | ✓ serving | was already built | [console](https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/pmis/services/api-staging?region=us-east-1) |

    Back: `/rollback staging`

    <details><summary>1 changed field</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | api | `containers.app.image` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` |

    </details>

    <details><summary>Timeline</summary> … </details>
    ");
    let comment = stage.answers(pull.number).remove(0).body;
    assert_eq!(comment.matches("taken up").count(), 1, "{comment}");
}

#[tokio::test]
async fn deploy_from_an_issue_asks_for_a_commit_and_takes_one_of_the_default_branch() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let sha = stage.shop.file("README.md", "Hello");
    let image = stage.built(&sha);
    let issue = stage.shop.issue("dev", "Ship it");
    insta::assert_snapshot!(stage.asks("dev", issue, "/deploy staging"), @"
    `/deploy staging`: This is not a pull request, so there is no commit to deploy.

    **Next**: Write which commit of `main` you mean: `/deploy staging --sha <full sha>`, or comment in the pull request.

    <sub>reason: `not-a-pull-request`</sub>
    ");
    stage.assert_untouched();
    let told = stage.brings("dev", issue, &format!("/deploy staging --sha {sha}"));
    insta::assert_snapshot!(told, @"
    ### staging ← `alpha` serves after N s

    dev [asked](http://127.0.0.1:N/acme/shop/issues/1#issuecomment-N) at DATE UTC · 1 service · plan `plan` · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full) · [Deployment](http://127.0.0.1:N/acme/shop/deployments/staging)

    | service | before | after | state | image | |
    | --- | --- | --- | --- | --- | --- |
    | api | `api-staging:1` | `alpha` | ✓ serving | was already built | [console](https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/pmis/services/api-staging?region=us-east-1) |

    Back: `/rollback staging`

    <details><summary>1 changed field</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | api | `containers.app.image` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` |

    </details>

    <details><summary>Timeline</summary> … </details>
    ");
    stage.assert_serves("api-staging", &image);
}

#[tokio::test]
async fn deploy_of_one_service_leaves_the_others_alone() {
    let stage = two_services().await;
    let (api, pull) = (stage.serving("api-staging").unwrap(), stage.pull("Say hello"));
    let told = stage.brings("dev", pull.number, "/deploy staging worker");
    insta::assert_snapshot!(told, @"
    ### staging ← `alpha` serves after N s

    dev [asked](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC · 1 service · plan `plan` · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full) · [Deployment](http://127.0.0.1:N/acme/shop/deployments/staging)

    | service | before | after | state | image | |
    | --- | --- | --- | --- | --- | --- |
    | worker | `worker-staging:1` | `alpha` | ✓ serving | was already built | [console](https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/pmis/services/worker-staging?region=us-east-1) |

    Back: `/rollback staging`

    <details><summary>1 changed field</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | worker | `containers.app.image` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` |

    </details>

    <details><summary>Timeline</summary> … </details>
    ");
    stage.assert_serves("api-staging", &api);
    stage.assert_serves("worker-staging", &stage.built(&pull.sha));
}

#[tokio::test]
async fn plan_shows_what_would_change_and_what_is_in_the_way_and_changes_nothing() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/plan staging"), @"
    ### staging ← `alpha` · plan `plan`

    1 service would change. Nothing has been changed yet.

    | service | now | would be | changes | image |
    | --- | --- | --- | --- | --- |
    | api | `api-staging:1` | `alpha` | 1 field | was already built |

    Nothing stands in the way: `/deploy staging`

    <details><summary>1 changed field</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | api | `containers.app.image` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` |

    </details>
    ");
    stage.asks("mona", pull.number, "/lock staging Looking at the logs");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/plan staging"), @"
    ### staging ← `alpha` · plan `plan`

    1 service would change. Nothing has been changed yet.

    | service | now | would be | changes | image |
    | --- | --- | --- | --- | --- |
    | api | `api-staging:1` | `alpha` | 1 field | was already built |

    **In the way now:**

    - `staging` was locked by `mona` N s ago.

    <details><summary>1 changed field</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | api | `containers.app.image` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` |

    </details>
    ");
    stage.assert_untouched();
}

#[tokio::test]
async fn status_and_history_tell_what_runs_where_and_who_put_it_there() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/status"), @"
    ### What runs where

    **production** · no deployment by the bot is known there

    | service | serves | commit | |
    | --- | --- | --- | --- |
    | api | `api-production:1` |  |  |

    **staging** · no deployment by the bot is known there

    | service | serves | commit | |
    | --- | --- | --- | --- |
    | api | `api-staging:1` |  |  |
    ");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/history staging"), @"
    ### staging · history

    Nothing has been deployed there by the bot.
    ");
    stage.brings("dev", pull.number, "/deploy staging --reason \"say hello\"");
    let sha = stage.push(pull.number);
    stage.breaks(&stage.built(&sha));
    stage.brings("mona", pull.number, "/deploy staging");
    // GitHub is told a moment before it is written down.
    let ended = || stage.audit().iter().filter(|entry| entry["action"] == "deployment-ended").count();
    stage.until("both are over", || (ended() == 2).then_some(()));
    insta::assert_snapshot!(stage.asks("reader", pull.number, "/status staging"), @"
    ### What runs where

    **staging** ← `alpha` since DATE UTC (N s ago), by dev

    | service | serves | commit | |
    | --- | --- | --- | --- |
    | api | `api-staging:2` | `alpha` | ✓ |

    Last: `beta` ✗ failed, rolled back (N s ago)
    ");
    insta::assert_snapshot!(stage.asks("reader", pull.number, "/history staging"), @"
    ### staging · history

    | release | what | who | when | how it ended | took |
    | --- | --- | --- | --- | --- | --- |
    | `alpha` | deploy | mona | DATE UTC (N s ago) | ✗ failed, rolled back | N s |
    | `beta` | deploy: “say hello” | dev | DATE UTC (N s ago) | ✓ serves | N s |
    ");
}

#[tokio::test]
async fn help_is_the_table_of_commands() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    insta::assert_snapshot!(stage.asks("reader", pull.number, "/help"), @r#"
    ### Commands

    Write one at the beginning of a line of a new comment; edited comments never run.

    | command | does | who |
    | --- | --- | --- |
    | `/deploy <env> [service…] [--sha <sha>] [--reason "…"]` | Put the pull request's head, or that commit, on the environment | `access.deploy` |
    | `/plan <env> [service…] [--sha <sha>]` | Show what `/deploy` would change and what it would wait for | `access.deploy` |
    | `/approve [env] [--sha <sha>]` | Say yes to the deployment that waits for approval | `access.approve` |
    | `/reject [env] [reason]` | Say no to it | `access.approve` |
    | `/promote [env]` | Finish a canary now | `access.approve` |
    | `/pause [env]` | Hold a canary where it is | `access.approve` |
    | `/resume [env]` | Go on with a canary | `access.approve` |
    | `/cancel [env]` | Stop the running or waiting deployment and take traffic back | `access.deploy` |
    | `/rollback <env> [service…] [to <sha\|release\|N>] [--no-lock]` | Go back to the last good release, or to one that was good there; locks the environment unless `--no-lock` | `access.rollback` |
    | `/lock <env> [--until 2h] [reason]` | Hold the environment: nobody deploys there | `access.lock` |
    | `/unlock <env> [--force reason]` | Let the environment go; `--force` for somebody else's lock | `access.lock` |
    | `/status [env]` | Show what runs where and who put it there | whoever can read the repository |
    | `/history <env>` | Show the last ten deployments | whoever can read the repository |
    | `/help` | Show this table | whoever can read the repository |

    `access.…` are keys of the environment's `access` in `.github/shipline.yml` on the default branch. Without `--sha` a deployment puts the pull request's head there, as it was when the comment was written.
    "#);
}

#[tokio::test]
async fn a_lock_holds_for_everybody_but_its_holder_until_it_is_let_go_or_taken() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    stage.shop.user("ann", Role::Maintain);
    let pull = stage.pull("Say hello");
    let number = pull.number;
    insta::assert_snapshot!(stage.asks("dev", number, "/unlock staging"), @"
    `/unlock staging`: `dev` may not lock or unlock `staging`.

    - Your role in this repository is `write`; `access.lock` asks for more.

    **Next**: Everybody with the role `maintain` or more can do it: ask one of them.

    <sub>reason: `access-denied`</sub>
    ");
    insta::assert_snapshot!(stage.asks("mona", number, "/unlock staging"), @"
    `/unlock staging`: `staging` is not locked.

    **Next**: Nothing has to be done: `/deploy staging` is not held up by a lock.

    <sub>reason: `not-locked`</sub>
    ");
    insta::assert_snapshot!(stage.asks("mona", number, "/lock staging --until 2h Moving the database"), @"
    🔒 `staging` is locked by mona until DATE UTC (for 2 h): “Moving the database”

    Nobody else deploys or goes back there meanwhile. Let it go: `/unlock staging`
    ");
    insta::assert_snapshot!(stage.asks("dev", number, "/deploy staging"), @"
    `/deploy staging`: `staging` was locked by `mona` N s ago and stays locked for another 2 h.

    - The reason given: Moving the database

    **Next**: Ask `mona`, or if it cannot wait, somebody who may unlock writes `/unlock staging --force <reason>`.

    <sub>reason: `locked`</sub>
    ");
    insta::assert_snapshot!(stage.asks("ann", number, "/lock staging"), @"
    `/lock staging`: `mona` holds the lock of `staging`.

    - The reason given: Moving the database

    **Next**: Ask `mona` to `/unlock staging`, or take it away with `/unlock staging --force <reason>`.

    <sub>reason: `lock-of-another`</sub>
    ");
    insta::assert_snapshot!(stage.asks("ann", number, "/unlock staging"), @"
    `/unlock staging`: `mona` holds the lock of `staging`.

    - The reason given: Moving the database

    **Next**: Ask `mona` to `/unlock staging`, or take it away with `/unlock staging --force <reason>`.

    <sub>reason: `lock-of-another`</sub>
    ");
    insta::assert_snapshot!(stage.asks("mona", number, "/lock staging"), @"
    🔒 `staging` is locked by mona until somebody unlocks it.

    Nobody else deploys or goes back there meanwhile. Let it go: `/unlock staging`
    ");
    stage.assert_untouched();
    stage.brings("mona", number, "/deploy staging");
    stage.assert_serves("api-staging", &stage.built(&pull.sha));
    insta::assert_snapshot!(stage.asks("ann", number, "/unlock staging --force She is on leave"), @"
    🔓 ann removed the lock of mona on `staging`: “She is on leave”

    It had been held since DATE UTC.
    ");
    insta::assert_snapshot!(stage.asks("ann", number, "/lock staging"), @"
    🔒 `staging` is locked by ann until somebody unlocks it.

    Nobody else deploys or goes back there meanwhile. Let it go: `/unlock staging`
    ");
    insta::assert_snapshot!(stage.asks("ann", number, "/unlock staging"), @"
    🔓 ann let `staging` go.

    It had been held since DATE UTC.
    ");
}

#[tokio::test]
async fn cancel_while_it_rolls_takes_back_what_was_changed() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let before = stage.serving("api-staging").unwrap();
    let pull = stage.pull("Say hello");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/cancel staging"), @"
    `/cancel staging`: No deployment is running or waiting on `staging`.

    **Next**: See what runs with `/status`. To go back to what served before: `/rollback <env>`.

    <sub>reason: `nothing-to-cancel`</sub>
    ");
    slow(&stage, &stage.built(&pull.sha));
    let comment = stage.says("dev", pull.number, "/deploy staging");
    stage.until("the change", || (stage.world.count("ecs", "UpdateService") > 0).then_some(()));
    insta::assert_snapshot!(stage.asks("reader", pull.number, "/cancel staging"), @"
    `/cancel staging`: `reader` may not deploy to `staging`.

    - Your role in this repository is `read`; `access.deploy` asks for more.

    **Next**: Everybody with the role `write` or more can do it: ask one of them.

    <sub>reason: `access-denied`</sub>
    ");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/cancel staging"), @"Cancelling `staging` ← `alpha`, which dev asked for. What it has changed is taken back; its own comment says how it ends.");
    insta::assert_snapshot!(stage.end_of(pull.number, comment), @"
    ### staging ← `alpha` was cancelled after N s · `api-staging:1` serves again

    dev [asked](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC · 1 service · plan `plan` · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full) · [Deployment](http://127.0.0.1:N/acme/shop/deployments/staging)

    | service | before | after | state | image | |
    | --- | --- | --- | --- | --- | --- |
    | api | `api-staging:1` | `alpha` | ↩ restored | was already built | [console](https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/pmis/services/api-staging?region=us-east-1) |

    dev cancelled it.

    <details><summary>1 changed field</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | api | `containers.app.image` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` |

    </details>

    <details><summary>Timeline</summary> … </details>
    ");
    stage.until("what served before", || (stage.serving("api-staging")? == before).then_some(()));
}

#[tokio::test]
async fn a_second_deployment_waits_and_cancel_ends_both() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let (first, second) = (stage.pull("First"), stage.pull("Second"));
    slow(&stage, &stage.built(&first.sha));
    let running = stage.says("dev", first.number, "/deploy staging");
    stage.until("the change", || (stage.world.count("ecs", "UpdateService") > 0).then_some(()));
    insta::assert_snapshot!(stage.asks("mona", first.number, "/deploy staging"), @"
    `alpha` is on its way to `staging` already (rolling): dev asked for it at DATE UTC. Nothing was started a second time.

    See how it goes: `/status staging`
    ");
    let waiting = stage.says("mona", second.number, "/deploy staging");
    let shown = stage.until("that it waits", || stage.shown(second.number, waiting));
    insta::assert_snapshot!(plain(&shown), @"
    ### staging ← `alpha` · waiting behind `beta`

    mona [asked](http://127.0.0.1:N/acme/shop/pull/2#issuecomment-N) N s ago · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full)

    dev [asked](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) for `beta` there and goes first; this one starts by itself when that is over.

    Cancel: `/cancel staging`
    ");
    insta::assert_snapshot!(stage.asks("dev", second.number, "/status staging"), @"
    ### What runs where

    **staging** · no deployment by the bot is known there

    … `alpha` rolling, dev asked N s ago

    … `beta` waiting, mona asked N s ago

    | service | serves | commit | |
    | --- | --- | --- | --- |
    | api | `api-staging:2` |  |  |
    ");
    insta::assert_snapshot!(stage.asks("dev", second.number, "/cancel staging"), @"
    Cancelling `staging` ← `alpha`, which dev asked for. What it has changed is taken back; its own comment says how it ends.

    Cancelling `staging` ← `beta`, which mona asked for. Nothing has been changed for it yet; its own comment says how it ends.
    ");
    insta::assert_snapshot!(stage.end_of(second.number, waiting), @"
    ### staging ← `alpha` · cancelled, nothing was changed

    mona [asked](http://127.0.0.1:N/acme/shop/pull/2#issuecomment-N) at DATE UTC · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full)

    Cancelled by dev before anything was changed.

    **Next**: `/deploy staging` starts again.

    <sub>reason: `cancelled`</sub>
    ");
    stage.end_of(first.number, running);
    assert_eq!(stage.states("staging").len(), 1, "{}", stage.everything());
}

#[tokio::test]
async fn rollback_goes_to_a_commit_or_so_many_steps_back_and_only_to_what_was_good() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("First");
    let first = pull.sha.clone();
    insta::assert_snapshot!(stage.brings("dev", pull.number, "/rollback staging"), @"
    ### staging ← the last good release · refused, nothing was changed: No earlier release that was good here is known.

    dev [asked to go back](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC

    - api: known before `api-staging:1`: nothing

    **Next**: Deploy the commit you want with `/deploy`, or name a release with `to <sha>`.

    <sub>reason: `nothing-to-go-back-to`</sub>
    ");
    stage.assert_untouched();
    stage.brings("dev", pull.number, "/deploy staging");
    let second = stage.push(pull.number);
    stage.brings("dev", pull.number, "/deploy staging");
    stage.push(pull.number);
    stage.brings("dev", pull.number, "/deploy staging");
    insta::assert_snapshot!(stage.brings("dev", pull.number, "/rollback staging to 2 --no-lock"), @"
    ### staging ← `alpha` serves after N s

    dev [asked to go back](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC · 1 service · plan `plan` · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full) · [Deployment](http://127.0.0.1:N/acme/shop/deployments/staging)

    | service | before | after | state | image | |
    | --- | --- | --- | --- | --- | --- |
    | api | `beta` | `alpha` | ✓ serving | put back | [console](https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/pmis/services/api-staging?region=us-east-1) |

    <details><summary>1 changed field</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | api | `containers.app.image` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` |

    </details>

    <details><summary>Timeline</summary> … </details>
    ");
    stage.assert_serves("api-staging", &stage.built(&first));
    let told = stage.brings("dev", pull.number, &format!("/rollback staging to {second} --no-lock"));
    insta::assert_snapshot!(told, @"
    ### staging ← `alpha` serves after N s

    dev [asked to go back](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC · 1 service · plan `plan` · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full) · [Deployment](http://127.0.0.1:N/acme/shop/deployments/staging)

    | service | before | after | state | image | |
    | --- | --- | --- | --- | --- | --- |
    | api | `beta` | `alpha` | ✓ serving | put back | [console](https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/pmis/services/api-staging?region=us-east-1) |

    <details><summary>1 changed field</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | api | `containers.app.image` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` |

    </details>

    <details><summary>Timeline</summary> … </details>
    ");
    stage.assert_serves("api-staging", &stage.built(&second));
    let unknown = "0123456789012345678901234567890123456789";
    let told = stage.brings("dev", pull.number, &format!("/rollback staging to {unknown} --no-lock"));
    insta::assert_snapshot!(told, @"
    ### staging ← `alpha-in-full` · refused, nothing was changed: `alpha` is not known to have been good here.

    dev [asked to go back](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC

    **Next**: Known, newest first: `beta`, `gamma`, `delta`. Anything else is put there with `/deploy`.

    <sub>reason: `nothing-to-go-back-to`</sub>
    ");
    insta::assert_snapshot!(stage.brings("dev", pull.number, "/rollback staging to api-staging:2"), @"
    ### staging ← `alpha` serves after N s

    dev [asked to go back](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC · 1 service · plan `plan` · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full) · [Deployment](http://127.0.0.1:N/acme/shop/deployments/staging)

    | service | before | after | state | image | |
    | --- | --- | --- | --- | --- | --- |
    | api | `beta` | `alpha` | ✓ serving | put back | [console](https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/pmis/services/api-staging?region=us-east-1) |

    🔒 locked by dev since DATE UTC: “rolled back, look before you deploy”

    Open it again: `/unlock staging`

    <details><summary>1 changed field</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | api | `containers.app.image` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` |

    </details>

    <details><summary>Timeline</summary> … </details>
    ");
    stage.assert_serves("api-staging", &stage.built(&first));
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging"), @"
    `/deploy staging`: `staging` was locked by `dev` N s ago.

    - The reason given: rolled back, look before you deploy

    **Next**: Look at it with `/status staging`. When it may be deployed to again: `/unlock staging`.

    <sub>reason: `locked`</sub>
    ");
}

#[tokio::test]
async fn rollback_of_one_service_leaves_the_others_alone() {
    let stage = two_services().await;
    let pull = stage.pull("First");
    stage.brings("dev", pull.number, "/deploy staging");
    let first = stage.built(&pull.sha);
    let sha = stage.push(pull.number);
    stage.brings("dev", pull.number, "/deploy staging");
    insta::assert_snapshot!(stage.brings("dev", pull.number, "/rollback staging worker"), @"
    ### staging ← `alpha` serves after N s

    dev [asked to go back](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC · 1 service · plan `plan` · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full) · [Deployment](http://127.0.0.1:N/acme/shop/deployments/staging)

    | service | before | after | state | image | |
    | --- | --- | --- | --- | --- | --- |
    | worker | `beta` | `alpha` | ✓ serving | put back | [console](https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/pmis/services/worker-staging?region=us-east-1) |

    🔒 locked by dev since DATE UTC: “rolled back, look before you deploy”

    Open it again: `/unlock staging`

    <details><summary>1 changed field</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | worker | `containers.app.image` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` |

    </details>

    <details><summary>Timeline</summary> … </details>
    ");
    stage.assert_serves("api-staging", &stage.built(&sha));
    stage.assert_serves("worker-staging", &first);
}

#[tokio::test]
async fn several_commands_of_one_comment_run_in_their_order() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    let comment = stage.says(
        "mona",
        pull.number,
        "Before I go:\n/lock staging Back in an hour\n/unlock staging\n/unlock staging\n\n> /deploy staging",
    );
    insta::assert_snapshot!(stage.reply(pull.number, comment, 0), @"
    🔒 `staging` is locked by mona until somebody unlocks it: “Back in an hour”

    Nobody else deploys or goes back there meanwhile. Let it go: `/unlock staging`
    ");
    insta::assert_snapshot!(stage.reply(pull.number, comment, 1), @"
    🔓 mona let `staging` go.

    It had been held since DATE UTC: “Back in an hour”
    ");
    insta::assert_snapshot!(stage.reply(pull.number, comment, 2), @"
    `/unlock staging`: `staging` is not locked.

    **Next**: Nothing has to be done: `/deploy staging` is not held up by a lock.

    <sub>reason: `not-locked`</sub>
    ");
    assert_eq!(stage.answers(pull.number).len(), 3, "{}", stage.everything());
    stage.assert_untouched();
}

#[tokio::test]
async fn a_slip_of_a_writer_is_answered_and_nobody_elses() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    stage.says("reader", pull.number, "/depoly staging");
    stage.says("dev", pull.number, "/assign mona");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/depoly staging"), @r#"
    `/depoly staging`: There is no command `/depoly`.

    **Next**: Did you mean `/deploy`? It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.

    <sub>reason: `usage`</sub>
    "#);
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy"), @r#"
    `/deploy`: `/deploy` needs the environment's name.

    **Next**: It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.

    <sub>reason: `usage`</sub>
    "#);
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging --sha 12ab34"), @r#"
    `/deploy staging --sha 12ab34`: `--sha` takes the full id of a commit, 40 characters; a short one can be made to fit another commit: `12ab34`.

    **Next**: Copy the id from the page of the commit. It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.

    <sub>reason: `usage`</sub>
    "#);
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy Staging"), @r#"
    `/deploy Staging`: `Staging` is not the name of an environment: that has at most 63 characters of a-z, 0-9, `-` and `_`, the first a letter or digit.

    **Next**: Write `staging`. It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.

    <sub>reason: `usage`</sub>
    "#);
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/lock staging --until tomorrow"), @"
    `/lock staging --until tomorrow`: `--until` takes a length of time like 45m, 2h or 1d12h; `tomorrow` is none.

    **Next**: It is written `/lock <env> [--until 2h] [reason]`.

    <sub>reason: `usage`</sub>
    ");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/deploy staging --sah x"), @r#"
    `/deploy staging --sah x`: `/deploy` has no option `--sah`.

    **Next**: Did you mean `--sha`? It is written `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.

    <sub>reason: `usage`</sub>
    "#);
    assert_eq!(stage.answers(pull.number).len(), 6, "{}", stage.everything());
}

#[tokio::test]
async fn nothing_waits_for_approval_and_no_canary_runs_and_the_bot_says_so() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/approve staging"), @"
    `/approve staging`: No deployment on `staging` is waiting for an approval.

    **Next**: See what is on its way with `/status staging`; stop it with `/cancel staging`.

    <sub>reason: `no-gate`</sub>
    ");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/reject"), @"
    `/reject`: No deployment is waiting for an approval.

    **Next**: See what is on its way with `/status`; stop it with `/cancel`.

    <sub>reason: `no-gate`</sub>
    ");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/promote staging"), @"
    `/promote staging`: No canary is running on `staging`.

    **Next**: See what is on its way with `/status staging`; stop it with `/cancel staging`.

    <sub>reason: `no-gate`</sub>
    ");
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/pause nowhere"), @"
    `/pause nowhere`: There is no environment `nowhere` in the policy.

    **Next**: There are `production` and `staging`.

    <sub>reason: `unknown-environment`</sub>
    ");
}
