//! The way in: who asks, whether they have requests left, and the headers of every answer.

use serde_json::Value;

use super::apps::Caller;
use super::limits::Account;
use super::{GitHub, OIDC_PATH, missing, oidc, refused};
use crate::ids::digest;
use crate::query::{self, Form};
use crate::reply::Millis;
use crate::server::{Incoming, Reply};

/// A request that was let in.
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    /// The address as it was asked, for links to other pages.
    pub(crate) path: &'a str,
    pub(crate) form: Form,
    pub(crate) body: &'a Value,
    /// The model's clock.
    pub(crate) now: Millis,
    pub(crate) real: Millis,
    pub(crate) caller: Caller,
}

impl GitHub {
    /// Answers one request.
    pub(crate) fn answer(&mut self, incoming: &Incoming, body: &Value, real: Millis) -> Reply {
        let now = self.clock(real);
        // An enterprise server has its API under a path.
        let path = match incoming.path.strip_prefix("/api") {
            Some("/graphql") => "/graphql",
            Some(rest) => rest.strip_prefix("/v3").unwrap_or(&incoming.path),
            None => &incoming.path,
        };
        let segments: Vec<String> =
            path.trim_matches('/').split('/').map(|part| query::decode(&part.replace('+', "%2B"))).collect();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let form = query::parse(&incoming.query);
        if let Some(reply) = self.unauthenticated(incoming, &parts, &form, now) {
            return reply;
        }
        let caller = match self.caller(incoming, real, now) {
            Ok(caller) => caller,
            Err(refusal) => return refusal,
        };
        if path == OIDC_PATH {
            return oidc::answer(&self.oidc_claims, form.get("audience").map(String::as_str), real);
        }
        let account = Account::of(&caller, path);
        if let Some(account) = &account
            && let Err(refusal) = self.limits.spend(account, real)
        {
            return refusal;
        }
        let unreadable = !incoming.body.is_empty() && serde_json::from_slice::<Value>(&incoming.body).is_err();
        let reply = if unreadable {
            refused(400, "Problems parsing JSON")
        } else {
            let ask = Ask { method: &incoming.method, path, form, body, now, real, caller };
            self.route(&ask, &parts)
        };
        let reply = if incoming.method == "GET" { tagged(incoming, reply) } else { reply };
        let Some(account) = account else { return reply };
        if reply.status == 304 {
            self.limits.give_back(&account, real);
        }
        self.limits.show(&account, real, reply)
    }

    fn unauthenticated(&mut self, incoming: &Incoming, parts: &[&str], form: &Form, now: Millis) -> Option<Reply> {
        match (incoming.method.as_str(), parts) {
            ("POST", ["settings", "apps", "new"] | ["organizations", _, "settings", "apps", "new"]) => {
                Some(self.new_manifest(incoming, form))
            }
            ("POST", ["app-manifests", code, "conversions"]) => Some(self.convert_manifest(code, now)),
            ("GET", ["meta"]) => {
                Some(Reply::json(200, &serde_json::json!({"verifiable_password_authentication": true})))
            }
            _ => None,
        }
    }
}

/// With an `ETag`, or 304 when the reader has that already.
fn tagged(incoming: &Incoming, reply: Reply) -> Reply {
    if reply.status != 200 {
        return reply;
    }
    let tag = format!("W/\"{}\"", &digest(&reply.body)[7..]);
    let known = incoming.header("if-none-match").unwrap_or_default();
    let same = |one: &str| one.trim().trim_start_matches("W/") == tag.trim_start_matches("W/");
    let reply = if known.split(',').any(same) { Reply { status: 304, body: Vec::new(), ..reply } } else { reply };
    reply.with_header("etag", &tag)
}

/// Page and size that a request asks for.
fn asked(form: &Form, usual: usize) -> (usize, usize) {
    let number = |name: &str, usual: usize| form.get(name).and_then(|text| text.parse().ok()).unwrap_or(usual);
    (number("page", 1).max(1), number("per_page", usual).clamp(1, 100.max(usual)))
}

/// The part of a list that a request asks for.
pub(super) fn page_of(all: &[Value], form: &Form, usual: usize) -> Vec<Value> {
    let (page, size) = asked(form, usual);
    all.iter().skip((page - 1) * size).take(size).cloned().collect()
}

/// `Link` of a list that does not fit on one page.
pub(super) fn linked(reply: Reply, ask: &Ask<'_>, base: &str, count: usize) -> Reply {
    let (page, size) = asked(&ask.form, 30);
    let last = count.div_ceil(size).max(1);
    let others: Vec<String> = ask
        .form
        .iter()
        .filter(|(name, _)| *name != "page")
        .map(|(name, value)| format!("{name}={}&", value.replace('&', "%26").replace('+', "%2B")))
        .collect();
    let others = others.concat();
    let link = |page: usize, name: &str| format!("<{base}{}?{others}page={page}>; rel=\"{name}\"", ask.path);
    let mut links = Vec::new();
    if page > 1 {
        links.extend([link(page - 1, "prev"), link(1, "first")]);
    }
    if page < last {
        links.extend([link(page + 1, "next"), link(last, "last")]);
    }
    if links.is_empty() { reply } else { reply.with_header("link", &links.join(", ")) }
}

/// A list as one page with its links.
pub(super) fn listed(all: &[Value], ask: &Ask<'_>, base: &str) -> Reply {
    linked(Reply::json(200, &Value::Array(page_of(all, &ask.form, 30))), ask, base, all.len())
}

/// The number in an address; anything else is not there.
pub(super) fn number(text: &str) -> Result<u64, Reply> {
    text.parse().map_err(|_| missing())
}
