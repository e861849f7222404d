//! The load balancers in front of ECS services: real HTTP listeners that split requests by the
//! weights a deployment set, and what CloudWatch would measure of them.
//!
//! Requests are not drawn by chance: each goes to the revision that is furthest behind its share,
//! so after `n` requests every revision is within one request of it, in every run. There is no
//! stickiness. A request with the header `x-amzn-ecs-blue-green-test` is test traffic. How a
//! revision answers is said by [`TrafficRule`]s; without one it answers 200 at once.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::ecs::{Ecs, Service};
use crate::reply::{Millis, text};
use crate::server::{Reply, Shared, wait, write};
use crate::state::{World, now};

/// How revisions answer requests. The rule given last wins.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrafficRule {
    /// Only this service (its name).
    pub service: Option<String>,
    /// Only task definitions with an image that contains this text.
    pub image: Option<String>,
    /// The share of requests that fail (0 to 1), evenly spread.
    pub error_rate: f64,
    /// With which status; 500 when it is left out.
    pub status: Option<u16>,
    /// How long an answer takes.
    pub latency_ms: u64,
    /// Up to how much longer some take, evenly spread.
    pub spread_ms: u64,
}

impl TrafficRule {
    /// For images that contain `image`: no failures, no delay.
    #[must_use]
    pub fn image(image: impl Into<String>) -> Self {
        Self { image: Some(image.into()), ..Self::default() }
    }

    /// That share of requests fails with 500.
    #[must_use]
    pub fn errors(self, error_rate: f64) -> Self {
        Self { error_rate, ..self }
    }

    /// An answer takes from `latency_ms` to `spread_ms` longer than that.
    #[must_use]
    pub fn latency(self, latency_ms: u64, spread_ms: u64) -> Self {
        Self { latency_ms, spread_ms, ..self }
    }
}

/// One request and who answered it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Served {
    /// When it came, milliseconds since the epoch.
    pub at_ms: u64,
    /// The service's cluster.
    pub cluster: String,
    /// The service.
    pub service: String,
    /// ARN of the service revision; empty when nobody was there to answer.
    pub revision: String,
    /// ARN of its task definition.
    pub task_definition: String,
    /// The image of its first container.
    pub image: String,
    /// ARN of the target group it went through.
    pub target_group: String,
    /// `app/name/id` of the load balancer.
    pub load_balancer: String,
    /// Whether it was test traffic.
    pub test: bool,
    /// Whether a target answered; else the load balancer did, for want of one.
    pub by_target: bool,
    /// The status of the answer.
    pub status: u16,
    /// How long it took.
    pub latency_ms: u64,
}

/// All requests of an account, and the listeners they came by.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) rules: Vec<TrafficRule>,
    pub(crate) served: Vec<Served>,
    listeners: BTreeMap<(String, String), SocketAddr>,
    /// How far behind its share each revision is.
    behind: BTreeMap<String, f64>,
    /// Requests and failures so far, by revision.
    counts: BTreeMap<String, (u32, f64)>,
}

impl Traffic {
    /// Sends one request to a service; `None` when there is no such service.
    pub(crate) fn request(&mut self, ecs: &Ecs, asked: &Asked, at: Millis) -> Option<Served> {
        let service =
            ecs.services.iter().find(|known| known.cluster == asked.cluster && known.name == asked.service)?;
        let shares = if asked.test { service.test_traffic() } else { service.traffic() };
        let total: f64 = shares.iter().map(|(_, weight)| weight).sum();
        for (known, weight) in &shares {
            *self.behind.entry(known.revision.clone()).or_default() += weight / total;
        }
        let behind = |revision: &str| self.behind.get(revision).copied().unwrap_or_default();
        let chosen = shares.iter().map(|(known, _)| *known);
        let chosen = chosen.max_by(|a, b| behind(&a.revision).total_cmp(&behind(&b.revision)));
        let mut served = Served {
            at_ms: at,
            cluster: asked.cluster.clone(),
            service: asked.service.clone(),
            revision: String::new(),
            task_definition: String::new(),
            image: String::new(),
            target_group: String::new(),
            load_balancer: load_balancer(service),
            test: asked.test,
            by_target: false,
            status: 503,
            latency_ms: 0,
        };
        if let Some(known) = chosen {
            *self.behind.entry(known.revision.clone()).or_default() -= 1.0;
            served.target_group = service.groups(known.alternate).into_iter().next().unwrap_or_default();
            served.revision.clone_from(&known.revision);
            served.task_definition.clone_from(&known.definition);
            let definition = ecs.definitions.find(&known.definition);
            let image = definition.and_then(|definition| definition.images().into_iter().next());
            served.image = image.unwrap_or_default();
            // A target group without healthy targets answers for itself: 503.
            if service.healthy(&known.id) > 0 {
                served.by_target = true;
                (served.status, served.latency_ms) = self.answer(&served);
            }
        }
        self.served.push(served.clone());
        Some(served)
    }

