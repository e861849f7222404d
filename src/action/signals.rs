//! Cancellation: GitHub's runner sends SIGINT to the entry process, SIGTERM 7.5 s later, and kills
//! 2.5 s after that (actions/runner). The first of them starts the way back.

use tokio::signal::unix::{SignalKind, signal};

use crate::engine::Cancel;

/// A cancel that fires at the first SIGINT or SIGTERM. Further ones change nothing: what can be
/// done quickly is already under way.
pub fn cancel_on_signal() -> Cancel {
    let cancel = Cancel::new();
    let fires = cancel.clone();
    // Without handlers the signals end the process as usual; there is nothing better to do then.
    if let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => fires.cancel(),
                    _ = terminate.recv() => fires.cancel(),
                }
            }
        });
    }
    cancel
}
