//! Several means of moving objects, in turn.

use std::cell::Cell;
use std::time::Duration;

use super::paired::{Ratio, median};

/// Something that moves objects when it is its turn.
pub(crate) trait Moves {
    /// Moves `count` objects and returns the time it took.
    fn run(&self, count: u64) -> Duration;

    /// How many objects take about so long.
    fn calibrate(&self, time: Duration) -> u64 {
        calibrate(self, time)
    }
}

impl<M: Moves + ?Sized> Moves for Box<M> {
    fn run(&self, count: u64) -> Duration {
        (**self).run(count)
    }

    fn calibrate(&self, time: Duration) -> u64 {
        (**self).calibrate(time)
    }
}

fn calibrate(moves: &(impl Moves + ?Sized), time: Duration) -> u64 {
    let mut count = 4;
    loop {
        let took = moves.run(count);
        if took * 5 > time {
            return ((count as f64 * time.as_secs_f64() / took.as_secs_f64()) as u64).max(2);
        }
        count *= 4;
    }
}

/// As [`calibrate`], once for all means that share `count`: the first object of a turn waits for nothing, so turns of different
/// lengths would not compare.
pub(crate) fn calibrate_once(count: &Cell<Option<u64>>, moves: &impl Moves, time: Duration) -> u64 {
    let known = count.get().unwrap_or_else(|| calibrate(moves, time));
    count.set(Some(known));
    known
}

/// Seconds per object of each means, round by round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rounds(Vec<Vec<f64>>);

impl Rounds {
    /// Each means has two turns of about `time` per round: in some order, and back in reverse, so that a machine that grows slower
    /// meanwhile is so for all of them. The orders are shuffled, so that nobody always runs after the same neighbour.
    pub(crate) fn run(all: &[impl Moves], rounds: usize, time: Duration) -> Self {
        Self::run_while(all, time, &mut Orders::default(), |done| done < rounds)
    }

    /// As [`run`](Self::run), as long as `goes_on` says so of the number of rounds that are done.
    pub(crate) fn run_while(
        all: &[impl Moves],
        time: Duration,
        orders: &mut Orders,
        goes_on: impl Fn(usize) -> bool,
    ) -> Self {
        let counts: Vec<u64> = all.iter().map(|moves| moves.calibrate(time)).collect();
        let mut seconds = vec![Vec::new(); all.len()];
        let mut order: Vec<usize> = (0..all.len()).collect();
        let mut done = 0;
        while goes_on(done) {
            orders.shuffle(&mut order);
            let mut took = vec![Duration::ZERO; all.len()];
            for &index in order.iter().chain(order.iter().rev()) {
                took[index] += all[index].run(counts[index]);
            }
            for (index, took) in took.into_iter().enumerate() {
                seconds[index].push(took.as_secs_f64() / (2 * counts[index]) as f64);
            }
            done += 1;
        }
        Self(seconds)
    }

    /// These, and the rounds of a further run of the same means.
    pub(crate) fn and(mut self, other: Self) -> Self {
        if self.0.is_empty() {
            return other;
        }
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| own.extend(other));
        self
    }

    /// Of each round, the seconds per object of each means.
    pub(crate) fn each(&self) -> impl Iterator<Item = Vec<f64>> {
        (0..self.0[0].len()).map(|round| self.0.iter().map(|seconds| seconds[round]).collect())
    }

    /// The median of one means' seconds per object.
    pub(crate) fn median(&self, index: usize) -> f64 {
        median(self.0[index].clone())
    }

    /// The median over the rounds of how many times as fast `index` was as `other`.
    pub(crate) fn ratio(&self, index: usize, other: usize) -> f64 {
        self.interval(index, other).median
    }

    /// As [`ratio`](Self::ratio), with how far to trust it.
    pub(crate) fn interval(&self, index: usize, other: usize) -> Ratio {
        Ratio::of(self.0[index].iter().zip(&self.0[other]).map(|(own, other)| other / own).collect())
    }
}

/// The rounds of several starts, each with what it drew and with the luck of its heap for all its rounds: so it is the starts that do
/// not depend on each other, and only the median of each counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Starts(Vec<Rounds>);

impl Starts {
    pub(crate) fn push(&mut self, rounds: Rounds) {
        self.0.push(rounds);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The median over the starts of one means' seconds per object.
    pub(crate) fn median(&self, index: usize) -> f64 {
        median(self.0.iter().map(|rounds| rounds.median(index)).collect())
    }

    /// As [`Rounds::interval`], over the starts.
    pub(crate) fn interval(&self, index: usize, other: usize) -> Ratio {
        Ratio::of(self.each(|seconds| seconds[other] / seconds[index]))
    }

    /// Of each start, the median over the rounds of what `of` makes of the seconds per object of each means.
    pub(crate) fn each(&self, of: impl Fn(&[f64]) -> f64) -> Vec<f64> {
        self.0.iter().map(|rounds| median(rounds.each().map(|seconds| of(&seconds)).collect())).collect()
    }
}

/// The orders of rounds, at random: those of a further start go on where the last one's ended, so that not in every start the same
/// means is the first.
#[derive(Debug)]
pub(crate) struct Orders(u64);

impl Default for Orders {
    fn default() -> Self {
        Self(0x9e37_79b9)
    }
}

impl Orders {
    /// Fisher and Yates, with the random numbers of xorshift64.
    fn shuffle(&mut self, order: &mut [usize]) {
        for last in (1..order.len()).rev() {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            order.swap(last, (self.0 % (last as u64 + 1)) as usize);
        }
    }
}
