//! Seeded timing: log-normal first-token times and gaps.

use std::time::Duration;

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, LogNormal};

/// Draws are cut at this multiple of the median, so that no single draw stops a test.
const CEILING: f64 = 20.0;

/// Medians and spreads of the simulated timings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Median time to the first token.
    pub ttft: Duration,
    /// Sigma of its logarithm; 0 makes it constant.
    pub ttft_sigma: f64,
    /// Median gap between tokens.
    pub itl: Duration,
    /// Sigma of its logarithm; 0 makes it constant.
    pub itl_sigma: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            ttft: Duration::from_millis(350),
            ttft_sigma: 0.3,
            itl: Duration::from_millis(12),
            itl_sigma: 0.5,
        }
    }
}

impl Pace {
    /// Every timing zero: for tests of bytes.
    pub const fn instant() -> Self {
        Self {
            ttft: Duration::ZERO,
            ttft_sigma: 0.0,
            itl: Duration::ZERO,
            itl_sigma: 0.0,
        }
    }

    /// One time to the first token.
    pub(crate) fn draw_ttft(&self, rng: &mut ChaCha8Rng) -> Duration {
        draw(self.ttft, self.ttft_sigma, rng)
    }

    /// One gap.
    pub(crate) fn draw_itl(&self, rng: &mut ChaCha8Rng) -> Duration {
        draw(self.itl, self.itl_sigma, rng)
    }
}

fn draw(median: Duration, sigma: f64, rng: &mut ChaCha8Rng) -> Duration {
    // mu 0: the factor's median is 1. A sigma that is no spread (negative, NaN) is none.
    match LogNormal::new(0.0, sigma) {
        Ok(factor) if sigma > 0.0 => median.mul_f64(factor.sample(rng).min(CEILING)),
        _ => median,
    }
}

/// The generator of one request: depends on the seed, the target and how many requests that target had before, so that
/// requests to one target never change another's draws.
pub(crate) fn generator(seed: u64, target: &str, nth: u64) -> ChaCha8Rng {
    // FNV-1a, 64 bit: any spread of names over streams will do, and this one is the same everywhere.
    let hash = target.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ hash);
    rng.set_stream(nth);
    rng
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_neighbours_differ() {
        let pace = Pace::default();
        let draw = |seed, target, nth| pace.draw_ttft(&mut generator(seed, target, nth));
        assert_eq!(draw(1, "a", 0), draw(1, "a", 0));
        for other in [draw(2, "a", 0), draw(1, "b", 0), draw(1, "a", 1)] {
            assert_ne!(draw(1, "a", 0), other);
        }
    }

    #[test]
    fn the_median_is_the_median() {
        let pace = Pace::default();
        let mut rng = generator(7, "a", 0);
        let below = (0..2000).filter(|_| pace.draw_itl(&mut rng) < pace.itl).count();
        // Binomial, n 2000, p 0.5: five standard deviations are 112.
        assert!((888..=1112).contains(&below), "{below} of 2000 below the median");
    }

    #[test]
    fn draws_are_cut_and_spreads_checked() {
        let wild = Pace {
            itl_sigma: 50.0,
            ttft_sigma: f64::NAN,
            ..Pace::default()
        };
        let mut rng = generator(7, "a", 0);
        assert!((0..200).all(|_| wild.draw_itl(&mut rng) <= wild.itl.mul_f64(CEILING)));
        assert_eq!(wild.draw_ttft(&mut rng), wild.ttft);
        assert_eq!(Pace::instant().draw_itl(&mut rng), Duration::ZERO);
    }
}
