//! Broken configurations, each with everything that is wrong in it: line, path, code.

use std::fmt::Write as _;

use super::super::{FILE, parse};

/// What is broken, the text, and every problem as `line path code`, in the order of the file.
type Case = (&'static str, &'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    ("nothing at all", "", &["1  empty-file"]),
    (
        "only a comment",
        r"# hello
",
        &["1  empty-file"],
    ),
    (
        "a list instead of a mapping",
        r"- version: 1
",
        &["1  wrong-type"],
    ),
    (
        "not YAML",
        r"version: 1
services: [a
environments: {}
",
        &["3  not-yaml"],
    ),
    (
        "a tab",
        r"version: 1
services:
	api: {}
",
        &["3  tab"],
    ),
    (
        "two documents",
        r"version: 1
---
version: 1
",
        &["2  second-document"],
    ),
    (
        "a tag",
        r"version: !!str 1
",
        &["1  tag"],
    ),
    (
        "a merge key",
        r"version: 1
services:
  a: &a {}
  b:
    <<: *a
",
        &["5  merge-key"],
    ),
    (
        "an anchor inside itself",
        r"version: 1
services: &s
  a: *s
",
        &["3  anchor"],
    ),
    (
        "a bomb",
        r"a: &a [x,x,x,x,x,x,x,x,x,x]
b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]
c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]
d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]
e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]
f: [*e,*e]
",
        &["5  too-many-values"],
    ),
    (
        "a key that is a list",
        r"version: 1
services:
  [a]: {}
",
        &["3  key-not-text"],
    ),
    (
        "nothing required is there",
        r"{}
",
        &["1 version missing-key", "1 services missing-key", "1 environments missing-key"],
    ),
    (
        "a newer version hides what may be newer too",
        r"version: 2
future: yes
",
        &["1 version newer-version"],
    ),
    (
        "version in quotes and version 0",
        r#"version: "1"
services: {}
environments: {}
"#,
        &["1 version wrong-type", "2 services empty", "3 environments empty"],
    ),
    (
        "no services and no environments",
        r"version: 0
services: {}
environments: {}
",
        &["1 version invalid-value", "2 services empty", "3 environments empty"],
    ),
    (
        "unknown keys at every level",
        r"version: 1
services: { api: {}, web: {} }
environment: {}
environments:
  x:
    deploy_on_push: main
    servcies: {}
    services:
      api:
        ecs: { cluster: c, service: s, desiredCount: 2 }
        lambda: {}
",
        &[
            "3 environment unknown-key",
            "6 environments.x.deploy_on_push unknown-key",
            "7 environments.x.servcies unknown-key",
            "10 environments.x.services.api.ecs.desiredCount unknown-key",
            "11 environments.x.services.api.lambda unknown-key",
        ],
    ),
    (
        "keys that stand twice",
        r"version: 1
services: { api: {}, web: {} }
version: 1
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s, cluster: d } } }
  x: {}
