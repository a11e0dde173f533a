//! Ratios of times that were taken in turn, and how far to trust them.

/// A median of ratios, and the interval that holds the true one in 95 of 100 runs.
///
/// The interval is that of the sign test: between which two values of the sorted sample the median lies follows from the
/// binomial distribution alone, whatever the distribution of the times. It is exact where rounds do not depend on each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Ratio {
    pub(crate) fn of(mut ratios: Vec<f64>) -> Self {
        ratios.sort_by(f64::total_cmp);
        let count = ratios.len();
        let rank = outside(count);
        Self { median: middle(&ratios), low: ratios[rank], high: ratios[count - 1 - rank] }
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = f.precision().unwrap_or(3);
        write!(f, "{:.digits$} ({:.digits$} to {:.digits$})", self.median, self.low, self.high)
    }
}

/// How many values at each end of a sorted sample the interval leaves out: the most heads such that a fair coin, thrown as often as
/// there are values, shows so few or fewer in one of 40 tries at most.
fn outside(count: usize) -> usize {
    // the probabilities of 0, 1, 2 ... heads, one from the other; the first is none that f64 has where there are many
    let mut logarithm = -(count as f64) * std::f64::consts::LN_2;
    let mut below = 0.0;
    for heads in 0..count / 2 {
        below += logarithm.exp();
        if below > 0.025 {
            return heads.saturating_sub(1);
        }
        logarithm += ((count - heads) as f64 / (heads + 1) as f64).ln();
    }
    (count - 1) / 2
}

/// The median.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    middle(&values)
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { (sorted[half - 1] + sorted[half]) / 2.0 }
}