    /// Status and duration that the rules say for one more request to a revision.
    fn answer(&mut self, served: &Served) -> (u16, u64) {
        let fits = |rule: &&TrafficRule| {
            rule.service.as_deref().is_none_or(|wanted| wanted == served.service)
                && rule.image.as_deref().is_none_or(|wanted| served.image.contains(wanted))
        };
        let rule = self.rules.iter().rfind(fits).cloned().unwrap_or_default();
        let (count, due) = self.counts.entry(served.revision.clone()).or_default();
        *count += 1;
        *due += rule.error_rate.clamp(0.0, 1.0);
        let fails = *due >= 1.0 - 1e-9;
        if fails {
            *due -= 1.0;
        }
        // The golden ratio's multiples fill an interval evenly, however many there are.
        let part = (f64::from(*count) * 0.618_033_988_749_895).fract();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "test durations are small and not negative"
        )]
        let longer = (rule.spread_ms as f64 * part) as u64;
        (if fails { rule.status.unwrap_or(500) } else { 200 }, rule.latency_ms + longer)
    }

    /// What CloudWatch would have measured in `AWS/ApplicationELB` from `from` to before `to`, one
    /// value for each request that counts: `1` for counts, seconds for `TargetResponseTime`.
    /// Dimensions are `TargetGroup` (`targetgroup/name/id`) and `LoadBalancer` (`app/name/id`);
    /// others measure nothing. `None` is a metric that is not measured here.
    pub(crate) fn samples(
        &self,
        metric: &str,
        dimensions: &[(String, String)],
        from: Millis,
        to: Millis,
    ) -> Option<Vec<(Millis, f64)>> {
        let value: fn(&Served) -> Option<f64> = match metric {
            "RequestCount" => |one| one.by_target.then_some(1.0),
            "HTTPCode_Target_5XX_Count" => |one| (one.by_target && one.status >= 500).then_some(1.0),
            "HTTPCode_Target_4XX_Count" => |one| (one.by_target && one.status / 100 == 4).then_some(1.0),
            "HTTPCode_Target_2XX_Count" => |one| (one.by_target && one.status / 100 == 2).then_some(1.0),
            "HTTPCode_ELB_5XX_Count" => |one| (!one.by_target).then_some(1.0),
            #[expect(clippy::cast_precision_loss, reason = "test durations are small")]
            "TargetResponseTime" => |one| one.by_target.then_some(one.latency_ms as f64 / 1000.0),
            _ => return None,
        };
        let fits = |one: &Served| {
            dimensions.iter().all(|(name, wanted)| match name.as_str() {
                "TargetGroup" => one.target_group.ends_with(&format!(":{wanted}")),
                "LoadBalancer" => one.load_balancer == *wanted,
                _ => false,
            })
        };
        let inside = self.served.iter().filter(|one| (from..to).contains(&one.at_ms) && fits(one));
        Some(inside.filter_map(|one| Some((one.at_ms, value(one)?))).collect())
    }
}

/// `app/name/id` of the load balancer whose rule a service has.
fn load_balancer(service: &Service) -> String {
    let advanced = &service.settings.get("loadBalancers").unwrap_or(&Value::Null)[0]["advancedConfiguration"];
    let rule = text(advanced, "productionListenerRule").unwrap_or_default();
    let path = rule.split_once(":listener-rule/").or_else(|| rule.split_once(":listener/")).map(|(_, path)| path);
    path.unwrap_or_default().splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

/// Which service a request is for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) cluster: String,
    pub(crate) service: String,
    pub(crate) test: bool,
}

impl Asked {
    pub(crate) fn of(cluster: &str, service: &str) -> Self {
        Self { cluster: cluster.to_owned(), service: service.to_owned(), test: false }
    }
}

/// One request at `at`: the account moves on to then first.
pub(crate) fn request(world: &mut World, asked: &Asked, at: Millis) -> Option<Served> {
    world.advance(at);
    world.traffic.request(&world.ecs, asked, at)
}

/// The address of a service's load balancer; it listens from the first time it is asked for until
/// the server stops.
///
/// # Errors
///
/// When no port can be bound.
pub(crate) fn listen(shared: &Shared, runtime: &Handle, asked: &Asked) -> std::io::Result<SocketAddr> {
    let key = (asked.cluster.clone(), asked.service.clone());
    if let Some(known) = shared.lock().traffic.listeners.get(&key) {
        return Ok(*known);
    }
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    shared.lock().traffic.listeners.insert(key, address);
    let app = Router::new().fallback(handle).with_state((shared.clone(), asked.clone()));
    runtime.spawn(async move {
        let listener = TcpListener::from_std(listener).expect("the runtime takes a bound listener");
        drop(axum::serve(listener, app).await);
    });
    Ok(address)
}

async fn handle(State((shared, asked)): State<(Shared, Asked)>, asking: Request<Body>) -> Response<Body> {
    let test = asking.headers().contains_key("x-amzn-ecs-blue-green-test");
    let served = request(&mut shared.lock(), &Asked { test, ..asked }, now());
    let Some(served) = served else { return write(&Reply::json(503, &json!({"error": "no such service"}))) };
    wait(served.latency_ms).await;
    write(&Reply::json(served.status, &json!(served)).with_header("x-image", &served.image))
}

#[cfg(test)]
mod tests;
