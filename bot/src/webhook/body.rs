//! Reads the body of a delivery: bounded in size, in time and, over all requests together, in memory.
//!
//! Memory is asked for as bytes arrive, so a sender that announces much and sends nothing holds
//! nothing. Invariant: not more than the budget is held by unverified bodies, however many come.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// GitHub sends no more than this.
pub const LARGEST: usize = 25 * 1024 * 1024;

const UNIT: usize = 16 * 1024;

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoBody {
    /// Longer than allowed, or announced to be.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// Others use the memory at the moment.
    NoRoom,
    /// The sender went away, or does not speak HTTP.
    Broken,
}

/// Memory for bodies, shared by all requests.
#[derive(Clone)]
pub struct Room(Arc<Semaphore>);

/// A body and the room it takes.
pub struct Held {
    bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// For so many bytes altogether.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.div_ceil(UNIT))))
    }

    fn take(&self, bytes: usize, held: &mut Option<OwnedSemaphorePermit>) -> Result<(), NoBody> {
        let has = held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let needs = bytes.div_ceil(UNIT);
        if needs <= has {
            return Ok(());
        }
        let more = u32::try_from(needs - has).map_err(|_| NoBody::TooLarge)?;
        let more = Arc::clone(&self.0).try_acquire_many_owned(more).map_err(|_| NoBody::NoRoom)?;
        match held {
            Some(held) => held.merge(more),
            None => *held = Some(more),
        }
        Ok(())
    }
}

impl Held {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads all of it.
pub async fn read(body: Body, largest: usize, within: Duration, room: &Room) -> Result<Held, NoBody> {
    let announced = body.size_hint();
    if announced.lower() > largest as u64 {
        return Err(NoBody::TooLarge);
    }
    // Trusted only so far: an ordinary delivery is read without moving it.
    let expected = usize::try_from(announced.lower()).unwrap_or(largest).min(4 * UNIT);
    let reading = gather(body, largest, expected, room);
    tokio::time::timeout(within, reading).await.unwrap_or(Err(NoBody::TooSlow))
}

async fn gather(mut body: Body, largest: usize, expected: usize, room: &Room) -> Result<Held, NoBody> {
    let mut held = None;
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| NoBody::Broken)?.into_data() else { continue };
        let length = whole.len() + data.len();
        if length > largest {
            return Err(NoBody::TooLarge);
        }
        room.take(length, &mut held)?;
        if whole.is_empty() && body.is_end_stream() {
            // It came in one piece: no copy.
            return Ok(Held { bytes: data, _room: held });
        }
        if whole.capacity() == 0 {
            whole.reserve(expected.max(data.len()));
        }
        whole.extend_from_slice(&data);
    }
    Ok(Held { bytes: whole.freeze(), _room: held })
}
