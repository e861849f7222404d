//! Sends webhooks, one after another, and ends workflow runs that end by themselves. Lives on the
//! server's runtime; holds the world's lock only to look and to note, never while it waits.

use std::time::Duration;

use super::hooks::{Attempt, Loss, Message, Turn, headers};
use crate::reply::Millis;
use crate::server::Shared;
use crate::state::{World, now};

/// GitHub waits that long for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_hours(1);

/// What is to be sent, to whom.
struct Parcel {
    message: Message,
    turn: Turn,
    url: Option<String>,
    headers: Vec<(&'static str, String)>,
    loss: Option<Loss>,
}

/// Runs as long as the server.
pub(crate) async fn carry(world: Shared) {
    let Ok(client) =
        reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).no_proxy().build()
    else {
        return;
    };
    loop {
        let (parcel, wake, next) = {
            let mut world = world.lock();
            let at = now();
            end_runs(&mut world, at);
            let next = world.github.due.iter().map(|(due, _)| due.saturating_sub(at)).min();
            (pick(&mut world), world.github.hooks.waker(), next)
        };
        if let Some(parcel) = parcel {
            deliver(&client, &world, parcel).await;
            continue;
        }
        let idle = next.map_or(IDLE, |ms| Duration::from_millis(ms.max(1)));
        // Either there is something new, or a run is due.
        let _either = tokio::time::timeout(idle, wake.notified()).await;
    }
}

/// Ends the runs that are due; what they built is in the registry before anybody is told.
fn end_runs(world: &mut World, at: Millis) {
    let due = std::mem::take(&mut world.github.due);
    let (now_due, later) = due.into_iter().partition(|(when, _)| *when <= at);
    world.github.due = later;
    for (_, due) in now_due {
        for image in due.images {
            world.plant(image, at);
        }
        let clock = world.github.clock(at);
        // A run that a person ended before stays as it is.
        let _ended_before = world.github.finish_run(&due.repository, due.run, &due.conclusion, clock);
    }
}

fn pick(world: &mut World) -> Option<Parcel> {
    let github = &mut world.github;
    let (message, turn) = github.hooks.next()?;
    github.hooks.busy = true;
    let loss = match &mut github.hooks.losing {
        Some((left, loss)) if *left > 0 => {
            *left -= 1;
            Some(*loss)
        }
        _ => None,
    };
    let app = github.apps.app(message.app);
    let url = app.and_then(|app| app.hook_url.clone());
    let headers = headers(&message, app.map_or(0, |app| app.hook_id), app.and_then(|app| app.secret.as_deref()));
    Some(Parcel { message, turn, url, headers, loss })
}

async fn deliver(client: &reqwest::Client, world: &Shared, parcel: Parcel) {
    let Parcel { message, turn, url, headers, loss } = parcel;
    let began = now();
    let (code, status, answer) = match (loss, url) {
        (Some(Loss::Never), _) | (None, None) => {
            world.lock().github.hooks.busy = false;
            return;
        }
        (Some(Loss::Failed), _) => (None, "failed to connect to host".to_owned(), None),
        (None, Some(url)) => {
            let mut request = client.post(url).header("content-type", "application/json");
            for (name, value) in headers {
                request = request.header(name, value);
            }
            match request.body(message.payload.to_string()).send().await {
                Ok(response) => {
                    let code = response.status();
                    let words = if code.is_success() { "OK" } else { "Invalid HTTP Response" };
                    let words = format!("{words}: {}", code.as_u16());
                    let words = if code.is_success() { "OK".to_owned() } else { words };
                    (Some(code.as_u16()), words, response.text().await.ok())
                }
                Err(error) if error.is_timeout() => (Some(504), "timed out".to_owned(), None),
                Err(_) => (None, "failed to connect to host".to_owned(), None),
            }
        }
    };
    let mut world = world.lock();
    let id = world.github.ids.number();
    let at = world.github.clock(began);
    let duration_ms = now().saturating_sub(began);
    world.github.hooks.attempts.push(Attempt { id, message, turn, at, duration_ms, code, status, answer });
    world.github.hooks.busy = false;
}
