//! The control interface of `shipline-sim`: JSON over HTTP under `/_sim`.
//!
//! | request | body | answer |
//! | --- | --- | --- |
//! | `GET /_sim/health` | | `{"ok": true, "endpoint": "http://…"}` |
//! | `POST /_sim/seed` | [`Seed`] | 200 `{"task_definitions": [arn], "express_services": [arn], "app_runner_services": [arn], "images": [{"repository", "digest"}]}`; 400 `{"error", "code"}` |
//! | `POST /_sim/faults` | list of [`Fault`], appended | `{}` |
//! | `DELETE /_sim/faults` | | `{}`, no faults any more |
//! | `DELETE /_sim/rules` | | `{}`, no rules any more |
//! | `GET /_sim/calls?service=&operation=` | | `{"count": n, "calls": [`[`Call`](crate::Call)`]}`, oldest first |
//! | `DELETE /_sim/calls` | | `{}`, the record is empty |
//! | `POST /_sim/balancer` | `{"cluster", "service"}` | `{"url": "http://…"}`: a load balancer that splits requests by live weights |
//! | `POST /_sim/requests` | `{"cluster", "service", "count"}` | as `GET /_sim/served`, of these requests, which are sent without HTTP |
//! | `GET /_sim/served?cluster=&service=` | | `{"count": n, "by_image": {image: n}, "requests": […]}`, each a `Served`, oldest first |
//! | `POST /_sim/reset` | | `{}`, the account is empty |
//! | `POST /_sim/github/<act>` | what the act needs | what it made; 400 `{"error", "code"}`, and nothing was changed |
//! | `GET /_sim/github/<owner>/<repo>/pull/<n>` | | the conversation as a page; `?refresh=2` reloads it; `<n>.txt` is text, `<n>.txt?from=<comment>` that comment and later ones |
//!
//! ```json
//! {
//!   "timing": {"scale": 1, "start_ms": 50, "settle_ms": 100, "every_ms": 60},
//!   "clusters": [{"name": "shop"}],
//!   "task_definitions": [{"family": "api", "containerDefinitions": [{"name": "app", "image": "shop/api:v1"}]}],
//!   "services": [{"cluster": "shop", "serviceName": "api", "taskDefinition": "api", "desiredCount": 2,
//!     "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": true, "rollback": true}}}],
//!   "rules": [{"image": "shop/api:v2", "behaviour": {"kind": "exits", "code": 1, "lines": ["KeyError: 'X'"]},
//!     "rollback": "succeeds"}],
//!   "faults": [{"service": "ecs", "operation": "DescribeServices", "kind": "throttle", "times": 3}]
//! }
//! ```
//!
//! Members without \* are optional. Unknown members are refused, except in faults. A
//! seed that is refused halfway has been applied up to there.
//! Durations are milliseconds, instants milliseconds since the epoch.
//!
//! | member | kinds and their members |
//! | --- | --- |
//! | `rules[].behaviour` | `healthy` {`after_ms`, `drain_ms`, `lines`}, `exits` {`code`\*, `after_ms`, `every_ms`, `lines`, `container`}, `cannot_pull` {`message`\*, `every_ms`}, `resource_initialization` {`message`\*, `every_ms`}, `unhealthy` {`check`: `target_group` or `container`, `status`, `after_ms`, `every_ms`, `lines`}, `out_of_memory` {`after_ms`, `every_ms`, `lines`}, `unplaceable` {`message`\*, `every_ms`}, `stuck`, `superseded` {`after_ms`, `task_definition`}, `unshiftable` {`message`\*}, `alarm` {`name`\*, `after_ms`} |
//! | `rules[]` besides | `service`, `image` (contained in any image), `rollback`: `succeeds`, `fails` or `stuck`, `rollback_ms`, `times` |
//! | `traffic[]` | `service`, `image` (contained in the image), `error_rate` (0 to 1), `status` (500), `latency_ms`, `spread_ms` |
//! | `timing` | milliseconds by step; `stage_ms` of an idle lifecycle stage, `minute_ms` of each minute of bakes, steps and hook time-outs, `hook_minute_ms` of hook time-outs alone |
//! | `app_runner_rules[].behaviour` | `succeeds`, `rolls_back` {`lines`, `reason`}, `fails` {`lines`, `reason`}, `build_fails` {`lines`, `reason`}, `health_fails` {`lines`}, `rollback_fails` {`lines`}, `stuck` |
//! | `app_runner_rules[]` besides | `service`, `image`, `after_ms`, `rollback_ms`, `times` |
//! | `alarms[]` | `name`\*, `state`: `OK`, `ALARM`, `INSUFFICIENT_DATA`; `reason`, `composite` |
//! | `scans[]` | `repository`, `digest`, `status`, `description`, `takes_ms`, `asked`, `enhanced`, `findings` [{`name`, `severity`, `package`, `version`, `fixed_in`, `url`, `status`}] |
//! | `metrics` | `page` (values a page), `lag_ms` (until a measurement is published), `status` {metric: `InternalError`, `Forbidden`, `PartialData`} |
//! | `topics[]` | ARNs of SNS topics |
//! | `faults[]` | `kind`\*: `throttle`, `deny`, `unknown`, `empty_list`, `server_error` {`status`}, `delay` {`ms`\*}, `hang` {`ms`\*}, `lose_response`, `error` {`code`\*, `message`\*, `status`}, for GitHub `secondary_limit` {`status`, `retry_after`}, `primary_limit` {`reset_ms`\*}; besides `service`, `operation` (`*` in it stands for anything), `after`, `times`, `rate` |
//!
//! # GitHub
//!
//! `repository` is `acme/shop` where it is left out. People are made when they are named first. A
//! repository that an act made (a *hosted* one) opens only to tokens of an installation.
//!
//! ```bash
//! act() { curl -fsS "$sim/_sim/github/$1" -d "$2"; }
//! act app '{"webhook": "http://127.0.0.1:8080/webhooks/github"}'   # {"id", "slug", "pem", "secret", "installation", …}
//! act repository '{"files": {".github/shipline.yml": "version: 1\n…"}}'
//! act user '{"login": "dev", "role": "write"}'
//! act pull '{"who": "dev", "title": "Faster checkout"}'            # {"number": 1, "sha": "…"}
//! act says '{"who": "dev", "issue": 1, "body": "/deploy staging"}' # {"comment": 1000012}
//! act conversation '{"issue": 1}'
//! ```
//!
//! | act | members | answer |
//! | --- | --- | --- |
//! | `app` | `name`, `owner`, `account` (`acme`; nowhere when empty), `repositories`, `permissions`, `events`, `webhook`, `secret` | `id`, `slug`, `client_id`, `pem`, `secret`, `installation` |
//! | `manifest` | `manifest`\* | `code` for `/app-manifests/{code}/conversions`; a browser posts to `/settings/apps/new` |
//! | `install`, `uninstall`, `suspend`, `unsuspend` | `app`, `account`, `repositories`, `permissions`, `events`; `installation`; `who` | `installation` |
//! | `permit`, `withdraw` | `permissions`\*; `permission`\* | |
//! | `expire-tokens`, `ping`, `webhook` | `app`, `url`, `secret` | |
//! | `repository` | `repository`, `visibility` (`private`, `public`), `default_branch`, `files`, `message`, `author` and `sha` of the first commit, `owner` (`organization`, `user`), `fork_of` | `id`, `sha` |
//! | `rename-repository` | `repository`\*, `to`\*: the old name leads to the new one | |
//! | `user`, `rename`, `team` | `login`\*, `role` (`none` takes it away); `from`\*, `to`\*; `slug`\*, `organization`, `members` {login: `active` or `pending`} | `id` |
//! | `commit` | `branch`, `from`, `files`, `message`, `author`, `sha` | `sha` |
//! | `pull` | `who`, `title`, `body`, `branch`, `base`, `files`, `message`, `sha`, `stage` (`ready`, `draft`), `fork` | `number`, `sha` |
//! | `push` | `pull`\*, `who`, `files`, `message`, `sha`, `how` (`fast-forward`, `force`) | `sha`, `before` |
//! | `ready`, `draft`, `close`, `reopen`, `merge`, `retitle` {`title`}, `retarget` {`base`} | `pull`\*, `who` | `sha` of a merge |
//! | `mergeable` | `pull`\*, `mergeable` (`yes`, `conflicting`, `unknown`), `state` | |
//! | `review` | `pull`\*, `who`\*, `state`, `sha` | `id` |
//! | `protect`, `ruleset` | `branch`, `checks` [{`context`, `app`}], `up_to_date` (`any`, `strict`), `reviews`, `stale` (`keep`, `dismiss`) | |
//! | `check` | `sha`\*, `name`\*, `status`, `conclusion` (`success`), `app`, `suite` | `id`, `suite` |
//! | `status` | `sha`\*, `context`\*, `state`, `description`, `who` | `id` |
//! | `press` | `check`\*, `who`\*, `identifier` (a button; "Re-run" without) | |
//! | `issue`, `says`, `edits`, `deletes` | `who`, `title`; `issue`\*, `body`\*; `comment`\* | `number`; `comment` |
//! | `workflow` | `file`\*, `name`, `inputs`, `run_name`, `build` {`after_ms`, `conclusion`, `sha_input`, `images`, `revision`}: its runs end by themselves, with images in the registry | `id` |
//! | `finish` | `run`\*, `conclusion` | |
//! | `deployment`, `deployment-status` | `ref`\*, `environment`, `payload`, `description`, `state`, `who`; `deployment`\* | `id` |
//! | `hold`, `release` | ; `order` (`as-they-came`, `reversed`), `drop` | `released` |
//! | `lose` | `count`, `how` (`failed`: GitHub knows, `never`) | |
//! | `duplicate`, `resend` (with a new id), `redeliver` | `guid` (the newest), `event`, `times` | `guid` |
//! | `advance`, `head-lag`, `limit` | `ms`\*; `ms`\*; `remaining`\*, `reset_ms` | |
//! | `conversation`, `deployments`, `runs`, `checks`, `look`, `deliveries`, `quiet` | `issue`\*; ; ; `sha`\*; `pull`\*; `event`; | what there is |

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::balancer::{self, Asked, Served};
use crate::faults::Fault;
use crate::github;
use crate::query;
use crate::reply::text;
use crate::seed::Seed;
use crate::server::{Incoming, Reply, Shared};
use crate::state::{World, now};

