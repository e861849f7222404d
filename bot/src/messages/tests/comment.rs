//! The one comment of a deployment, at every moment of its life.

use super::*;

fn nothing() -> BTreeMap<ServiceName, Progress> {
    BTreeMap::new()
}

#[test]
fn a_waiting_deployment_names_the_one_that_goes_first() {
    let mut other = deployment_of(DeploymentKind::Deploy { sha: sha(OLD) });
    other.asked.actor = actor("bob");
    other.asked.comment = CommentId::new(899);
    insta::assert_snapshot!(told(&deploy(), Stand::Waiting { behind: Some(&other) }, &nothing()), @r"
    ### staging ← `a1b2c3d` · waiting behind `9f8e7d6`

    alice [asked](https://github.com/acme/shop/pull/12#issuecomment-901) 12 min ago · commit [`a1b2c3d`](https://github.com/acme/shop/commit/a1b2c3d4e5f60718293a4b5c6d7e8f9012345678)

    bob [asked](https://github.com/acme/shop/pull/12#issuecomment-899) for `9f8e7d6` there and goes first; this one starts by itself when that is over.

    Cancel: `/cancel staging`

    <!-- shipline:deployment:42 -->
    ");
}

#[test]
fn one_that_is_next_says_so_and_keeps_the_reason_it_was_given() {
    let mut about = deploy();
    about.asked.reason = Some("fix for @team, see #7".into());
    about.asked.services = vec![service("api"), service("web")];
    about.asked.is_pull = false;
    insta::assert_snapshot!(told(&about, Stand::Waiting { behind: None }, &nothing()), @r"
    ### staging ← `a1b2c3d` · waiting for its turn

    alice [asked](https://github.com/acme/shop/issues/12#issuecomment-901) 12 min ago: “fix for &#64;team, see &#35;7” · only api, web · commit [`a1b2c3d`](https://github.com/acme/shop/commit/a1b2c3d4e5f60718293a4b5c6d7e8f9012345678)

    Cancel: `/cancel staging`

    <!-- shipline:deployment:42 -->
    ");
}

#[test]
fn a_build_is_linked_once_its_run_is_known() {
    let mut about = deploy();
    about.state.before = vec![(at(1), "the registry has no image of `a1b2c3d`".into())];
    let url = Some("https://github.com/acme/shop/actions/runs/5".into());
    insta::assert_snapshot!(told(&about, Stand::Building { url }, &nothing()), @r"
    ### staging ← `a1b2c3d` · building

    alice [asked](https://github.com/acme/shop/pull/12#issuecomment-901) 12 min ago · commit [`a1b2c3d`](https://github.com/acme/shop/commit/a1b2c3d4e5f60718293a4b5c6d7e8f9012345678)

    The image of this commit is not in the registry yet: [the build workflow](https://github.com/acme/shop/actions/runs/5) makes it.

    Cancel: `/cancel staging`

    <details><summary>Timeline</summary>

    - 1.0 s · the registry has no image of `a1b2c3d`

    </details>

    <!-- shipline:deployment:42 -->
    ");
    let unknown = told(&about, Stand::Building { url: None }, &nothing());
    assert!(unknown.contains("the build workflow was started."), "{unknown}");
}

#[test]
fn preparing_shows_what_was_noticed() {
    let mut about = deploy();
    about.state.notices = vec!["`web` is not built by this repository".into()];
    insta::assert_snapshot!(told(&about, Stand::Preparing, &nothing()), @r"
    ### staging ← `a1b2c3d` · preparing

    alice [asked](https://github.com/acme/shop/pull/12#issuecomment-901) 12 min ago · commit [`a1b2c3d`](https://github.com/acme/shop/commit/a1b2c3d4e5f60718293a4b5c6d7e8f9012345678)

    Finding the images, and what serves now.

    > `web` is not built by this repository

    Cancel: `/cancel staging`

    <!-- shipline:deployment:42 -->
    ");
}

#[test]
fn a_rollout_counts_services_and_instances() {
    let mut about = deploy();
    about.state.github_deployment = Some(5);
    about.state.before = vec![(at(1), "images found".into())];
    let mut rolling = view("shifting", vec![service_view("api", "moving"), service_view("web", "serving")]);
    rolling.stages.clear();
    let progress = BTreeMap::from([progress("api", 1, 4, "starting tasks"), progress("web", 2, 2, "")]);
    insta::assert_snapshot!(told(&about, Stand::Rolling { view: &rolling, question: None }, &progress), @r"
    ### staging ← `a1b2c3d` · rolling out, 1 of 2 services serve, 62 %

    alice [asked](https://github.com/acme/shop/pull/12#issuecomment-901) 12 min ago · 2 services · plan `3f9a1c` · commit [`a1b2c3d`](https://github.com/acme/shop/commit/a1b2c3d4e5f60718293a4b5c6d7e8f9012345678) · [Deployment](https://github.com/acme/shop/deployments/staging)

    | service | before | after | state | healthy | image | |
    | --- | --- | --- | --- | --- | --- | --- |
    | api | `9f8e7d6` | `a1b2c3d` | … moving | 1/4 | was already built | starting tasks · [console](https://console.test/api) |
    | web | `9f8e7d6` | `a1b2c3d` | ✓ serving | 2/2 | was already built | [console](https://console.test/web) |

    Cancel: `/cancel staging`

    <details><summary>2 changed fields</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | api | `containers.app.image` | `registry.test/api:9f8e7d6` | `registry.test/api:a1b2c3d` |
    | web | `containers.app.image` | `registry.test/api:9f8e7d6` | `registry.test/api:a1b2c3d` |

    </details>

    <details><summary>2 commits</summary>

    - [`a1b2c3d`](https://github.com/acme/shop/commit/a1b2c3d4e5f60718293a4b5c6d7e8f9012345678) Read the address from the settings (alice)
    - [`9f8e7d6`](https://github.com/acme/shop/commit/9f8e7d6c5b4a39281706f5e4d3c2b1a098765432) Say hello (bob)

    [Compare](https://github.com/acme/shop/compare/9f8e7d6c5b4a39281706f5e4d3c2b1a098765432%5E...a1b2c3d4e5f60718293a4b5c6d7e8f9012345678)

    </details>

    <details><summary>Timeline</summary>

    - 1.0 s · images found
    - 2.0 s · `api` `api:42` accepted
    - 41 s · `api` serves

    </details>

    <!-- shipline:deployment:42 -->
    ");
}

#[test]
fn shares_of_traffic_are_shown_when_the_provider_tells_them() {
    let rolling = view("shifting", vec![service_view("api", "moving"), service_view("web", "waiting")]);
    let mut progress = BTreeMap::from([progress("api", 1, 1, "baking")]);
    progress.get_mut(&service("api")).unwrap().traffic = Some("10".parse().unwrap());
    let text = told(&deploy(), Stand::Rolling { view: &rolling, question: None }, &progress);
    assert!(text.contains("| service | before | after | state | traffic | healthy | |"), "{text}");
    assert!(text.contains("| … moving | 10 % ▓░░░░░░░░░ | 1/1 |"), "{text}");
    assert!(text.starts_with("### staging ← `a1b2c3d` · rolling out, 0 of 2 services serve, 5 %"), "{text}");
    assert!(text.contains("| … waiting | |  |"), "{text}");
}

#[test]
fn checks_and_the_way_back_have_their_own_state_lines() {
    let line = |about: &Deployment, view: &View| {
        told(about, Stand::Rolling { view, question: None }, &nothing()).lines().next().unwrap().to_owned()
    };
    let about = deploy();
    assert_eq!(
        line(&about, &view("verifying", vec![service_view("api", "serving")])),
        "### staging ← `a1b2c3d` · everything serves, checking"
    );
    let mut api = service_view("api", "going back");
    api.cause = Some(cause());
    assert_eq!(
        line(&about, &view("rolling-back", vec![api, service_view("web", "going back")])),
        "### staging ← `a1b2c3d` · going back, because api failed"
    );
    let mut checked = view("rolling-back", vec![service_view("api", "going back")]);
    checked.check_failure = Some(cause());
    assert_eq!(line(&about, &checked), "### staging ← `a1b2c3d` · going back, because a check failed");
    let mut cancelled = deploy();
    cancelled.cancel = Some(actor("bob"));
    assert_eq!(
        line(&cancelled, &view("rolling-back", vec![service_view("api", "going back")])),
        "### staging ← `a1b2c3d` · cancelled, going back"
    );
}

#[test]
fn success_says_how_long_it_took_and_how_to_go_back() {
    let mut about = deploy();
    about.state.github_deployment = Some(5);
    let view = view("succeeded", vec![service_view("api", "serving"), service_view("web", "unchanged")]);
    insta::assert_snapshot!(told(&about, Stand::Ended { view: &view, locked: None }, &nothing()), @r"
    ### staging ← `a1b2c3d` serves after 41 s

    alice [asked](https://github.com/acme/shop/pull/12#issuecomment-901) at 2026-11-21 12:00 UTC · 2 services · plan `3f9a1c` · commit [`a1b2c3d`](https://github.com/acme/shop/commit/a1b2c3d4e5f60718293a4b5c6d7e8f9012345678) · [Deployment](https://github.com/acme/shop/deployments/staging)

    | service | before | after | state | image | |
    | --- | --- | --- | --- | --- | --- |
    | api | `9f8e7d6` | `a1b2c3d` | ✓ serving | was already built | [console](https://console.test/api) |
    | web | `9f8e7d6` | `a1b2c3d` | ✓ unchanged | was already built | [console](https://console.test/web) |

    Back: `/rollback staging`

    <details><summary>2 changed fields</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | api | `containers.app.image` | `registry.test/api:9f8e7d6` | `registry.test/api:a1b2c3d` |
    | web | `containers.app.image` | `registry.test/api:9f8e7d6` | `registry.test/api:a1b2c3d` |

    </details>

    <details><summary>2 commits</summary>

    - [`a1b2c3d`](https://github.com/acme/shop/commit/a1b2c3d4e5f60718293a4b5c6d7e8f9012345678) Read the address from the settings (alice)
    - [`9f8e7d6`](https://github.com/acme/shop/commit/9f8e7d6c5b4a39281706f5e4d3c2b1a098765432) Say hello (bob)

    [Compare](https://github.com/acme/shop/compare/9f8e7d6c5b4a39281706f5e4d3c2b1a098765432%5E...a1b2c3d4e5f60718293a4b5c6d7e8f9012345678)

    </details>

    <details><summary>Timeline</summary>

    ```mermaid
    gantt
        dateFormat x
        axisFormat %M:%S
        rollout (39 s) :1795262402000, 1795262441000
    ```

    - 2.0 s · `api` `api:42` accepted
    - 41 s · `api` serves

    </details>

    <!-- shipline:deployment:42 -->
    ");
}

#[test]
fn failure_says_why_with_the_log_and_what_serves_again() {
    let mut api = service_view("api", "restored");
    api.cause = Some(cause());
    let view = view("rolled-back", vec![api, service_view("web", "restored")]);
    insta::assert_snapshot!(told(&deploy(), Stand::Ended { view: &view, locked: None }, &nothing()), @r"
    ### staging ← `a1b2c3d` failed after 41 s · `9f8e7d6` serves again

    alice [asked](https://github.com/acme/shop/pull/12#issuecomment-901) at 2026-11-21 12:00 UTC · 2 services · plan `3f9a1c` · commit [`a1b2c3d`](https://github.com/acme/shop/commit/a1b2c3d4e5f60718293a4b5c6d7e8f9012345678)

    | service | before | after | state | image | |
    | --- | --- | --- | --- | --- | --- |
    | api | `9f8e7d6` | `a1b2c3d` | ✗ restored | was already built | [console](https://console.test/api) |
    | web | `9f8e7d6` | `a1b2c3d` | ↩ restored | was already built | [console](https://console.test/web) |

    **api**: container `app` exited with code 1, three times in a row

    Exit code 1: the program reported an error.

    `/ecs/api app/1`

    ```text
    KeyError: 'DATABASE_URL'
    ```

    - revision `api:42`
    - task `3f2a9c`
    - task definition `api:42` has no `DATABASE_URL`; `api:41` had it from Secrets Manager

    **Next**: Put `DATABASE_URL` back and comment `/deploy staging`.

    [log](https://console.test/log)

    <details><summary>2 changed fields</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | api | `containers.app.image` | `registry.test/api:9f8e7d6` | `registry.test/api:a1b2c3d` |
    | web | `containers.app.image` | `registry.test/api:9f8e7d6` | `registry.test/api:a1b2c3d` |

    </details>

    <details><summary>2 commits</summary>

    - [`a1b2c3d`](https://github.com/acme/shop/commit/a1b2c3d4e5f60718293a4b5c6d7e8f9012345678) Read the address from the settings (alice)
    - [`9f8e7d6`](https://github.com/acme/shop/commit/9f8e7d6c5b4a39281706f5e4d3c2b1a098765432) Say hello (bob)

    [Compare](https://github.com/acme/shop/compare/9f8e7d6c5b4a39281706f5e4d3c2b1a098765432%5E...a1b2c3d4e5f60718293a4b5c6d7e8f9012345678)

    </details>

    <details><summary>Timeline</summary>

    ```mermaid
    gantt
        dateFormat x
        axisFormat %M:%S
        rollout (39 s) :1795262402000, 1795262441000
    ```

    - 2.0 s · `api` `api:42` accepted
    - 41 s · `api` serves

    </details>

    <!-- shipline:deployment:42 -->
    ");
}

#[test]
fn a_rollback_ends_with_the_lock_it_left_and_offers_no_way_back() {
    let about = deployment_of(DeploymentKind::Rollback { to: None, lock: true });
    let mut view = view("succeeded", vec![service_view("api", "serving")]);
    view.command = "rollback".into();
    view.commits.clear();
    view.timeline.clear();
    let lock = lock();
    insta::assert_snapshot!(told(&about, Stand::Ended { view: &view, locked: Some(&lock) }, &nothing()), @r"
    ### staging ← `a1b2c3d` serves after 41 s

    alice [asked to go back](https://github.com/acme/shop/pull/12#issuecomment-901) at 2026-11-21 12:00 UTC · 1 service · plan `3f9a1c` · commit [`a1b2c3d`](https://github.com/acme/shop/commit/a1b2c3d4e5f60718293a4b5c6d7e8f9012345678)

    | service | before | after | state | image | |
    | --- | --- | --- | --- | --- | --- |
    | api | `9f8e7d6` | `a1b2c3d` | ✓ serving | was already built | [console](https://console.test/api) |

    🔒 locked by alice since 2026-11-21 12:00 UTC: “rolled back, look before you deploy”

    Open it again: `/unlock staging`

    <details><summary>1 changed field</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | api | `containers.app.image` | `registry.test/api:9f8e7d6` | `registry.test/api:a1b2c3d` |

    </details>

    <!-- shipline:deployment:42 -->
    ");
}

#[test]
fn nobody_overlooks_a_deployment_that_needs_attention() {
    let mut api = service_view("api", "stuck");
    api.cause = Some(cause());
    api.stuck = Some(Cause::new(CauseCode::TimedOut, "`api:41` was not healthy in 10 min", "Look at the service."));
    let mut view = view("needs-attention", vec![api]);
    view.commits.clear();
    view.timeline.clear();
    view.services[0].changes.clear();
    insta::assert_snapshot!(told(&deploy(), Stand::Ended { view: &view, locked: None }, &nothing()), @r"
    ### 🚨 staging ← `a1b2c3d` failed after 41 s and **needs attention**

    alice [asked](https://github.com/acme/shop/pull/12#issuecomment-901) at 2026-11-21 12:00 UTC · 1 service · plan `3f9a1c` · commit [`a1b2c3d`](https://github.com/acme/shop/commit/a1b2c3d4e5f60718293a4b5c6d7e8f9012345678)

    > [!CAUTION]
    > **A person must look now.** Going back failed or its end is not known, so nobody can say what serves. Nothing more is done by itself.

    | service | before | after | state | image | |
    | --- | --- | --- | --- | --- | --- |
    | api | `9f8e7d6` | `a1b2c3d` | ✗ stuck | was already built | [console](https://console.test/api) |

    **api**: container `app` exited with code 1, three times in a row

    Exit code 1: the program reported an error.

    `/ecs/api app/1`

    ```text
    KeyError: 'DATABASE_URL'
    ```

    - revision `api:42`
    - task `3f2a9c`
    - task definition `api:42` has no `DATABASE_URL`; `api:41` had it from Secrets Manager

    **Next**: Put `DATABASE_URL` back and comment `/deploy staging`.

    [log](https://console.test/log)

    **api could not go back**: `api:41` was not healthy in 10 min

    **Next**: Look at the service.

    What runs there now: `/status staging`

    <!-- shipline:deployment:42 -->
    ");
}

#[test]
fn every_other_end_has_its_own_state_line() {
    let line = |result: &str| {
        let view = view(result, vec![service_view("api", "restored")]);
        told(&deploy(), Stand::Ended { view: &view, locked: None }, &nothing()).lines().next().unwrap().to_owned()
    };
    let ends = ["unchanged", "nothing-changed", "held", "superseded", "cancelled"].map(line).join("\n");
    insta::assert_snapshot!(ends, @r"
    ### staging ← `a1b2c3d` already serves, nothing to do
    ### staging ← `a1b2c3d` was refused, nothing was changed
    ### staging ← `a1b2c3d` failed after 41 s and was left as it is (on-failure: hold)
    ### staging ← `a1b2c3d` was replaced by somebody else's deployment after 41 s
    ### staging ← `a1b2c3d` was cancelled after 41 s · `9f8e7d6` serves again
    ");
}

#[test]
fn a_cancelled_deployment_names_who_cancelled_it() {
    let mut about = deploy();
    about.cancel = Some(actor("bob"));
    let view = view("cancelled", vec![service_view("api", "restored")]);
    let text = told(&about, Stand::Ended { view: &view, locked: None }, &nothing());
    assert!(text.contains("\nbob cancelled it.\n"), "{text}");
    let rolling = told(&about, Stand::Rolling { view: &view, question: None }, &nothing());
    assert!(!rolling.contains("Cancel: `/cancel"), "{rolling}");
}

#[test]
fn a_refusal_before_anything_changed_gives_facts_next_step_and_code() {
    let denied = Denied::new(
        ReasonCode::HeadMoved,
        "the pull request has a new head, `9f8e7d6`",
        "Look at it, then comment `/deploy staging`.",
    )
    .because("the command meant `a1b2c3d`");
    let mut about = deploy();
    about.state.before = vec![(at(3), "it was its turn".into())];
    insta::assert_snapshot!(told(&about, Stand::Refused(&denied), &nothing()), @r"
    ### staging ← `a1b2c3d` · refused, nothing was changed: the pull request has a new head, `9f8e7d6`

    alice [asked](https://github.com/acme/shop/pull/12#issuecomment-901) at 2026-11-21 12:00 UTC · commit [`a1b2c3d`](https://github.com/acme/shop/commit/a1b2c3d4e5f60718293a4b5c6d7e8f9012345678)

    - the command meant `a1b2c3d`

    **Next**: Look at it, then comment `/deploy staging`.

    <sub>reason: `head-moved`</sub>

    <!-- shipline:deployment:42 -->
    ");
    let line = |code| {
        let denied = Denied::new(code, "x", "y");
        told(&deploy(), Stand::Refused(&denied), &nothing()).lines().next().unwrap().to_owned()
    };
    assert_eq!(line(ReasonCode::Cancelled), "### staging ← `a1b2c3d` · cancelled, nothing was changed");
    assert_eq!(
        line(ReasonCode::Replaced),
        "### staging ← `a1b2c3d` · superseded by a newer command, nothing was changed"
    );
}

#[test]
fn a_rollback_is_named_by_what_is_known_of_it() {
    let line = |about: &Deployment| told(about, Stand::Preparing, &nothing()).lines().next().unwrap().to_owned();
    let mut about = deployment_of(DeploymentKind::Rollback { to: None, lock: true });
    assert_eq!(line(&about), "### staging ← the last good release · preparing");
    about.asked.kind = DeploymentKind::Rollback { to: Some("api:41".into()), lock: true };
    assert_eq!(line(&about), "### staging ← `api:41` · preparing");
    about.state.commit = Some(sha(OLD));
    assert_eq!(line(&about), "### staging ← `9f8e7d6` · preparing");
}

#[test]
fn links_lead_to_the_enterprise_server_when_there_is_one() {
    let progress = nothing();
    let text = deployment(&Shown {
        deployment: &deploy(),
        stand: Stand::Preparing,
        progress: &progress,
        server_url: "https://github.acme.test",
        now: at(1),
    });
    assert!(text.contains("(https://github.acme.test/acme/shop/pull/12#issuecomment-901)"), "{text}");
    assert!(!text.contains("https://github.com"), "{text}");
}