",
        &[
            "3 version duplicate-key",
            "6 environments.x.services.api.ecs.cluster duplicate-key",
            "7 environments.x duplicate-key",
        ],
    ),
    (
        "wrong types everywhere",
        r"version: one
services: [api]
environments:
  x:
    services: api
    waves: api
    verify: { http: a }
    aws: us-east-1
",
        &[
            "1 version wrong-type",
            "2 services wrong-type",
            "5 environments.x.services wrong-type",
            "6 environments.x.waves wrong-type",
            "7 environments.x.verify wrong-type",
            "8 environments.x.aws wrong-type",
        ],
    ),
    (
        "names that are no names",
        r"version: 1
services: { api: {}, Web: {} }
environments:
  ../x:
    services: { api: { ecs: { cluster: c, service: s } } }
  ok:
    services: { web: { ecs: { cluster: c, service: s } } }
",
        &[
            "2 services.Web invalid-name",
            "4 environments.../x invalid-name",
            "7 environments.ok.services.web unknown-service",
        ],
    ),
    (
        "values left out",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    deploy-on-push:
    within:
    services:
      api: { ecs: { cluster: c, service: , environment: { A: } } }
",
        &[
            "5 environments.x.deploy-on-push wrong-type",
            "6 environments.x.within wrong-type",
            "8 environments.x.services.api.ecs.service wrong-type",
            "8 environments.x.services.api.ecs.environment.A no-value",
        ],
    ),
    (
        "an environment without services",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x: {}
  y: { services: {} }
",
        &["4 environments.x.services missing-key", "5 environments.y.services empty"],
    ),
    (
        "services that do not exist",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services:
      apy: { ecs: { cluster: c, service: s } }
      database: { ecs: { cluster: c, service: s } }
    waves: [[apy], [database, wbe]]
",
        &[
            "6 environments.x.services.apy unknown-service",
            "7 environments.x.services.database unknown-service",
            "8 environments.x.waves[1][1] unknown-service",
        ],
    ),
    (
        "waves that leave out, repeat and invent",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    waves:
      - [api, apo]
      - [api]
      - []
",
        &[
            "7 environments.x.waves[0][1] unknown-service",
            "7 environments.x.waves service-in-no-wave",
            "8 environments.x.waves[1][0] service-twice",
            "9 environments.x.waves[2] empty",
        ],
    ),
    (
        "account ids that became numbers",
        r#"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    aws:
      allowed-account-ids:
        - 11122223333
        - 111122223333
        - 1.11122223333e11
        - "12345"
"#,
        &[
            "8 environments.x.aws.allowed-account-ids[0] invalid-value",
            "9 environments.x.aws.allowed-account-ids[1] not-quoted",
            "10 environments.x.aws.allowed-account-ids[2] invalid-value",
            "11 environments.x.aws.allowed-account-ids[3] invalid-value",
        ],
    ),
    (
        "a role of another account",
        r#"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    aws:
      region: us_east_1
      role: arn:aws:iam::111122223333:role/x
      session: 5m
      allowed-account-ids: ["444455556666"]
"#,
        &[
            "7 environments.x.aws.region invalid-value",
            "8 environments.x.aws.role account-not-allowed",
            "9 environments.x.aws.session out-of-range",
        ],
    ),
    (
        "a user in place of a role",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    aws:
      role: arn:aws:iam::111122223333:user/x
      external-id: a b
      session-name: x
",
        &[
            "7 environments.x.aws.role invalid-value",
            "8 environments.x.aws.external-id invalid-value",
            "9 environments.x.aws.session-name invalid-value",
        ],
    ),
    (
        "an external id without a role",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    aws:
      external-id: abcd
",
        &["7 environments.x.aws.external-id needs-another-key"],
    ),
    (
        "branches that are none",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    deploy-on-push: true
",
        &["6 environments.x.deploy-on-push wrong-type"],
    ),
    (
        "a full reference in place of a branch",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    deploy-on-push: refs/heads/main
",
        &["6 environments.x.deploy-on-push invalid-value"],
    ),
    (
        "a boolean word in place of a branch",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    deploy-on-push: yes
",
        &["6 environments.x.deploy-on-push invalid-value"],
    ),
    (
        "lengths of time without unit",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    within: 30
    soak: 1 hour
    requires: [x]
",
        &[
            "6 environments.x.within invalid-value",
            "7 environments.x.soak invalid-value",
            "8 environments.x.requires[0] circle",
        ],
    ),
    (
        "lengths of time out of range",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    within: 2d
    verify:
      - http: https://a.example/x
        within: 0s
",
        &["6 environments.x.within out-of-range", "9 environments.x.verify[0].within out-of-range"],
    ),
    (
        "checks of addresses",
        r#"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    verify:
      - http: https://user:secret@a.example/
      - http: a.example
        expect: 700
      - expect: "200"
      - https://a.example/
    url: ftp://a.example
"#,
        &[
            "7 environments.x.verify[0].http invalid-value",
            "8 environments.x.verify[1].http invalid-value",
            "9 environments.x.verify[1].expect invalid-value",
            "10 environments.x.verify[2] missing-key",
            "10 environments.x.verify[2].expect wrong-type",
            "11 environments.x.verify[3] wrong-type",
            "12 environments.x.url invalid-value",
        ],
    ),
    (
        "what to do on failure",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    on-failure: rollback-all
    rollout: cannary
",
        &["6 environments.x.on-failure invalid-value", "7 environments.x.rollout invalid-value"],
    ),
    (
        "requirements",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    requires: [x, stagin, stagin]
    soak: 5m
",
        &[
            "6 environments.x.requires[0] circle",
            "6 environments.x.requires[1] unknown-environment",
            "6 environments.x.requires[2] unknown-environment",
        ],
    ),
    (
        "environments that wait for each other",
        r"version: 1
services: { api: {}, web: {} }
environments:
  a:
    requires: [b]
    services: { api: { ecs: { cluster: c, service: s } } }
  b:
    requires: [c]
    services: { api: { ecs: { cluster: c, service: s } } }
  c:
    requires: [a]
    services: { api: { ecs: { cluster: c, service: s } } }
",
        &["5 environments.a.requires[0] circle"],
    ),
    (
        "time to soak without requirement",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    soak: 5m
",
        &["6 environments.x.soak needs-another-key"],
    ),
    (
        "checks and reviews",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    checks: requried
    reviews: some
",
        &["6 environments.x.checks invalid-value", "7 environments.x.reviews invalid-value"],
    ),
    (
        "names of checks",
        r#"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    checks: [ok, "", 5]
"#,
        &["6 environments.x.checks[1] invalid-value", "6 environments.x.checks[2] not-quoted"],
    ),
    (
        "approvals",
        r#"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    approvals:
      count: 3
      from: ["@ann", "@ben"]
      requester: yes
      expires: 5s
      remind: 2m
"#,
        &[
            "7 environments.x.approvals.count out-of-range",
            "9 environments.x.approvals.requester not-a-boolean",
            "10 environments.x.approvals.expires out-of-range",
            "11 environments.x.approvals.remind out-of-range",
        ],
    ),
    (
        "approvals by nobody",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    approvals:
      count: 0
      from: []
",
        &["7 environments.x.approvals.count invalid-value", "8 environments.x.approvals.from empty"],
    ),
    (
        "teams without an at sign",
        r#"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    approvals:
      from: [acme/release, "@-x", "@a/b/c"]
"#,
        &[
            "7 environments.x.approvals.from[0] invalid-value",
            "7 environments.x.approvals.from[1] invalid-value",
            "7 environments.x.approvals.from[2] invalid-value",
        ],
    ),
    (
        "freezes",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    freeze:
      - { from: Friday 16:00, to: Mon 25:00, zone: CET }
      - { from: Fri 16:00, to: Fri 16:00, zone: europe/berlin }
      - { from: Fri 16:00 }
",
        &[
            "7 environments.x.freeze[0].from invalid-value",
            "7 environments.x.freeze[0].to invalid-value",
            "7 environments.x.freeze[0].zone invalid-value",
            "8 environments.x.freeze[1].zone invalid-value",
            "8 environments.x.freeze[1].to empty-freeze",
            "9 environments.x.freeze[2].to missing-key",
            "9 environments.x.freeze[2].zone missing-key",
        ],
    ),
    (
        "access",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    access:
      deploy: [writer]
      approve: acme/release
      destroy: [admin]
",
        &[
            "7 environments.x.access.deploy[0] invalid-value",
            "8 environments.x.access.approve invalid-value",
            "9 environments.x.access.destroy unknown-key",
        ],
    ),
    (
        "roles, teams and empty lists",
        r#"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    checks: []
    access:
      deploy: []
      rollback: [Write, owner, "@acme/", "@acme/a/b", "@-x"]
      approve: { role: write }
      lock: ""
"#,
        &[
            "6 environments.x.checks empty",
            "8 environments.x.access.deploy empty",
            "9 environments.x.access.rollback[0] invalid-value",
            "9 environments.x.access.rollback[1] invalid-value",
            "9 environments.x.access.rollback[2] invalid-value",
            "9 environments.x.access.rollback[3] invalid-value",
            "9 environments.x.access.rollback[4] invalid-value",
            "10 environments.x.access.approve wrong-type",
            "11 environments.x.access.lock invalid-value",
        ],
    ),
    (
        "pull requests and queue",
        r#"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    queue: two
    pull-requests:
      drafts: true
      forks: alow
      bases: [main, "release/*", main, refs/heads/x, ""]
      behind: ok
      labels: [deploy]
"#,
        &[
            "6 environments.x.queue invalid-value",
            "8 environments.x.pull-requests.drafts invalid-value",
            "9 environments.x.pull-requests.forks invalid-value",
            "10 environments.x.pull-requests.bases[1] invalid-value",
            "10 environments.x.pull-requests.bases[3] invalid-value",
            "10 environments.x.pull-requests.bases[4] invalid-value",
            "10 environments.x.pull-requests.bases[2] named-twice",
            "11 environments.x.pull-requests.behind invalid-value",
            "12 environments.x.pull-requests.labels unknown-key",
        ],
    ),
    (
        "no base at all, and a list instead of a mapping",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    pull-requests: { bases: [] }
  y:
    services: { api: { ecs: { cluster: c, service: s } } }
    pull-requests: [main]
    queue: [one]
",
        &[
            "6 environments.x.pull-requests.bases empty",
            "9 environments.y.pull-requests wrong-type",
            "10 environments.y.queue wrong-type",
        ],
    ),
    (
        "a build workflow with a path",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
build: { workflow: .github/workflows/build.yml, within: 25h }
",
        &["6 build.workflow invalid-value", "6 build.within out-of-range"],
    ),
    (
        "a build workflow that leads elsewhere",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
build: { workflow: ../x.yml, within: 30 }
",
        &["6 build.workflow invalid-value", "6 build.within invalid-value"],
    ),
    (
        "a build workflow that is an option",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
build: { workflow: --x.yml }
",
        &["6 build.workflow invalid-value"],
    ),
    (
        "a build workflow without its ending",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
build: { workflow: build, inputs: {} }
",
        &["6 build.inputs unknown-key", "6 build.workflow invalid-value"],
    ),
    (
        "a build without workflow",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
build: { within: 0s }
",
        &["6 build.workflow missing-key", "6 build.within out-of-range"],
    ),
    (
        "a build that is only a name",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
build: build.yml
",
        &["6 build wrong-type"],
    ),
    (
        "hooks",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    before:
      - { run: alembic upgrade head, in: api }
      - { run: [], in: apy, within: 2d }
      - { in: api }
    after: [{ run: [x], undo: [], in: database }]
",
        &[
            "7 environments.x.before[0].run wrong-type",
            "8 environments.x.before[1].run empty",
            "8 environments.x.before[1].within out-of-range",
            "8 environments.x.before[1].in unknown-service",
            "9 environments.x.before[2].run missing-key",
            "10 environments.x.after[0].undo empty",
            "10 environments.x.after[0].in unknown-service",
        ],
    ),
    (
        "shares of traffic",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    rollout:
      canary: { percent: 0, bake: 2d }
",
        &["7 environments.x.rollout.canary.bake out-of-range", "7 environments.x.rollout.canary.percent out-of-range"],
    ),
    (
        "steps of traffic",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    rollout:
      linear: { percent: 2, every: 10 }
",
        &[
            "7 environments.x.rollout.linear.every invalid-value",
            "7 environments.x.rollout.linear.percent out-of-range",
        ],
    ),
    (
        "two strategies at once",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    rollout:
      linear: {}
      canary: { percent: 101 }
",
        &["7 environments.x.rollout too-many-keys", "8 environments.x.rollout.canary.percent invalid-value"],
    ),
    (
        "measurements",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    analysis:
      - { name: a, cloudwatch: { metric: m }, below: low }
      - { name: a, cloudwatch: { expression: e, namespace: n }, below: 1, above: 2, no-data: pass }
      - { name: b, cloudwatch: {} }
    rollout: blue-green
",
        &[
            "7 environments.x.analysis[0].below invalid-value",
            "7 environments.x.analysis[0].cloudwatch missing-key",
            "8 environments.x.analysis[1] too-many-keys",
            "8 environments.x.analysis[1].no-data invalid-value",
            "8 environments.x.analysis[1].name named-twice",
            "8 environments.x.analysis[1].cloudwatch.namespace too-many-keys",
            "8 environments.x.analysis[1].cloudwatch.expression unknown-metric",
            "9 environments.x.analysis[2] missing-key",
            "9 environments.x.analysis[2].cloudwatch missing-key",
        ],
    ),
    (
        "measurements whose parts do not fit",
        r#"version: 1
services: { api: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } } }
    analysis:
      - { name: none, below: 1 }
      - { name: both, below: 1, cloudwatch: { namespace: n, metric: m }, http: { url: "http://x/" } }
      - { name: itself, below: 1, compare: old, cloudwatch: { namespace: n, metric: m, dimensions: { S: "{service}" } } }
      - { name: typo, below: 1, http: { url: "http://x/{revison}", headers: { X: "{what}" } } }
      - { name: names, below: 1, cloudwatch: { expression: "100 * eror", metrics: { error: { namespace: n, metric: m } } } }
      - { name: all, below: 1, cloudwatch: { expression: "SUM(METRICS())" } }
      - { name: period, below: 1, every: 30s, cloudwatch: { namespace: n, metric: m, period: 45s } }
      - { name: critical, below: 1, critical: true, failures: 2, services: [web], cloudwatch: { namespace: n, metric: m } }
      - { name: numbers, below: 1, compare: { effect: 0.4, p: 0.5, margin: 101 }, min-samples: 0, unit: "a b", cloudwatch: { namespace: n, metric: "m", dimensions: { R: "{revision}" } } }
    rollout: blue-green