/// Answers a control request.
pub(crate) fn answer(shared: &Shared, incoming: &Incoming) -> Reply {
    let mut world = shared.lock();
    let parsed = |error: &serde_json::Error| Reply::json(400, &json!({"error": error.to_string(), "code": "Json"}));
    let done = Reply::json(200, &json!({}));
    match (incoming.method.as_str(), incoming.path.as_str()) {
        ("GET", "/_sim/health") => Reply::json(200, &json!({"ok": true, "endpoint": world.endpoint})),
        ("POST", "/_sim/seed") => match serde_json::from_slice::<Seed>(&incoming.body) {
            Err(error) => parsed(&error),
            Ok(seed) => match world.seed(seed, now()) {
                Ok(made) => Reply::json(200, &made),
                Err(error) => Reply::json(400, &json!({"error": error.message, "code": error.code})),
            },
        },
        ("POST", "/_sim/faults") => match serde_json::from_slice::<Vec<Fault>>(&incoming.body) {
            Err(error) => parsed(&error),
            Ok(faults) => {
                world.faults.extend(faults);
                done
            }
        },
        ("DELETE", "/_sim/faults") => {
            world.faults.clear();
            done
        }
        ("DELETE", "/_sim/rules") => {
            world.env.rules.clear();
            world.env.apprunner_rules.clear();
            done
        }
        ("GET", "/_sim/calls") => Reply::json(200, &calls(&world, &incoming.query)),
        ("DELETE", "/_sim/calls") => {
            world.calls.clear();
            done
        }
        ("GET", "/_sim/served") => {
            let form = query::parse(&incoming.query);
            let fits = |name: &str, value: &str| form.get(name).is_none_or(|wanted| wanted == value);
            let of = |one: &&Served| fits("cluster", &one.cluster) && fits("service", &one.service);
            Reply::json(200, &counted(world.traffic.served.iter().filter(of)))
        }
        ("POST", "/_sim/requests") => match serde_json::from_slice::<Value>(&incoming.body) {
            Err(error) => parsed(&error),
            Ok(body) => {
                let count = body["count"].as_u64().unwrap_or(1);
                let asked = asked(&body);
                let served: Vec<Served> =
                    (0..count).filter_map(|_| balancer::request(&mut world, &asked, now())).collect();
                Reply::json(200, &counted(served.iter()))
            }
        },
        ("POST", "/_sim/balancer") => {
            drop(world);
            let body = serde_json::from_slice(&incoming.body).unwrap_or(Value::Null);
            match balancer::listen(shared, &Handle::current(), &asked(&body)) {
                Ok(address) => Reply::json(200, &json!({"url": format!("http://{address}")})),
                Err(error) => Reply::json(500, &json!({"error": error.to_string(), "code": "Bind"})),
            }
        }
        ("POST", "/_sim/reset") => {
            *world = World::new(world.endpoint.clone(), world.github.hooks.waker());
            done
        }
        ("POST", path) if path.starts_with("/_sim/github/") => acted(&mut world, path, &incoming.body),
        _ => Reply::json(404, &json!({"error": "no such control request", "code": "NotFound"})),
    }
}

