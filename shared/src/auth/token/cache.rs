//! When to fetch the project's key set again. Pure policy: the caller fetches and says what came of it.

use std::rc::Rc;

use super::KeySet;
use super::authenticate::FETCH_TIME;
use super::verified::VerifiedTokens;

/// Age from which a key set is fetched again, in seconds. Supabase's edge caches it for ten minutes too, and
/// asks its users to count on caches of that age (<https://supabase.com/docs/guides/auth/signing-keys>).
pub const TTL_SECONDS: u64 = 10 * 60;

/// Pause between two attempts to replace old keys, in seconds.
pub const RETRY_SECONDS: u64 = 30;

/// How often keys are fetched because a token names one that is not held, in the long run: once in so many
/// seconds. Anybody can send a token with an invented key id, and each one would cost a fetch.
pub const UNKNOWN_SECONDS: u64 = 3;

/// How many such fetches may follow each other at once, so that a few invented key ids do not hold up a key
/// that is new in truth.
pub const UNKNOWN_BURST: u64 = 10;

/// How long keys are used when fetching keeps failing, in seconds.
pub const MAX_STALE_SECONDS: u64 = 24 * 60 * 60;

/// What to do for a token that names a key which is not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetch {
    /// Fetch; it is noted as under way.
    Now,
    /// Another request fetches at this moment.
    UnderWay,
    /// There were too many: not before so many seconds have passed.
    Later(u32),
}

/// The key set at hand and its age. Times are unix seconds; a clock that steps back only
/// delays the next fetch.
///
/// It starts empty and is filled only when a token asks for a key, so that a project which signs with
/// its shared secret never fetches anything.
#[derive(Debug, Clone, Default)]
pub struct JwksCache {
    keys: Rc<KeySet>,
    fetched_at: Option<u64>,
    failed_at: Option<u64>,
    begun_at: Option<u64>,
    /// When as many seconds will have passed as all fetches for unknown keys have used up.
    used_until: u64,
    /// Tokens that these keys, or the shared secret, have verified.
    pub(super) verified: VerifiedTokens,
}

impl JwksCache {
    /// The keys to verify with. `None` when nothing was ever fetched or the last success is more than
    /// [`MAX_STALE_SECONDS`] ago; a token that then needs a key cannot be judged.
    pub fn keys(&self, now: u64) -> Option<Rc<KeySet>> {
        let age = now.saturating_sub(self.fetched_at?);
        (age <= MAX_STALE_SECONDS).then(|| self.keys.clone())
    }

    /// Whether the caller should fetch the key set now, because it is old: a key may have been withdrawn.
    /// If so, that is noted as under way; meanwhile the others go on with the keys at hand.
    pub fn begin_refresh(&mut self, now: u64) -> bool {
        let has_passed =
            |since: Option<u64>, seconds| since.is_none_or(|since| now.saturating_sub(since) >= seconds);
        let due = self.keys(now).is_some()
            && has_passed(self.fetched_at, TTL_SECONDS)
            && has_passed(self.failed_at, RETRY_SECONDS)
            && !self.is_under_way(now);
        if due {
            self.begun_at = Some(now);
        }
        due
    }

    /// What to do for a token that names a key which is not held.
    pub fn begin_fetch(&mut self, now: u64) -> Fetch {
        if self.is_under_way(now) {
            return Fetch::UnderWay;
        }
        match self.seconds_to_next(now) {
            0 => {
                self.begun_at = Some(now);
                let used_until = self.used_until.clamp(now, now + UNKNOWN_SECONDS * (UNKNOWN_BURST - 1));
                self.used_until = used_until + UNKNOWN_SECONDS;
                Fetch::Now
            }
            seconds => Fetch::Later(seconds),
        }
    }

    /// After how many seconds [`Self::begin_fetch`] allows another fetch.
    pub fn seconds_to_next(&self, now: u64) -> u32 {
        let free_from = self.used_until.saturating_sub(UNKNOWN_SECONDS * (UNKNOWN_BURST - 1));
        let wait = free_from.saturating_sub(now);
        // Further off than one fetch is only what a clock that has stepped back had noted.
        if wait > UNKNOWN_SECONDS { 0 } else { u32::try_from(wait).unwrap_or_default() }
    }

    /// Notes a successful fetch: the new keys replace the old ones, withdrawn keys included.
    pub fn fetched(&mut self, keys: KeySet, now: u64) {
        *self = Self {
            keys: Rc::new(keys),
            fetched_at: Some(now),
            failed_at: None,
            begun_at: None,
            used_until: self.used_until,
            // What a key has verified that is withdrawn now counts no more.
            verified: VerifiedTokens::default(),
        };
    }

    /// Notes a failed fetch: the old keys stay, and the next attempt waits.
    pub fn fetch_failed(&mut self, now: u64) {
        self.failed_at = Some(now);
        self.begun_at = None;
    }

