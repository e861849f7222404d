//! Primary rate limits: so many requests an hour for every installation and App.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::apps::Caller;
use crate::reply::Millis;
use crate::server::Reply;

const WINDOW: Millis = 3_600_000;
/// What an installation may ask in an hour.
const LIMIT: u64 = 5000;

#[derive(Debug, Clone, Copy)]
struct Window {
    used: u64,
    /// By the real clock: clients wait by theirs.
    reset: Millis,
}

/// What was used, by who and resource.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    windows: BTreeMap<(String, &'static str), Window>,
    /// Instead of the usual one.
    limit: Option<u64>,
}

/// Where a request counts.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    who: String,
    resource: &'static str,
}

impl Account {
    /// Nobody counts the requests of tokens the model knows nothing about, and
    /// asking for the limits is free.
    pub(crate) fn of(caller: &Caller, path: &str) -> Option<Self> {
        let who = match caller {
            Caller::Stranger => return None,
            _ if path == "/rate_limit" => return None,
            Caller::App(id) => format!("app {id}"),
            Caller::Person(id) => format!("user ID {id}"),
            Caller::Installation(token) => format!("installation ID {}", token.installation),
        };
        Some(Self { who, resource: if path == "/graphql" { "graphql" } else { "core" } })
    }
}

impl Limits {
    /// Everybody has that much left in a window that ends after so long.
    pub(crate) fn leave(&mut self, remaining: u64, reset: Millis) {
        let limit = self.limit.unwrap_or(LIMIT);
        for window in self.windows.values_mut() {
            *window = Window { used: limit.saturating_sub(remaining), reset };
        }
        self.limit = Some(limit);
        self.windows
            .insert(("everybody new".to_owned(), "core"), Window { used: limit.saturating_sub(remaining), reset });
    }

    fn window(&mut self, account: &Account, now: Millis) -> &mut Window {
        let fresh = self.windows.get(&("everybody new".to_owned(), "core")).copied();
        let fresh = fresh.filter(|window| window.reset > now).unwrap_or(Window { used: 0, reset: now + WINDOW });
        let window = self.windows.entry((account.who.clone(), account.resource)).or_insert(fresh);
        if window.reset <= now {
            *window = Window { used: 0, reset: now + WINDOW };
        }
        window
    }

    /// Counts a request, or refuses it.
    pub(crate) fn spend(&mut self, account: &Account, now: Millis) -> Result<(), Reply> {
        let limit = self.limit.unwrap_or(LIMIT);
        let window = self.window(account, now);
        if window.used >= limit {
            let message = format!("API rate limit exceeded for {}.", account.who);
            let url = "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api";
            let reply = Reply::json(403, &json!({"message": message, "documentation_url": url, "status": "403"}));
            return Err(self.show(account, now, reply));
        }
        window.used += 1;
        Ok(())
    }

    /// A 304 costs nothing.
    pub(crate) fn give_back(&mut self, account: &Account, now: Millis) {
        let window = self.window(account, now);
        window.used = window.used.saturating_sub(1);
    }

    /// `GET /rate_limit`.
    pub(crate) fn overview(&mut self, caller: &Caller, now: Millis) -> Value {
        let limit = self.limit.unwrap_or(LIMIT);
        let mut left = |path: &str| {
            let fresh = Window { used: 0, reset: now + WINDOW };
            let window = Account::of(caller, path).map_or(fresh, |account| *self.window(&account, now));
            json!({
                "limit": limit, "used": window.used, "remaining": limit.saturating_sub(window.used),
                "reset": window.reset.div_ceil(1000),
            })
        };
        let core = left("/");
        let search = json!({"limit": 30, "used": 0, "remaining": 30, "reset": (now + 60_000).div_ceil(1000)});
        json!({"resources": {"core": core, "graphql": left("/graphql"), "search": search}, "rate": core})
    }

    /// The answer with the headers every answer has.
    pub(crate) fn show(&mut self, account: &Account, now: Millis, reply: Reply) -> Reply {
        let limit = self.limit.unwrap_or(LIMIT);
        let window = *self.window(account, now);
        reply
            .with_header("x-ratelimit-limit", &limit.to_string())
            .with_header("x-ratelimit-remaining", &limit.saturating_sub(window.used).to_string())
            .with_header("x-ratelimit-used", &window.used.to_string())
            .with_header("x-ratelimit-reset", &(window.reset.div_ceil(1000)).to_string())
            .with_header("x-ratelimit-resource", account.resource)
    }
}
