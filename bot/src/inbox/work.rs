//! Work on one delivery: the handler beside the renewal of its claim, and how it ended.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use shipline::engine::wait::pause;
use shipline::engine::{Cancel, clock};
use tracing::Instrument as _;

use super::{Inbox, retry};
use crate::handlers::HandlerFailed;
use crate::store::{Claimed, DeliveryEnd, Renewed};

impl Inbox {
    /// One try of one delivery.
    pub(super) async fn work(&self, claimed: Arc<Claimed>) {
        let span = tracing::info_span!(
            "delivery",
            delivery = claimed.delivery.id,
            repository = %claimed.delivery.event.repository().name,
            sequence = claimed.sequence,
        );
        self.attempt(claimed).instrument(span).await;
    }

    async fn attempt(&self, claimed: Arc<Claimed>) {
        let tries = claimed.attempts + 1;
        let end = match retry::hopeless(claimed.deaths) {
            Some(end) => end,
            None => match self.handled(&claimed).await {
                Some(Ok(())) => DeliveryEnd::Done,
                Some(Err(failed)) => retry::after(&failed, tries, clock::now()),
                // Somebody else has it now.
                None => return,
            },
        };
        match &end {
            DeliveryEnd::Done => self.metrics.handled("done"),
            DeliveryEnd::Retry { at, why } => {
                tracing::warn!(tries, again = %at, why, "a delivery failed");
                self.metrics.handled("retry");
            }
            DeliveryEnd::Parked { why } => {
                tracing::error!(tries, why, "a delivery is put aside");
                self.metrics.handled("parked");
            }
        }
        if let Err(failure) = self.store.finish_delivery(&claimed, &end, clock::now()).await {
            // It is done once more when the claim has run out; handlers look before they act.
            tracing::error!(%failure, "the end of a delivery could not be stored");
        }
    }

    /// The handler's answer; nothing when the claim was lost meanwhile.
    async fn handled(&self, claimed: &Arc<Claimed>) -> Option<Result<(), HandlerFailed>> {
        // Making the future may panic as well as running it.
        let handler = AssertUnwindSafe(async { (self.handler)(Arc::clone(claimed)).await }).catch_unwind();
        let work = tokio::time::timeout(self.pace.within, handler);
        tokio::select! {
            ended = work => Some(match ended {
                Ok(Ok(answer)) => answer,
                Ok(Err(panic)) => Err(HandlerFailed::defect(format!("a defect of Shipline: {}", said(&*panic)))),
                Err(_) => Err(HandlerFailed::passes(format!("not done within {} s", self.pace.within.as_secs()), None)),
            }),
            () = self.lost(claimed) => None,
        }
    }

    /// Renews the claim, until it is lost. Ends with the work beside it, or with the claim.
    async fn lost(&self, claimed: &Claimed) {
        let mut holds_until = clock::instant() + self.pace.claim;
        loop {
            pause(self.pace.claim / 3, &Cancel::new()).await;
            match self.store.renew_delivery(claimed, clock::now() + self.pace.claim).await {
                Ok(Renewed::Holds) => holds_until = clock::instant() + self.pace.claim,
                Ok(Renewed::Lost) => {
                    tracing::warn!("the claim on a delivery was lost: somebody else goes on");
                    return;
                }
                Err(failure) if clock::instant() < holds_until => {
                    tracing::warn!(%failure, "the claim on a delivery could not be renewed");
                }
                Err(failure) => {
                    tracing::error!(%failure, "the claim on a delivery ran out");
                    return;
                }
            }
        }
    }
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a word")
}