"#,
        &[
            "7 environments.x.analysis[0] missing-key",
            "8 environments.x.analysis[1].http too-many-keys",
            "9 environments.x.analysis[2].compare needs-another-key",
            "10 environments.x.analysis[3].http.url unknown-variable",
            "10 environments.x.analysis[3].http.headers.X unknown-variable",
            "11 environments.x.analysis[4].cloudwatch.expression unknown-metric",
            "12 environments.x.analysis[5].cloudwatch.expression invalid-value",
            "13 environments.x.analysis[6].cloudwatch.period out-of-range",
            "14 environments.x.analysis[7].services[0] unknown-service",
            "14 environments.x.analysis[7].failures too-many-keys",
            "15 environments.x.analysis[8].unit invalid-value",
            "15 environments.x.analysis[8].compare.margin invalid-value",
            "15 environments.x.analysis[8].compare.effect invalid-value",
            "15 environments.x.analysis[8].compare.p invalid-value",
            "15 environments.x.analysis[8].min-samples invalid-value",
        ],
    ),
    (
        "measurements where traffic moves in one go",
        r"version: 1
services: { api: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } } }
    analysis: [{ name: a, cloudwatch: { namespace: n, metric: m }, below: 1 }]
  y:
    services: { api: { ecs: { cluster: c, service: s } } }
    rollout: rolling
    analysis: [{ name: a, cloudwatch: { namespace: n, metric: m }, below: 1 }]
