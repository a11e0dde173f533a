//! Messages of one stream that came before their turn, in the room that all streams share.

use std::collections::BTreeMap;

use super::event::Origin;
use super::room::Room;

/// Messages by number; `M` is what a message is.
#[derive(Debug)]
pub(crate) struct Pending<M>(BTreeMap<u64, Held<M>>);

/// A message, its length in bytes, and how it came.
#[derive(Debug)]
pub(crate) struct Held<M> {
    pub(crate) item: M,
    pub(crate) len: usize,
    pub(crate) origin: Origin,
}

impl<M> Pending<M> {
    pub(crate) fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        self.0.contains_key(&number)
    }

    /// The lowest number that is here, or `below` where that is lower.
    pub(crate) fn first_or(&self, below: u64) -> u64 {
        self.0.keys().next().map_or(below, |&first| first.min(below))
    }

    /// Puts a message by, and higher ones out where that makes room: they can be asked for when their turn comes. Returns
    /// whether the message is here, and how many found no room.
    pub(crate) fn insert(&mut self, number: u64, held: Held<M>, room: &mut Room) -> (bool, u64) {
        let mut overflowed = 0;
        while !room.take(held.len) {
            overflowed += 1;
            match self.0.last_entry().filter(|entry| *entry.key() > number) {
                Some(entry) => room.give_back(entry.remove().len),
                None => return (false, overflowed),
            }
        }
        self.0.insert(number, held);
        (true, overflowed)
    }

    /// Takes a message whose turn has come.
    pub(crate) fn take(&mut self, number: u64, room: &mut Room) -> Option<Held<M>> {
        let entry = self.0.first_entry().filter(|entry| *entry.key() == number)?;
        let held = entry.remove();
        room.give_back(held.len);
        Some(held)
    }

    /// The first `most` ranges of numbers from `from` to `to` that are not here.
    pub(crate) fn holes(&self, mut from: u64, to: u64, most: usize) -> Vec<(u64, u64)> {
        let mut holes = Vec::new();
        for &number in self.0.keys().chain([&(to + 1)]) {
            if number > from {
                holes.push((from, number - 1));
            }
            from = number + 1;
            if holes.len() == most {
                break;
            }
        }
        holes
    }

    /// Gives back what is held, before it is dropped.
    pub(crate) fn release(&mut self, room: &mut Room) {
        while let Some((_, held)) = self.0.pop_first() {
            room.give_back(held.len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(len: usize) -> Held<()> {
        Held { item: (), len, origin: Origin::Live }
    }

    #[test]
    fn the_highest_numbers_make_room_for_lower_ones() {
        let (mut pending, mut room) = (Pending::new(), Room::new(2, 100));
        assert_eq!(pending.insert(7, held(10), &mut room), (true, 0));
        assert_eq!(pending.insert(5, held(10), &mut room), (true, 0));
        assert_eq!(pending.insert(9, held(10), &mut room), (false, 1));
        assert_eq!(pending.insert(3, held(90), &mut room), (true, 1));
        assert_eq!(pending.insert(2, held(95), &mut room), (true, 2));
        assert_eq!((pending.len(), pending.first_or(9), room.left()), (1, 2, (1, 5)));
        assert_eq!(pending.insert(1, held(101), &mut room), (false, 2));
        assert_eq!((pending.len(), room.left()), (0, (2, 100)));
    }

    #[test]
    fn holes_are_what_is_not_there() {
        let (mut pending, mut room) = (Pending::new(), Room::new(10, 100));
        for number in [4, 5, 8] {
            assert_eq!(pending.insert(number, held(1), &mut room), (true, 0));
        }
        assert_eq!(pending.holes(2, 9, 10), [(2, 3), (6, 7), (9, 9)]);
        assert_eq!(pending.holes(2, 9, 2), [(2, 3), (6, 7)]);
        assert_eq!(pending.holes(2, 8, 10), [(2, 3), (6, 7)]);
        assert!(pending.take(5, &mut room).is_none(), "it is not the lowest one");
        assert!(pending.take(4, &mut room).is_some());
        pending.release(&mut room);
        assert_eq!(room.left(), (10, 100));
    }
}
