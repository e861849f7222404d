//! Makes deliveries durable, many with one commit: whoever waits is answered when the disk has it.
//!
//! One task writes. While one batch is on its way to the disk the next one gathers, so a busy bot
//! pays one commit for hundreds of deliveries and a quiet one pays no delay. Invariants: nobody is
//! told [`Accepted`] before the store returned; what waits is bounded; a store that fails is told to
//! everybody who waits, and GitHub keeps the delivery.

use std::sync::Arc;

use shipline::engine::clock;
use tokio::sync::{Notify, mpsc, oneshot};

use super::event::Delivery;
use crate::store::{Accepted, Store};

/// Deliveries in one commit.
const BATCH: usize = 512;

/// The way to the task that writes. Clones share it.
#[derive(Clone)]
pub struct Writer(mpsc::Sender<Waiting>);

struct Waiting {
    delivery: Delivery,
    answer: oneshot::Sender<Accepted>,
}

/// The delivery is not stored, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotStored {
    /// Too many wait already.
    #[error("too many deliveries wait for the database")]
    Full,
    /// The store failed; the log says how.
    #[error("the database does not answer")]
    Failed,
}

impl Writer {
    /// Starts the task. It ends, after writing what waits, when the last clone is gone. `stored` is
    /// told whenever there is something new.
    pub fn start(store: Store, stored: Arc<Notify>, room: usize) -> Self {
        let (sender, mut receiver) = mpsc::channel::<Waiting>(room);
        tokio::spawn(async move {
            let mut waiting = Vec::with_capacity(BATCH);
            while receiver.recv_many(&mut waiting, BATCH).await > 0 {
                let (deliveries, answers): (Vec<_>, Vec<_>) =
                    waiting.drain(..).map(|Waiting { delivery, answer }| (delivery, answer)).unzip();
                match store.accept(&deliveries, clock::now()).await {
                    Ok(accepted) => {
                        if accepted.contains(&Accepted::New) {
                            stored.notify_one();
                        }
                        // Somebody who went away meanwhile needs no answer.
                        for (answer, accepted) in answers.into_iter().zip(accepted) {
                            let _ = answer.send(accepted);
                        }
                    }
                    // Dropping the answers tells everybody.
                    Err(failure) => tracing::error!(%failure, deliveries = deliveries.len(), "deliveries not stored"),
                }
            }
        });
        Self(sender)
    }

    /// Returns when the delivery is durable.
    pub async fn store(&self, delivery: Delivery) -> Result<Accepted, NotStored> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Waiting { delivery, answer }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => NotStored::Full,
            mpsc::error::TrySendError::Closed(_) => NotStored::Failed,
        })?;
        answered.await.map_err(|_| NotStored::Failed)
    }
}