",
        &["6 environments.x.analysis needs-another-key", "10 environments.y.analysis needs-another-key"],
    ),
    (
        "measurements that need longer than a step lasts",
        r#"version: 1
services: { api: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } } }
    rollout: { canary: { bake: 5m } }
    analysis:
      - { name: in time, below: 1, cloudwatch: { namespace: n, metric: m } }
      - { name: too late, below: 1, warm-up: 1s, cloudwatch: { namespace: n, metric: m } }
      - { name: address, below: 1, min-samples: 60, http: { url: "http://x/" } }
  y:
    services: { api: { ecs: { cluster: c, service: s } } }
    rollout: linear
    analysis:
      - { name: compared, below: 1, compare: old, cloudwatch: { namespace: n, metric: m, dimensions: { T: "{target-group}" } } }
"#,
        &["9 environments.x.analysis[1].name out-of-range", "15 environments.y.analysis[0].name out-of-range"],
    ),
    (
        "checks of commands, and what belongs to the other kind",
        r#"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    verify:
      - { run: [bin/smoke-test] }
      - { run: [], in: apy, body: ready }
      - { http: "https://a.example/", in: api, latency: 11s }
      - { http: "https://a.example/", run: [x], in: api }
      - { http: "https://a.example/", header: { "X Y": v2 }, body: "" }
"#,
        &[
            "7 environments.x.verify[0] missing-key",
            "8 environments.x.verify[1].body needs-another-key",
            "8 environments.x.verify[1].run empty",
            "8 environments.x.verify[1].in unknown-service",
            "9 environments.x.verify[2].latency invalid-value",
            "9 environments.x.verify[2].in needs-another-key",
            "10 environments.x.verify[3] too-many-keys",
            "11 environments.x.verify[4].body invalid-value",
            "11 environments.x.verify[4].header.X Y invalid-name",
        ],
    ),
    (
        "scans",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    scan: { severity: severe, wait: 2h, ignore: [CVE 1], unscanned: maybe }
  y:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    scan: { wait: 5m }
",
        &[
            "6 environments.x.scan.severity invalid-value",
            "6 environments.x.scan.ignore[0] invalid-value",
            "6 environments.x.scan.unscanned invalid-value",
            "6 environments.x.scan.wait out-of-range",
            "9 environments.y.scan.severity missing-key",
        ],
    ),
    (
        "who is told of what, and topics out of reach",
        r#"version: 1
services: { api: {}, web: {} }
environments:
  x:
    aws: { region: us-east-1, role: "arn:aws:iam::111122223333:role/shipline" }
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    notify:
      - { slack: HOOK, signed-with: KEY }
      - { webhook: HOOK, on: [] }
      - { webhook: HOOK, on: [end] }
      - { sns: "arn:aws:sns:eu-west-1:444455556666:deploys" }
"#,
        &[
            "8 environments.x.notify[0].signed-with needs-another-key",
            "9 environments.x.notify[1].on empty",
            "10 environments.x.notify[2].on[0] invalid-value",
            "11 environments.x.notify[3].sns another-region",
            "11 environments.x.notify[3].sns another-account",
        ],
    ),
    (
        "notifications",
        r#"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } }, web: { ecs: { cluster: c, service: s } } }
    notify:
      - { slack: "https://hooks.slack.com/services/T0/B0/canary" }
      - { sns: deploys }
      - { email: a@b }
      - { slack: A, sns: arn:aws:sns:us-east-1:111122223333:x }
"#,
        &[
            "7 environments.x.notify[0].slack invalid-value",
            "8 environments.x.notify[1].sns invalid-value",
            "9 environments.x.notify[2].email unknown-key",
            "9 environments.x.notify[2] missing-key",
            "10 environments.x.notify[3] too-many-keys",
        ],
    ),
    (
        "paths that leave the repository",
        r"version: 1
services:
  api:
    image:
      repository: a/b
      context: ../other
      dockerfile: /etc/passwd
      secrets:
        - { id: a, file: ~/x }
        - { id: a, file: a/../../b }
        - { id: b, file: x, env: Y }
        - { id: c }
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } } }
",
        &[
            "6 services.api.image.context invalid-value",
            "7 services.api.image.dockerfile invalid-value",
            "9 services.api.image.secrets[0].file invalid-value",
            "10 services.api.image.secrets[1].file invalid-value",
            "10 services.api.image.secrets[1].id duplicate-id",
            "11 services.api.image.secrets[2] too-many-keys",
            "12 services.api.image.secrets[3] missing-key",
        ],
    ),
    (
        "repositories",
        r"version: 1
services:
  api:
    image:
      repository: 111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } } }
