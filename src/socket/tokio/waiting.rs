//! `Waiting`: the tasks that wait for one socket.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use slab::Slab;
use smallvec::SmallVec;

use crate::socket::guard::Direction;

/// Who waits for a socket, and for what.
///
/// The runtime wakes one task per descriptor and direction. This stands in for any number of them: whatever wakes it
/// wakes all, and each tries for itself. Nobody in particular is ever woken, so nobody that is dropped before its turn
/// takes a wake-up with it.
#[derive(Default)]
pub(super) struct Waiting {
    seats: Mutex<Slab<Seat>>,
    /// How many seats have somebody to wake. Grows only under the socket's lock.
    asleep: AtomicUsize,
}

struct Seat {
    direction: Direction,
    /// Empty once woken.
    waker: Option<Waker>,
}

impl Waiting {
    /// How many there are to wake.
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.asleep.load(Ordering::Relaxed)
    }

    /// Notes whom to wake, in the seat that it has or a new one.
    pub(super) fn sit(&self, seat: &mut Option<usize>, direction: Direction, waker: &Waker) {
        let mut seats = self.seats();
        let index = *seat.get_or_insert_with(|| seats.insert(Seat { direction, waker: None }));
        match &mut seats[index].waker {
            Some(known) => known.clone_from(waker),
            empty => {
                *empty = Some(waker.clone());
                self.asleep.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Gives a seat back.
    #[inline(never)]
    pub(super) fn leave(&self, seat: usize) {
        let left = self.seats().remove(seat);
        if left.waker.is_some() {
            self.asleep.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Wakes who waits in a direction, or everyone.
    pub(super) fn wake(&self, direction: Option<Direction>) {
        let mut seats = self.seats();
        let wanted = seats.iter_mut().filter(|(_, seat)| direction.is_none_or(|direction| seat.direction == direction));
        let wakers: SmallVec<[Waker; 4]> = wanted.filter_map(|(_, seat)| seat.waker.take()).collect();
        self.asleep.fetch_sub(wakers.len(), Ordering::Relaxed);
        // a waker runs code of the runtime's, which may come back here
        drop(seats);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn seats(&self) -> MutexGuard<'_, Slab<Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.as_ref().wake(None);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.as_ref().wake(None);
    }
}
