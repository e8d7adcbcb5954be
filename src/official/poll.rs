//! One page, read again and again: never more often than asked, less often when it fails.

use std::{sync::Arc, time::Duration};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use url::Url;

use super::{
    fetch::{Answer, FetchError, Fetcher, Validators},
    parse::{ParseError, parse},
    types::{Format, Official},
};
use crate::clock::Clock;

/// How long one reading may take, redirects and body included.
pub const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest pause after failures in a row.
pub const MAX_BACKOFF: Duration = Duration::from_secs(15 * 60);
/// Longest `Retry-After` that is obeyed in full; a longer one is cut to it.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(6 * 3600);
/// First readings are spread over this time, so that a start is no burst.
const FIRST_WITHIN: Duration = Duration::from_secs(5);
/// Later ones come late by up to this share of the interval, never early.
const JITTER: f64 = 0.1;

/// A page that is read, once however many providers share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Page {
    /// Where it is.
    pub url: Url,
    /// How it is written.
    pub format: Format,
}

/// What came of one reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// It says this.
    Said(Arc<Official>),
    /// It answered something that can't be understood: nothing is known.
    Unreadable(ParseError),
    /// It did not answer: what it said before still stands and ages.
    Failed(FetchError),
}

/// When a page is read next. Pure.
#[derive(Debug, Clone)]
pub struct Pace {
    every: Duration,
    failures: u32,
}

impl Pace {
    /// Once in `every`.
    pub const fn new(every: Duration) -> Self {
        Self { every, failures: 0 }
    }

    /// The pause after a reading. `draw` lies within 0..1.
    pub fn after(&mut self, reading: &Reading, draw: f64) -> Duration {
        let pause = match reading {
            Reading::Said(_) | Reading::Unreadable(_) => {
                self.failures = 0;
                self.every
            }
            Reading::Failed(error) => {
                let asked = match error {
                    FetchError::Status { retry_after, .. } => retry_after.unwrap_or_default(),
                    _ => Duration::ZERO,
                };
                self.failures = (self.failures + 1).min(16);
                // An interval longer than the longest pause is the user's own wish.
                let backoff = self.every.saturating_mul(1 << (self.failures - 1));
                backoff
                    .min(MAX_BACKOFF.max(self.every))
                    .max(asked.min(MAX_RETRY_AFTER))
            }
        };
        pause.mul_f64(1.0 + JITTER * draw.clamp(0.0, 1.0))
    }
}

/// One page over time.
#[derive(Debug)]
pub struct Watcher {
    page: Page,
    fetcher: Fetcher,
    clock: Clock,
    pace: Pace,
    rng: ChaCha8Rng,
    pause: Duration,
    validators: Validators,
    last: Option<Reading>,
}

impl Watcher {
    /// A watcher that has read nothing yet. `seed` draws its jitter.
    pub fn new(page: Page, every: Duration, fetcher: Fetcher, clock: Clock, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let pause = FIRST_WITHIN.min(every).mul_f64(rng.random::<f64>());
        Self {
            page,
            fetcher,
            clock,
            pace: Pace::new(every),
            rng,
            pause,
            validators: Validators::default(),
            last: None,
        }
    }

    /// The page that it reads.
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// Waits until it is time, reads, tells.
    pub async fn next(&mut self) -> Reading {
        tokio::time::sleep(self.pause).await;
        let reading = self.read().await;
        self.pause = self.pace.after(&reading, self.rng.random::<f64>());
        reading
    }

    /// Reads now.
    pub async fn read(&mut self) -> Reading {
        let known = match self.last {
            Some(_) => &self.validators,
            None => &Validators::default(),
        };
        match self.fetcher.get(&self.page.url, known, self.clock.now()).await {
            Ok(Answer::Page(body, validators)) => {
                let reading = understand(self.page.format, body).await;
                self.validators = validators;
                self.last = Some(reading.clone());
                reading
            }
            // Nothing was kept only where nothing was asked conditionally.
            Ok(Answer::Unchanged) => match &self.last {
                Some(reading) => reading.clone(),
                None => Reading::Failed(FetchError::Transport("304 to the first request".to_owned())),
            },
            Err(error) => Reading::Failed(error),
        }
    }
}

/// Megabytes of JSON are read beside the threads that drive the probes.
async fn understand(format: Format, body: Vec<u8>) -> Reading {
    match tokio::task::spawn_blocking(move || parse(format, &body)).await {
        Ok(Ok(official)) => Reading::Said(Arc::new(official)),
        Ok(Err(error)) => Reading::Unreadable(error),
        Err(_) => Reading::Failed(FetchError::Transport(
            "the reader died; please report this".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn no(status: u16, retry_after: Option<u64>) -> Reading {
        Reading::Failed(FetchError::Status {
            status,
            retry_after: retry_after.map(Duration::from_secs),
        })
    }

    #[test]
    fn never_sooner_than_asked() {
        let unreadable = Reading::Unreadable(ParseError::ForPeople);
        let late = Reading::Failed(FetchError::Timeout(TIMEOUT));
        for draw in [0.0, 0.5, 1.0, 7.0, -1.0] {
            for reading in [&unreadable, &late, &no(404, None), &no(429, Some(1))] {
                let pause = Pace::new(MINUTE).after(reading, draw);
                assert!(
                    (MINUTE..=Duration::from_secs(66)).contains(&pause),
                    "{reading:?} {pause:?}"
                );
            }
        }
    }

    #[test]
    fn failures_in_a_row_double_the_pause_up_to_a_bound_and_one_answer_ends_them() {
        let mut pace = Pace::new(MINUTE);
        let pauses: Vec<u64> = (0..40)
            .map(|_| pace.after(&no(503, None), 0.0).as_secs())
            .collect();
        assert_eq!(pauses[..6], [60, 120, 240, 480, 900, 900]);
        assert_eq!(pauses[39], MAX_BACKOFF.as_secs());
        assert_eq!(
            pace.after(&Reading::Unreadable(ParseError::ForPeople), 0.0),
            MINUTE
        );
        assert_eq!(pace.after(&no(503, None), 0.0), MINUTE);
        // Somebody who asks for one reading a day gets no more of them because it fails.
        let day = Duration::from_secs(86_400);
        assert_eq!(Pace::new(day).after(&no(503, None), 0.0), day);
    }

    #[test]
    fn retry_after_is_obeyed_up_to_a_bound() {
        assert_eq!(
            Pace::new(MINUTE).after(&no(429, Some(3_000)), 0.0).as_secs(),
            3_000
        );
        assert_eq!(
            Pace::new(MINUTE).after(&no(429, Some(1 << 40)), 0.0),
            MAX_RETRY_AFTER
        );
    }
}