",
        &["5 services.api.image.repository registry-in-repository"],
    ),
    (
        "a repository with a tag",
        r"version: 1
services:
  api:
    image:
      repository: pmis/api:latest
      registry: https://ghcr.io
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } } }
",
        &["5 services.api.image.repository invalid-value", "6 services.api.image.registry invalid-value"],
    ),
    (
        "a repository in capitals",
        r"version: 1
services:
  api:
    image:
      repository: PMIS/api
      context: .
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } } }
",
        &["5 services.api.image.repository invalid-value"],
    ),
    (
        "how an image is built",
        r#"version: 1
services:
  api:
    image:
      repository: a
      platforms: [amd64, "linux/", linux/arm64]
      target: -x
      cache: gah
      provenance: true
      build-args: { A=B: c, D: [e] }
      tags: [newest, 1.10, { fixed: .x }, { fix: y }]
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } } }
"#,
        &[
            "6 services.api.image.platforms[0] invalid-value",
            "6 services.api.image.platforms[1] invalid-value",
            "7 services.api.image.target invalid-value",
            "8 services.api.image.cache invalid-value",
            "9 services.api.image.provenance invalid-value",
            "10 services.api.image.build-args.A=B invalid-name",
            "10 services.api.image.build-args.D wrong-type",
            "11 services.api.image.tags[0] invalid-value",
            "11 services.api.image.tags[1] invalid-value",
            "11 services.api.image.tags[2].fixed invalid-value",
            "11 services.api.image.tags[3].fix unknown-key",
            "11 services.api.image.tags[3].fixed missing-key",
        ],
    ),
    (
        "an image without repository",
        r"version: 1
services:
  api:
    image:
      context: .
environments:
  x:
    services: { api: { ecs: { cluster: c, service: s } } }
",
        &["5 services.api.image.repository missing-key"],
    ),
    (
        "no target",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services:
      api:
        {}
",
        &["7 environments.x.services.api missing-key"],
    ),
    (
        "two targets",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services:
      api:
        ecs: { cluster: c, service: s }
        app-runner: { service: s }
",
        &["7 environments.x.services.api too-many-keys"],
    ),
    (
        "targets of later versions",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services:
      api:
        cloud-run: { service: s }
",
        &["7 environments.x.services.api.cloud-run target-not-supported"],
    ),
    (
        "another target of later versions",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services:
      api:
        cloud-run: {}
",
        &["7 environments.x.services.api.cloud-run target-not-supported"],
    ),
    (
        "an Express service",
        r"version: 1
services: { api: {}, web: {}, far: {}, big: {}, new: {} }
environments:
  x:
    services:
      api:
        express:
          service: arn:aws:apprunner:us-east-1:111122223333:service/api/8fe1e10304f84fd2b0df550fe98a71fa
          health-check-path: health
          cpu: 300
          container-port: 70000
          auto-scaling-metric: latency
          min-task-count: 5
          max-task-count: 2
          infrastructure-roles: arn:aws:iam::111122223333:role/x
      web: { express: { cluster: shop, cpu: 256, memory: 4096 } }
      far: { express: { cluster: other, service: 'arn:aws:ecs:us-east-1:111122223333:service/shop/far' } }
      big: { express: { service: big, cpu: 256, memory: 1536, execution-role: admin } }
      new: { express: { service: 'arn:aws:ecs:us-east-1:111122223333:service/shop/new', create: true } }
",
        &[
            "8 environments.x.services.api.express.service wrong-arn",
            "9 environments.x.services.api.express.health-check-path invalid-value",
            "10 environments.x.services.api.express.cpu no-such-size",
            "11 environments.x.services.api.express.container-port invalid-value",
            "12 environments.x.services.api.express.auto-scaling-metric invalid-value",
            "13 environments.x.services.api.express.min-task-count counts-crossed",
            "15 environments.x.services.api.express.infrastructure-roles unknown-key",
            "16 environments.x.services.web.express.service missing-key",
            "16 environments.x.services.web.express.memory no-such-size",
            "17 environments.x.services.far.express.cluster cluster-differs",
            "18 environments.x.services.big.express.execution-role invalid-value",
            "18 environments.x.services.big.express.memory no-such-size",
            "19 environments.x.services.new.express.service service-name",
            "19 environments.x.services.new.express.create role-missing",
            "19 environments.x.services.new.express.create role-missing",
        ],
    ),
    (
        "a Compose service",
        r"version: 1
services: { api: {}, web: {}, db: {} }
environments:
  x:
    services:
      api:
        compose:
          project: My Shop
          service: api
          host: { instance: web-1 }
      web: { compose: { project: shop, service: web, host: { tag: Name=web } } }
      db:
        compose:
          project: shop
          service: db
          backups: [{ sqlite: app.db }, { sqlite: /d/../app.db }, { sqlite: /d/a.db }, { sqlite: /d/a.db }]
",
        &[
            "8 environments.x.services.api.compose.project invalid-value",
            "10 environments.x.services.api.compose.host.instance invalid-value",
            "11 environments.x.services.web.compose.host relative-path",
            "16 environments.x.services.db.compose.backups[0].sqlite invalid-value",
            "16 environments.x.services.db.compose.backups[1].sqlite invalid-value",
            "16 environments.x.services.db.compose.backups[3].sqlite named-twice",
        ],
    ),
    (
        "an ECS service",
        r#"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services:
      api:
        ecs:
          cluster: my cluster
          service: 5
          container: a b
          task-definition: ../x.json
          desired-count: -1
          force-new-deployment: on
          command: [1, {}]
          log-driver: ""
"#,
        &[
            "8 environments.x.services.api.ecs.cluster invalid-value",
            "9 environments.x.services.api.ecs.service not-quoted",
            "10 environments.x.services.api.ecs.container invalid-value",
            "11 environments.x.services.api.ecs.task-definition invalid-value",
            "12 environments.x.services.api.ecs.desired-count invalid-value",
            "13 environments.x.services.api.ecs.force-new-deployment not-a-boolean",
            "14 environments.x.services.api.ecs.command[1] wrong-type",
            "15 environments.x.services.api.ecs.log-driver invalid-value",
        ],
    ),
    (
        "a secret in place of its name",
        r#"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services:
      api:
        ecs:
          cluster: c
          service: s
          environment: { TOKEN: x, LIST: [a], "": b }
          secrets: { TOKEN: arn:aws:ssm:us-east-1:111122223333:parameter/x, PASSWORD: canary-hunter2 }
"#,
        &[
            "10 environments.x.services.api.ecs.environment.LIST wrong-type",
            "10 environments.x.services.api.ecs.environment. invalid-name",
            "11 environments.x.services.api.ecs.secrets.PASSWORD invalid-value",
            "11 environments.x.services.api.ecs.secrets.TOKEN name-twice",
        ],
    ),
    (
        "ARNs of something else",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services:
      api:
        ecs:
          cluster: arn:aws:apprunner:us-east-1:111122223333:service/x/1
          service: s
",
        &["8 environments.x.services.api.ecs.cluster wrong-arn"],
    ),
    (
        "an App Runner service",
        r"version: 1
services: { api: {}, web: {} }
environments:
  x:
    services:
      api:
        app-runner:
          service: arn:aws:ecs:us-east-1:111122223333:service/a/b
          environment: { AWSAPPRUNNER_X: 1 }
          cluster: c
",
        &[
            "8 environments.x.services.api.app-runner.service wrong-arn",
            "9 environments.x.services.api.app-runner.environment.AWSAPPRUNNER_X reserved-name",
            "10 environments.x.services.api.app-runner.cluster unknown-key",
        ],
    ),
];

