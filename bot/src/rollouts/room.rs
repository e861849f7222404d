//! How many deployments one process works on at once.
//!
//! Whoever stands and waits takes nobody's place, however many they are. Whoever goes on waits for
//! none: what moves traffic is never held up by what has not begun.

use std::sync::Arc;

use tokio::sync::watch;

/// The places there are.
pub(super) struct Room {
    taken: watch::Sender<usize>,
    most: usize,
}

impl Room {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { taken: watch::Sender::new(0), most: most.max(1) })
    }

    /// Is done when a place is free.
    pub(super) async fn free(&self) {
        let mut taken = self.taken.subscribe();
        // The sender is ours: it is never gone.
        let _free = taken.wait_for(|taken| *taken < self.most).await;
    }

    /// Takes a place, whether one is free or not.
    pub(super) fn enter(self: &Arc<Self>) -> Place {
        self.taken.send_modify(|taken| *taken += 1);
        Place { room: Arc::clone(self) }
    }
}

/// A deployment's place.
pub(super) struct Place {
    room: Arc<Room>,
}

impl Place {
    /// Leaves the place to others until the answer is dropped.
    pub(super) fn aside(&self) -> Aside<'_> {
        self.room.taken.send_modify(|taken| *taken -= 1);
        Aside { room: &self.room }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.taken.send_modify(|taken| *taken -= 1);
    }
}

/// Somebody who stands and waits.
pub(super) struct Aside<'a> {
    room: &'a Room,
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        self.room.taken.send_modify(|taken| *taken += 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn is_free(room: &Room) -> bool {
        room.free().now_or_never().is_some()
    }

    #[test]
    fn whoever_stands_aside_takes_no_place_and_takes_it_again_without_waiting() {
        let room = Room::new(2);
        let (one, two) = (room.enter(), room.enter());
        assert!(!is_free(&room));
        let aside = (one.aside(), two.aside());
        assert!(is_free(&room));
        let others = (room.enter(), room.enter());
        assert!(!is_free(&room));
        drop(aside);
        assert_eq!(*room.taken.borrow(), 4, "they went on, though there was no room");
        drop(others);
        assert!(!is_free(&room));
        drop(one);
        assert!(is_free(&room));
        drop(two);
        assert_eq!(*room.taken.borrow(), 0);
    }
}