/// The service a control request names.
fn asked(body: &Value) -> Asked {
    Asked::of(text(body, "cluster").unwrap_or("default"), text(body, "service").unwrap_or_default())
}

fn counted<'a>(served: impl Iterator<Item = &'a Served>) -> Value {
    let served: Vec<&Served> = served.collect();
    let mut images: BTreeMap<&str, usize> = BTreeMap::new();
    for one in &served {
        *images.entry(&one.image).or_default() += 1;
    }
    json!({"count": served.len(), "by_image": images, "requests": served})
}

/// What people do on GitHub: see `github/acts`.
fn acted(world: &mut World, path: &str, body: &[u8]) -> Reply {
    let name = path.trim_start_matches("/_sim/github/");
    let body = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(body) };
    world.advance(now());
    let done = body.map_err(|error| error.to_string());
    match done.and_then(|body| github::act(&mut world.github, name, &body, now())) {
        Ok(done) => Reply::json(200, &done),
        Err(error) => Reply::json(400, &json!({"error": error, "code": "Refused"})),
    }
}

fn calls(world: &World, query: &str) -> Value {
    let form = query::parse(query);
    let fits = |name: &str, value: &str| form.get(name).is_none_or(|wanted| wanted.is_empty() || wanted == value);
    let found: Vec<_> = world
        .calls
        .iter()
        .filter(|call| fits("service", &call.service) && fits("operation", &call.operation))
        .collect();
    json!({"count": found.len(), "calls": found})
}
