//! Whether a stream is heard of.

use std::time::Duration;

/// A look at a clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moment {
    pub(crate) now: Duration,
    /// How much of the time so far went by while nobody read.
    pub(crate) missed: Duration,
    /// Whether frames wait to be read.
    pub(crate) is_behind: bool,
}

/// How much of the time somebody read what arrived.
#[derive(Debug, Default)]
pub(crate) struct Attention {
    looked: Duration,
    missed: Duration,
    /// When it last came back from elsewhere.
    back: Duration,
}

/// How much of the time between two looks at the clock counts as reading: who takes longer was elsewhere.
const ATTENDED: Duration = Duration::from_millis(100);

/// So long whoever comes back is behind, also where nothing waits in the socket: if the whole process was stopped, what has arrived
/// lies with the system, and libzmq's thread has yet to fetch it.
const SETTLING: Duration = Duration::from_millis(200);

impl Attention {
    /// Looks at the clock.
    pub(crate) fn look(&mut self, now: Duration, is_behind: bool) -> Moment {
        let absent = now.saturating_sub(self.looked).saturating_sub(ATTENDED);
        if absent >= ATTENDED {
            self.back = now;
        }
        self.missed += absent;
        self.looked = now;
        Moment { now, missed: self.missed, is_behind: is_behind || now.saturating_sub(self.back) < SETTLING }
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
    /// Who is behind does not know of a silence what nobody was there to hear.
    pub(crate) fn tick(&mut self, moment: Moment, longest: Duration) -> Option<Duration> {
        let Moment { now, missed, is_behind } = moment;
        self.ticked = now;
        if std::mem::take(&mut self.heard) {
            (self.last_heard, self.missed) = (now, missed);
        }
        let silent = now.saturating_sub(self.last_heard);
        let unheard = if is_behind { missed.saturating_sub(self.missed) } else { Duration::ZERO };
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
        Moment { now: Duration::from_secs(now), missed: Duration::from_secs(missed), is_behind }
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

    #[test]
    fn who_has_read_everything_counts_all_time() {
        let mut pulse = Pulse::new(moment(0, 0, false));
        assert_eq!(pulse.tick(moment(10, 9, false), LONGEST), Some(Duration::from_secs(10)));
    }
}
