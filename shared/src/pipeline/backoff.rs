//! How long a job waits before it is run again.

use std::time::Duration;

use crate::ports::Random;

/// The wait before attempt `attempts + 1`: exponential backoff with full jitter, so that jobs that
/// failed together do not come back together.
/// See <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.
pub(super) fn backoff(attempts: u32, random: &impl Random) -> Duration {
    const BASE_S: f64 = 4.0;
    const CAP_S: f64 = 300.0;
    let ceiling = (BASE_S * 2_f64.powi(attempts.min(16) as i32)).min(CAP_S);
    Duration::from_millis((ceiling * random.unit() * 1000.0) as u64)
}

/// The waits between deliveries of a webhook, in seconds, as Standard Webhooks proposes them: 32 hours in all. One
/// fewer than the attempts that `private.enqueue_delivery` gives a job.
const DELIVERY_WAITS_S: [u32; 7] = [5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600];

/// The wait after a delivery that failed: the schedule's, give or take a tenth, so that what failed together does not
/// come back together. `None`: it was the last one.
pub(super) fn delivery_wait(attempts: u32, random: &impl Random) -> Option<Duration> {
    let seconds = usize::try_from(attempts).ok().and_then(|index| DELIVERY_WAITS_S.get(index))?;
    Some(Duration::from_secs((*seconds).into()).mul_f64(0.9 + 0.2 * random.unit()))
}

/// The wait of a job that is tried until a time: a second or two after its first run, doubling, half a minute at
/// most, so that it ends soon after the trouble does. Each claim raises the lease, so that tells the runs.
pub(super) fn retry_wait(lease: i64, random: &impl Random) -> Duration {
    let ceiling = 2_i32.pow(lease.clamp(1, 5) as u32).min(30);
    Duration::from_millis((f64::from(ceiling) * (0.5 + random.unit() / 2.0) * 1000.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(f64);
    impl Random for Fixed {
        fn unit(&self) -> f64 {
            self.0
        }
    }

    #[test]
    fn backoff_doubles_up_to_its_cap_and_jitters_down_to_zero() {
        let ceilings: Vec<u64> = (0..10).map(|n| backoff(n, &Fixed(1.0)).as_secs()).collect();
        assert_eq!(ceilings, [4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(backoff(u32::MAX, &Fixed(0.5)).as_secs(), 150);
        assert_eq!(backoff(3, &Fixed(0.0)), Duration::ZERO);
    }

    #[test]
    fn deliveries_follow_their_schedule_give_or_take_a_tenth_and_end() {
        let waits =
            |unit: f64| (0..9).map_while(move |n| delivery_wait(n, &Fixed(unit))).map(|w| w.as_secs());
        assert_eq!(waits(0.5).collect::<Vec<_>>(), [5, 300, 1800, 7200, 18_000, 36_000, 50_400]);
        assert_eq!(delivery_wait(1, &Fixed(0.0)), Some(Duration::from_secs(270)));
        assert_eq!(delivery_wait(1, &Fixed(1.0)), Some(Duration::from_secs(330)));
        assert_eq!(delivery_wait(u32::MAX, &Fixed(0.5)), None);
    }

    #[test]
    fn a_job_that_is_tried_until_a_time_comes_back_within_half_a_minute() {
        let waits: Vec<u64> =
            [1, 2, 3, 4, 5, 6, i64::MAX].iter().map(|n| retry_wait(*n, &Fixed(1.0)).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(retry_wait(i64::MIN, &Fixed(0.0)), Duration::from_secs(1), "never at once");
    }
}