fn found(text: &str) -> Vec<String> {
    let problems = parse(FILE, text).map(|_| ()).expect_err("the text is broken");
    let line = |problem: &crate::problem::Problem| {
        let place = problem.place.as_ref().expect("every problem of a file has a place");
        format!("{} {} {}", place.line.expect("and a line"), place.path, problem.code)
    };
    problems.all().iter().map(line).collect()
}

#[test]
fn every_broken_configuration_gives_all_its_problems_with_line_and_path() {
    assert!(CASES.len() >= 45);
    let mut wrong = String::new();
    for (name, text, expected) in CASES {
        let found = found(text);
        if found != *expected {
            let _ = writeln!(wrong, "{name}: {found:#?}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_problem_says_what_to_do_and_none_repeats_a_secret() {
    for (name, text, _) in CASES {
        let problems = parse(FILE, text).expect_err("the text is broken");
        assert_eq!(problems.exit_code(), 2, "{name}");
        for problem in problems.all() {
            assert!(!problem.what.is_empty() && !problem.next.is_empty(), "{name}: {problem}");
            assert!(problem.what.len() < 500 && problem.next.len() < 600, "{name}: {problem}");
        }
        let told = problems.to_string();
        assert!(!told.contains("canary-hunter2") && !told.contains("secret@") && !told.contains("B0/canary"), "{told}");
    }
}

#[test]
fn mistakes_about_people_and_workflows_read_like_advice() {
    let text = "version: 1\nservices: { api: {} }\nbuild: { workflow: .github/workflows/build.yml }\nenvironments:\n  staging:\n    \
                services: { api: { ecs: { cluster: c, service: s } } }\n    access: { deploy: [Write, acme/web] }\n    \
                pull-requests: { bases: [\"release/*\"], drafts: alow }\n    queue: two\n";
    let told = parse(FILE, text).expect_err("the text is broken").to_string();
    insta::assert_snapshot!(told, @r#"
    .github/shipline.yml:3 build.workflow: A workflow is named by its file in .github/workflows, without a path, and ends with .yml or .yaml; `.github/workflows/build.yml` does not fit.
      next: Write `build.yml`.
      see: docs/configuration.md
    .github/shipline.yml:7 environments.staging.access.deploy[0]: Access is read, triage, write, maintain, admin, "@organisation/team" or "@user"; `Write` is none of them.
      next: Did you mean `write`?
      see: docs/configuration.md
    .github/shipline.yml:7 environments.staging.access.deploy[1]: Access is read, triage, write, maintain, admin, "@organisation/team" or "@user"; `acme/web` is none of them.
      next: Write "@acme/web", in quotes.
      see: docs/configuration.md
    .github/shipline.yml:8 environments.staging.pull-requests.drafts: `alow` is not `allow` or `refuse`.
      next: Did you mean `allow`?
      see: docs/configuration.md
    .github/shipline.yml:8 environments.staging.pull-requests.bases[0]: A branch is named as in git; `release/*` is not a name of one.
      next: Name each branch in full: patterns are not read here.
      see: docs/configuration.md
    .github/shipline.yml:9 environments.staging.queue: `two` is not a choice of queue.
      next: One of these can stand here: `one`, `refuse`.
      see: docs/configuration.md
    "#);
}

#[test]
fn problems_read_like_advice() {
    let text = "version: 1\nservices: { api: {} }\nenvironments:\n  staging:\n    deploy-on-psuh: main\n    aws: { \
                allowed-account-ids: [11122223333] }\n    services: { apy: { ecs: { cluster: pmis, service: yes } } }\n    \
                within: 30\n";
    let told = parse(FILE, text).expect_err("the text is broken").to_string();
    insta::assert_snapshot!(told, @r#"
    .github/shipline.yml:5 environments.staging.deploy-on-psuh: `deploy-on-psuh` is not a key that is known here.
      next: Did you mean `deploy-on-push`?
      see: docs/configuration.md
    .github/shipline.yml:6 environments.staging.aws.allowed-account-ids[0]: An AWS account id has 12 digits (quote it in YAML, or a leading 0 is lost); "11122223333" is not one.
      next: A leading 0 was probably lost where the id was taken for a number: is it `"011122223333"`, in quotes?
      see: docs/configuration.md
    .github/shipline.yml:7 environments.staging.services.apy: `apy` is not one of the top-level `services`.
      next: Did you mean `api`?
      see: docs/configuration.md
    .github/shipline.yml:8 environments.staging.within: A length of time is written like 45s, 30m, 1h30m or 2d; "30" is not.
      next: Add the unit: `30s`, `30m`, `30h` or `30d`.
      see: docs/configuration.md
    "#);
}
