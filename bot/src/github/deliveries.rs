//! Webhook deliveries as GitHub remembers them, and asking for one again.

use serde::Deserialize;
use shipline::engine::clock;
use shipline::github::{Effect, Method, Pages, Repeat, Request};
use shipline::problem::Problem;
use shipline::types::Timestamp;

use super::{App, PastDelivery};

/// GitHub forgets deliveries after three days.
const REMEMBERED: i64 = 3 * 24 * 60 * 60;

#[derive(Deserialize)]
struct Item {
    id: u64,
    guid: String,
    delivered_at: Timestamp,
    status_code: i64,
    event: String,
    action: Option<String>,
}

impl App {
    /// The App's webhook deliveries since that time, newest first, at most three days back, all pages.
    pub async fn deliveries_since(&self, since: Timestamp) -> Result<Vec<PastDelivery>, Problem> {
        let oldest = since.as_second().max(clock::now().as_second() - REMEMBERED);
        let request = Request::get("list the App's webhook deliveries", "/app/hook/deliveries?per_page=100");
        let mut found = Vec::new();
        self.connection
            .pages(&request, |answer| {
                let items: Vec<Item> = answer.read()?;
                let before = items.len();
                let young = items.into_iter().filter(|item| item.delivered_at.as_second() >= oldest);
                let count = found.len();
                found.extend(young.map(PastDelivery::from));
                let all_young = found.len() - count == before;
                Ok(if all_young { Pages::<()>::More } else { Pages::Enough })
            })
            .await?;
        Ok(found)
    }

    /// Asks GitHub to send a delivery again.
    pub async fn redeliver(&self, id: u64) -> Result<(), Problem> {
        let path = format!("/app/hook/deliveries/{id}/attempts");
        // One delivery too many is free: its id is known by then.
        let request = Request::new(Method::Post, "send a webhook delivery again", path)
            .repeat(Repeat::Harmless)
            .effect(Effect::Reads);
        self.connection.send(&request).await.map(|_| ())
    }
}

impl From<Item> for PastDelivery {
    fn from(item: Item) -> Self {
        let event = item.action.map_or_else(|| item.event.clone(), |action| format!("{}.{action}", item.event));
        Self {
            id: item.id,
            guid: item.guid,
            at: item.delivered_at,
            arrived: (200..300).contains(&item.status_code),
            event,
        }
    }
}
