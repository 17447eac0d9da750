//! When to fetch the project's key set again. Pure policy: the caller fetches and says what came of it.

use super::KeySet;

/// Age from which a key set is fetched again, in seconds. Supabase's edge caches it for ten minutes too, and
/// asks its users to count on caches of that age (<https://supabase.com/docs/guides/auth/signing-keys>).
pub const TTL_SECONDS: u64 = 10 * 60;

/// Pause between two fetches while keys are held, in seconds. Anybody can send a token with an
/// invented key id; without the pause each one would cost a fetch.
pub const RETRY_SECONDS: u64 = 30;

/// Pause after a failed fetch while no keys are held, in seconds: short, because nobody can sign in.
pub const RETRY_EMPTY_SECONDS: u64 = 5;

/// How long keys are used when fetching keeps failing, in seconds.
pub const MAX_STALE_SECONDS: u64 = 24 * 60 * 60;

/// What makes the caller think of fetching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchReason {
    /// Keys are about to be used and may have been withdrawn meanwhile.
    Age,
    /// A token names a key that is not held ([`super::TokenError::UnknownKey`]).
    UnknownKey,
}

/// The key set at hand and its age. Times are unix seconds; a clock that steps back only
/// delays the next fetch.
///
/// It starts empty and is filled only when a token asks for a key, so that a project which signs with
/// its shared secret never fetches anything.
#[derive(Debug, Clone, Default)]
pub struct JwksCache {
    keys: KeySet,
    fetched_at: Option<u64>,
    failed_at: Option<u64>,
}

impl JwksCache {
    /// The keys to verify with. `None` when nothing was ever fetched or the last success is more than
    /// [`MAX_STALE_SECONDS`] ago; a token that then needs a key cannot be judged, which is our
    /// failure (503) and not the caller's (401).
    pub fn keys(&self, now: u64) -> Option<&KeySet> {
        let age = now.saturating_sub(self.fetched_at?);
        (age <= MAX_STALE_SECONDS).then_some(&self.keys)
    }

    /// Whether the caller should fetch the key set now.
    pub fn needs_fetch(&self, now: u64, reason: FetchReason) -> bool {
        let held = self.keys(now).is_some();
        let pause = if held { RETRY_SECONDS } else { RETRY_EMPTY_SECONDS };
        let has_passed =
            |since: Option<u64>, seconds| since.is_none_or(|since| now.saturating_sub(since) >= seconds);
        if !has_passed(self.fetched_at.max(self.failed_at), pause) {
            return false;
        }
        match reason {
            FetchReason::UnknownKey => true,
            FetchReason::Age => held && has_passed(self.fetched_at, TTL_SECONDS),
        }
    }

    /// Notes a successful fetch: the new keys replace the old ones, withdrawn keys included.
    pub fn fetched(&mut self, keys: KeySet, now: u64) {
        *self = Self { keys, fetched_at: Some(now), failed_at: None };
    }

    /// Notes a failed fetch: the old keys stay, and the next attempt waits.
    pub fn fetch_failed(&mut self, now: u64) {
        self.failed_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{jwk, key_set, signing_key};
    use super::FetchReason::{Age, UnknownKey};
    use super::*;

    const START: u64 = 2_000_000_000;

    fn one_key() -> KeySet {
        key_set(&[jwk("k1", &signing_key(1))])
    }

    fn filled() -> JwksCache {
        let mut cache = JwksCache::default();
        cache.fetched(one_key(), START);
        cache
    }

    /// Asserts from which second after `START` on a fetch is due.
    #[track_caller]
    fn assert_due_after(cache: &JwksCache, reason: FetchReason, seconds: u64) {
        assert!(!cache.needs_fetch(START + seconds - 1, reason), "due before {seconds} s");
        assert!(cache.needs_fetch(START + seconds, reason), "not due after {seconds} s");
    }

    #[test]
    fn an_empty_cache_is_filled_when_a_token_asks_for_a_key() {
        let cache = JwksCache::default();
        assert!(cache.keys(START).is_none());
        assert!(!cache.needs_fetch(START, Age));
        assert!(cache.needs_fetch(START, UnknownKey));
    }

    #[test]
    fn keys_are_fetched_again_when_old_and_sooner_for_an_unknown_key() {
        let cache = filled();
        assert_eq!(cache.keys(START).map(KeySet::len), Some(1));
        assert_due_after(&cache, Age, TTL_SECONDS);
        assert_due_after(&cache, UnknownKey, RETRY_SECONDS);
    }

    #[test]
    fn an_empty_key_set_counts_as_fetched() {
        let mut cache = JwksCache::default();
        cache.fetched(KeySet::default(), START);
        assert!(cache.keys(START).is_some_and(KeySet::is_empty));
        assert_due_after(&cache, UnknownKey, RETRY_SECONDS);
    }

    #[test]
    fn withdrawn_keys_are_gone_after_a_fetch() {
        let mut cache = filled();
        cache.fetched(key_set(&[jwk("k2", &signing_key(2))]), START + TTL_SECONDS);
        let keys = cache.keys(START + TTL_SECONDS).expect("keys are held");
        assert!(keys.find("k1").is_none() && keys.find("k2").is_some());
    }

    #[test]
    fn a_failed_fetch_keeps_the_keys_for_a_day() {
        let mut cache = filled();
        for failed_at in [TTL_SECONDS, MAX_STALE_SECONDS - RETRY_SECONDS] {
            cache.fetch_failed(START + failed_at);
            assert!(cache.keys(START + failed_at).is_some(), "keys dropped after {failed_at} s");
            assert_due_after(&cache, Age, failed_at + RETRY_SECONDS);
            assert_due_after(&cache, UnknownKey, failed_at + RETRY_SECONDS);
        }
        assert!(cache.keys(START + MAX_STALE_SECONDS).is_some());
        assert!(cache.keys(START + MAX_STALE_SECONDS + 1).is_none());
    }

    #[test]
    fn without_keys_a_failed_fetch_is_repeated_soon() {
        let mut cache = JwksCache::default();
        cache.fetch_failed(START);
        assert!(cache.keys(START).is_none());
        assert_due_after(&cache, UnknownKey, RETRY_EMPTY_SECONDS);
        cache.fetched(one_key(), START);
        assert_due_after(&cache, UnknownKey, RETRY_SECONDS);
    }

    #[test]
    fn a_clock_that_steps_back_only_delays_the_next_fetch() {
        let cache = filled();
        assert!(cache.keys(START - 1000).is_some());
        assert!(!cache.needs_fetch(START - 1000, Age));
        assert!(!cache.needs_fetch(START - 1000, UnknownKey));
    }
}
