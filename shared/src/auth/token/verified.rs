//! Tokens that were verified a moment ago. An app that follows a generation sends the same one again and again.

use super::User;
use super::claims::is_over;

/// How long a token is taken without another look at its signature, in seconds. Its end is looked at each time;
/// PostgREST and Storage verify it where a call goes on with it.
pub(super) const KEEP_SECONDS: u64 = 60;

/// How many are kept: of up to 8 KiB each, in an isolate that has 128 MB.
pub(super) const MAX_KEPT: usize = 128;

/// The tokens, the oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct VerifiedTokens(Vec<Verified>);

#[derive(Clone)]
struct Verified {
    token: String,
    user: User,
    at: u64,
}

impl std::fmt::Debug for Verified {
    /// Without the token, which is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verified").field("user", &self.user).field("at", &self.at).finish_non_exhaustive()
    }
}

impl VerifiedTokens {
    /// Whose token it is, where that was verified at most [`KEEP_SECONDS`] ago and the token's time goes on.
    pub(super) fn find(&self, token: &str, now: u64) -> Option<User> {
        let known = self.0.iter().find(|known| known.token == token)?;
        // A clock that has stepped back says nothing of how long ago it was.
        let is_fresh = now.checked_sub(known.at).is_some_and(|age| age < KEEP_SECONDS);
        (is_fresh && !is_over(known.user.expires_at, now)).then(|| known.user.clone())
    }

    /// Keeps a token that has just been verified; the oldest makes room.
    pub(super) fn keep(&mut self, token: &str, user: &User, now: u64) {
        self.0.retain(|known| known.token != token);
        if self.0.len() >= MAX_KEPT {
            self.0.remove(0);
        }
        self.0.push(Verified { token: token.to_owned(), user: user.clone(), at: now });
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::claims::LEEWAY_SECONDS;
    use super::*;

    const NOW: u64 = 2_000_000_000;

    fn user(expires_at: u64) -> User {
        User { id: Uuid::from_u128(1), role: "authenticated".into(), expires_at }
    }

    #[test]
    fn a_token_is_known_for_a_minute_and_no_longer_than_it_lives() {
        let mut tokens = VerifiedTokens::default();
        tokens.keep("long", &user(NOW + 3600), NOW);
        tokens.keep("short", &user(NOW + 10), NOW);
        assert_eq!(tokens.find("long", NOW + KEEP_SECONDS - 1), Some(user(NOW + 3600)));
        assert_eq!(tokens.find("long", NOW + KEEP_SECONDS), None);
        assert!(tokens.find("short", NOW + 10 + LEEWAY_SECONDS - 1).is_some());
        assert_eq!(tokens.find("short", NOW + 10 + LEEWAY_SECONDS), None);
        assert_eq!(tokens.find("long", NOW - 1), None, "a clock that steps back");
        for other in ["", "lon", "long.", "LONG"] {
            assert_eq!(tokens.find(other, NOW), None, "{other}");
        }
    }

    #[test]
    fn their_number_is_bounded_and_the_oldest_goes() {
        let mut tokens = VerifiedTokens::default();
        for n in 0..=MAX_KEPT {
            tokens.keep(&n.to_string(), &user(NOW + 3600), NOW);
            tokens.keep(&n.to_string(), &user(NOW + 3600), NOW);
        }
        assert_eq!(tokens.0.len(), MAX_KEPT);
        assert_eq!(tokens.find("0", NOW), None);
        assert!(tokens.find("1", NOW).is_some() && tokens.find(&MAX_KEPT.to_string(), NOW).is_some());
    }

    #[test]
    fn a_token_is_never_printed() {
        let mut tokens = VerifiedTokens::default();
        tokens.keep("very.secret.token", &user(NOW), NOW);
        assert!(!format!("{tokens:?}").contains("secret"));
    }
}
