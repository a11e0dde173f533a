//! Whether a stream is heard of.

use std::time::Duration;

/// A look at a clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moment {
    pub(crate) now: Duration,
    /// How much of the time so far went by while nobody read.
    pub(crate) missed: Duration,
    /// How much of what was missed last may not have been heard of yet.
    pub(crate) unheard: Duration,
}

/// How much of the time somebody read what arrived.
#[derive(Debug, Default)]
pub(crate) struct Attention {
    looked: Duration,
    missed: Duration,
    /// When it last came back from elsewhere, and how long it was there.
    back: Duration,
    absence: Duration,
}

/// How much of the time between two looks at the clock counts as reading: who takes longer was elsewhere.
const ATTENDED: Duration = Duration::from_millis(100);

/// So long whoever comes back may not have heard of what was said while it was away, also where nothing waits in the socket: if the whole
/// process was stopped, what has arrived lies with the system, and libzmq's thread has yet to fetch it.
const SETTLING: Duration = Duration::from_millis(200);

impl Attention {
    /// Looks at the clock. Who is behind, as frames wait to be read, may not have heard of all that it missed.
    pub(crate) fn look(&mut self, now: Duration, is_behind: bool) -> Moment {
        let absent = now.saturating_sub(self.looked).saturating_sub(ATTENDED);
        if absent >= ATTENDED {
            (self.back, self.absence) = (now, absent);
        }
        self.missed += absent;
        self.looked = now;
        let is_settling = now.saturating_sub(self.back) < SETTLING;
        let unheard = match (is_behind, is_settling) {
            (true, _) => Duration::MAX,
            // there was time to fetch what came before: who looks in only now and then is told of a silence one look later
            (false, true) => self.absence,
            (false, false) => Duration::ZERO,
        };
        Moment { now, missed: self.missed, unheard }
    }
}

/// When something was last heard; as exact as [`tick`](Self::tick) is called often.
#[derive(Debug)]
pub(crate) struct Pulse {
    heard: bool,
    last_heard: Duration,
    /// What was missed before.
    missed: Duration,
    ticked: Duration,
    is_stale: bool,
}

impl Pulse {
    pub(crate) fn new(moment: Moment) -> Self {
        let Moment { now, missed, .. } = moment;
        Self { heard: false, last_heard: now, missed, ticked: now, is_stale: false }
    }

    /// Notes a sign of life; `true` for the first one after a silence.
    pub(crate) fn beat(&mut self) -> bool {
        self.heard = true;
        std::mem::take(&mut self.is_stale)
    }

    /// Lets time pass; the length of a silence that has become too long just now.
    ///
    /// What nobody was there to hear, and may yet be heard of, is no silence.
    pub(crate) fn tick(&mut self, moment: Moment, longest: Duration) -> Option<Duration> {
        let Moment { now, missed, unheard } = moment;
        self.ticked = now;
        if std::mem::take(&mut self.heard) {
            (self.last_heard, self.missed) = (now, missed);
        }
        let silent = now.saturating_sub(self.last_heard);
        let unheard = unheard.min(missed.saturating_sub(self.missed));
        let is_news = !self.is_stale && silent.saturating_sub(unheard) >= longest;
        self.is_stale |= is_news;
        is_news.then_some(silent)
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// When time last passed.
    pub(crate) fn ticked(&self) -> Duration {
        self.ticked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(now: u64, missed: u64, is_behind: bool) -> Moment {
        let unheard = if is_behind { Duration::MAX } else { Duration::ZERO };
        Moment { now: Duration::from_secs(now), missed: Duration::from_secs(missed), unheard }
    }

    const LONGEST: Duration = Duration::from_secs(3);

    #[test]
    fn who_is_behind_counts_only_the_time_in_which_it_read() {
        let mut pulse = Pulse::new(moment(0, 0, false));
        assert_eq!(pulse.tick(moment(10, 9, true), LONGEST), None);
        assert_eq!(pulse.tick(moment(11, 9, true), LONGEST), None);
        assert_eq!(pulse.tick(moment(12, 9, true), LONGEST), Some(Duration::from_secs(12)));
        pulse.beat();
        assert_eq!(pulse.tick(moment(13, 9, true), LONGEST), None);
        assert_eq!(pulse.tick(moment(15, 9, true), LONGEST), None, "what was missed before it was heard is no matter");
        assert_eq!(pulse.tick(moment(16, 9, true), LONGEST), Some(LONGEST));
    }

    #[test]
    fn who_comes_back_is_behind_for_a_while() {
        let at = Duration::from_millis;
        let (mut attention, mut pulse) = (Attention::default(), Pulse::new(Moment::default()));
        let mut tick = |millis| pulse.tick(attention.look(at(millis), false), LONGEST);
        assert_eq!((50..1000).step_by(50).find_map(&mut tick), None);
        // it was stopped, and what came meanwhile is not in its socket yet
        assert_eq!((9000..9200).step_by(50).find_map(&mut tick), None);
        assert_eq!(tick(9200), Some(at(9200)), "nothing came");
    }

    /// When each of two streams is stale for who looks this often, in milliseconds, and leaves nothing in the socket; the first one is heard of
    /// before every look.
    fn stale_for_looks_every(interval: usize) -> [Option<Duration>; 2] {
        let (mut attention, mut pulses) = (Attention::default(), [(); 2].map(|()| Pulse::new(Moment::default())));
        let mut stale = [None; 2];
        for now in (interval as u64..60_000).step_by(interval).map(Duration::from_millis) {
            let moment = attention.look(now, false);
            pulses[0].beat();
            for (pulse, stale) in pulses.iter_mut().zip(&mut stale) {
                *stale = stale.or(pulse.tick(moment, LONGEST));
            }
        }
        stale
    }

    #[test]
    fn who_looks_only_now_and_then_is_told_one_look_later() {
        let at = |millis| [None, Some(Duration::from_millis(millis))];
        assert_eq!(stale_for_looks_every(100), at(3000));
        assert_eq!(stale_for_looks_every(300), at(3300));
        assert_eq!(stale_for_looks_every(350), at(3500), "as 3150 ms are enough without the last look");
        assert_eq!(stale_for_looks_every(1000), at(4000));
        assert_eq!(stale_for_looks_every(10_000), at(20_000));
    }

    #[test]
    fn who_looks_for_a_moment_now_and_then_is_told_one_look_later() {
        let at = Duration::from_millis;
        let (mut attention, mut pulse) = (Attention::default(), Pulse::new(Moment::default()));
        let looks = (1..60).flat_map(|second| [0, 10].map(|after| at(1000 * second + after)));
        let stale = looks.filter_map(|now| pulse.tick(attention.look(now, false), LONGEST)).next();
        assert_eq!(stale, Some(at(4000)));
    }

    #[test]
    fn who_has_read_what_waited_is_told_of_a_silence_before_it_was_last_away() {
        let at = Duration::from_millis;
        let (mut attention, mut pulse) = (Attention::default(), Pulse::new(Moment::default()));
        for second in 1..20 {
            assert_eq!(pulse.tick(attention.look(at(1000 * second), true), LONGEST), None, "{second}");
        }
        assert_eq!(pulse.tick(attention.look(at(19_010), false), LONGEST), Some(at(19_010)));
    }

    #[test]
    fn who_has_read_everything_counts_all_time() {
        let mut pulse = Pulse::new(moment(0, 0, false));
        assert_eq!(pulse.tick(moment(10, 9, false), LONGEST), Some(Duration::from_secs(10)));
    }
}
