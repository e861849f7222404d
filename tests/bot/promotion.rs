//! From staging to production: the very image that was good there, whatever its tag says by now.

use crate::stage::{Database, Stage};
use crate::told::production_policy;

#[tokio::test]
async fn production_takes_the_digest_that_staging_ran_although_the_tag_moved() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    stage.policy(&production_policy("    requires: [staging]\n"));
    let pull = stage.pull("Say hello");
    stage.brings("dev", pull.number, "/deploy staging");
    let good = stage.serving("api-staging").unwrap();
    // Somebody pushes another image under the same tag, with the same label.
    let moved = stage.rebuilt(&pull.sha);
    assert_ne!(good, moved);
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/plan production"), @"
    ### production ← `alpha` · plan `plan`

    1 service would change. Nothing has been changed yet.

    | service | now | would be | changes | image |
    | --- | --- | --- | --- | --- |
    | api | `api-production:1` | `alpha` | 1 field | promoted |

    Nothing stands in the way: `/deploy production`

    <details><summary>1 changed field</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | api | `containers.app.image` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` |

    </details>
    ");
    insta::assert_snapshot!(stage.brings("dev", pull.number, "/deploy production"), @"
    ### production ← `alpha` serves after N s

    dev [asked](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC · 1 service · plan `plan` · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full) · [Deployment](http://127.0.0.1:N/acme/shop/deployments/production)

    | service | before | after | state | image | |
    | --- | --- | --- | --- | --- | --- |
    | api | `api-production:1` | `alpha` | ✓ serving | promoted | [console](https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/pmis/services/api-production?region=us-east-1) |

    Back: `/rollback production`

    <details><summary>1 changed field</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | api | `containers.app.image` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` |

    </details>

    <details><summary>Timeline</summary> … </details>
    ");
    stage.assert_serves("api-production", &good);
}

#[tokio::test]
async fn what_failed_on_staging_is_not_taken_to_production() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    stage.policy(&production_policy("    requires: [staging]\n"));
    let before = stage.serving("api-production").unwrap();
    let pull = stage.pull("Forget the address");
    stage.breaks(&stage.built(&pull.sha));
    stage.brings("dev", pull.number, "/deploy staging");
    let told = stage.asks("dev", pull.number, "/deploy production");
    assert!(told.contains("reason: `requires-missing`"), "{told}");
    stage.assert_serves("api-production", &before);
}