    /// A fetch whose request has gone away never ends; its time does.
    fn is_under_way(&self, now: u64) -> bool {
        self.begun_at.is_some_and(|begun| (begun..=begun + FETCH_TIME.as_secs()).contains(&now))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{es256, key_set};
    use super::*;

    const START: u64 = 2_000_000_000;

    fn one_key() -> KeySet {
        key_set(&[es256(0).jwk("k1")])
    }

    fn filled() -> JwksCache {
        let mut cache = JwksCache::default();
        cache.fetched(one_key(), START);
        cache
    }

    /// Asserts from which second after `START` on the keys are to be replaced.
    #[track_caller]
    fn assert_old_after(cache: &JwksCache, seconds: u64) {
        assert!(!cache.clone().begin_refresh(START + seconds - 1), "due before {seconds} s");
        assert!(cache.clone().begin_refresh(START + seconds), "not due after {seconds} s");
    }

    #[test]
    fn an_empty_cache_is_filled_when_a_token_asks_for_a_key() {
        let mut cache = JwksCache::default();
        assert!(cache.keys(START).is_none());
        assert!(!cache.begin_refresh(START));
        assert_eq!(cache.begin_fetch(START), Fetch::Now);
    }

    #[test]
    fn an_unknown_key_is_looked_for_at_once_also_right_after_a_fetch() {
        let mut cache = filled();
        assert_eq!(cache.begin_fetch(START), Fetch::Now);
        assert_old_after(&filled(), TTL_SECONDS);
    }

    #[test]
    fn fetches_for_unknown_keys_are_bounded_and_the_bound_recovers() {
        let mut cache = filled();
        let mut fetches = 0;
        // One try in each second of ten minutes.
        for second in 0..600 {
            if cache.begin_fetch(START + second) == Fetch::Now {
                fetches += 1;
                cache.fetched(one_key(), START + second);
            }
        }
        assert_eq!(fetches, 600 / UNKNOWN_SECONDS + UNKNOWN_BURST - 1);
        let later = START + 600 + UNKNOWN_BURST * UNKNOWN_SECONDS;
        for _ in 0..UNKNOWN_BURST {
            assert_eq!(cache.begin_fetch(later), Fetch::Now);
            cache.fetch_failed(later);
        }
        let Fetch::Later(seconds) = cache.begin_fetch(later) else { panic!("there is no bound") };
        assert_eq!(u64::from(seconds), UNKNOWN_SECONDS);
        assert_eq!(cache.begin_fetch(later + UNKNOWN_SECONDS), Fetch::Now);
    }

    #[test]
    fn one_fetch_at_a_time_and_one_that_never_ends_is_given_up() {
        let mut cache = JwksCache::default();
        assert_eq!(cache.begin_fetch(START), Fetch::Now);
        let time = FETCH_TIME.as_secs();
        assert_eq!(cache.begin_fetch(START + time), Fetch::UnderWay);
        assert_eq!(cache.begin_fetch(START + time + 1), Fetch::Now);
        let mut old = filled();
        assert!(old.begin_refresh(START + TTL_SECONDS));
        assert!(!old.begin_refresh(START + TTL_SECONDS), "the others go on with the keys at hand");
        assert!(old.begin_refresh(START + TTL_SECONDS + time + 1));
    }

    #[test]
    fn an_empty_key_set_counts_as_fetched() {
        let mut cache = JwksCache::default();
        cache.fetched(KeySet::default(), START);
        assert!(cache.keys(START).is_some_and(|keys| keys.is_empty()));
    }

    #[test]
    fn withdrawn_keys_are_gone_after_a_fetch() {
        let mut cache = filled();
        cache.fetched(key_set(&[es256(1).jwk("k2")]), START + TTL_SECONDS);
        let keys = cache.keys(START + TTL_SECONDS).expect("keys are held");
        let found = ["k1", "k2"].map(|kid| keys.candidates("ES256", Some(kid)).keys.len());
        assert_eq!(found, [0, 1]);
    }

    #[test]
    fn a_failed_fetch_keeps_the_keys_for_a_day() {
        let mut cache = filled();
        for failed_at in [TTL_SECONDS, MAX_STALE_SECONDS - RETRY_SECONDS] {
            cache.fetch_failed(START + failed_at);
            assert!(cache.keys(START + failed_at).is_some(), "keys dropped after {failed_at} s");
            assert_old_after(&cache, failed_at + RETRY_SECONDS);
        }
        assert!(cache.keys(START + MAX_STALE_SECONDS).is_some());
        assert!(cache.keys(START + MAX_STALE_SECONDS + 1).is_none());
    }

    #[test]
    fn a_clock_that_steps_back_stops_nothing_for_good() {
        let mut cache = filled();
        for _ in 0..UNKNOWN_BURST {
            assert_eq!(cache.begin_fetch(START), Fetch::Now);
            cache.fetch_failed(START);
        }
        let before = START - 1000;
        assert!(cache.keys(before).is_some());
        assert!(!cache.begin_refresh(before));
        assert_eq!(cache.begin_fetch(before), Fetch::Now);
    }
}
