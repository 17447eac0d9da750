//! Somebody who listens: to what, and for how long.

use uuid::Uuid;

use super::{Change, MAX_LIFE, MAX_SILENCE, Subscription};

/// Somebody who listens. It is kept with a WebSocket while the channel sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// Whose generations.
    pub user_id: Uuid,
    /// Only this one.
    pub generation_id: Option<Uuid>,
    /// When the token's time is over (milliseconds since 1970).
    expires_at_ms: u64,
    /// When the connection's time is over.
    ends_at_ms: u64,
    /// When it began.
    began_at_ms: u64,
}

/// Why the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The one generation has ended.
    Ended,
    /// The token's time is over.
    Expired,
    /// The connection has lived for [`MAX_LIFE`].
    TooOld,
    /// A message was longer than is taken.
    FrameTooLarge,
    /// Nothing was heard for [`MAX_SILENCE`], and a new listener needs the place.
    Silent,
}

impl Ending {
    /// The WebSocket close code and reason (RFC 6455, section 7.4; codes from 4000 on are an
    /// application's own).
    pub fn close(self) -> (u16, &'static str) {
        match self {
            Self::Ended => (1000, "ended"),
            Self::Expired => (4401, "token expired"),
            Self::TooOld => (1001, "connect again"),
            Self::FrameTooLarge => (1009, "message too big"),
            Self::Silent => (1001, "silent"),
        }
    }
}

impl Listener {
    /// Somebody who connects now.
    pub fn new(subscription: &Subscription, now_ms: u64) -> Self {
        let ends_at = now_ms.saturating_add(MAX_LIFE.as_millis() as u64);
        Self {
            user_id: subscription.user_id,
            generation_id: subscription.generation_id,
            expires_at_ms: subscription.expires_at_ms,
            ends_at_ms: ends_at.min(subscription.expires_at_ms),
            began_at_ms: now_ms,
        }
    }

    /// As it is kept with a WebSocket.
    pub fn to_text(&self) -> String {
        let generation = self.generation_id.map(|id| id.to_string()).unwrap_or_default();
        let Self { user_id, expires_at_ms, ends_at_ms, began_at_ms, .. } = self;
        format!("{user_id} {expires_at_ms} {ends_at_ms} {began_at_ms} {generation}")
    }

    /// The way back. `None`: it was not made here.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut next = || words.next();
        Some(Self {
            user_id: Uuid::try_parse(next()?).ok()?,
            expires_at_ms: next()?.parse().ok()?,
            ends_at_ms: next()?.parse().ok()?,
            began_at_ms: next()?.parse().ok()?,
            generation_id: match next()? {
                "" => None,
                id => Some(Uuid::try_parse(id).ok()?),
            },
        })
    }

    /// Whether the change is for them.
    pub fn hears(&self, change: &Change) -> bool {
        self.user_id == change.user_id && self.generation_id.is_none_or(|id| id == change.generation_id)
    }

    /// Whether nothing can follow for them after a change that they have heard.
    pub fn has_heard_all(&self, change: &Change) -> bool {
        self.generation_id == Some(change.generation_id) && change.is_over()
    }

    /// Why their time is over, if it is.
    pub fn over(&self, now_ms: u64) -> Option<Ending> {
        if now_ms >= self.expires_at_ms {
            Some(Ending::Expired)
        } else {
            (now_ms >= self.ends_at_ms).then_some(Ending::TooOld)
        }
    }

    /// When something was heard last, in milliseconds since 1970, where that is so long ago that they may be
    /// dead: a phone that changes networks leaves connections behind that nobody ends. `answered_at_ms` is when
    /// the last `ping` was answered.
    pub fn silent_since(&self, answered_at_ms: Option<u64>, now_ms: u64) -> Option<u64> {
        let heard_at_ms = answered_at_ms.unwrap_or(0).max(self.began_at_ms);
        let silence_ms = MAX_SILENCE.as_millis() as u64;
        (heard_at_ms.saturating_add(silence_ms) <= now_ms).then_some(heard_at_ms)
    }

    /// When their time is over, in milliseconds since 1970.
    pub fn ends_at_ms(&self) -> u64 {
        self.ends_at_ms
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status::{Completed, Processing};
    use super::super::change::fixtures::{USER, change};
    use super::super::{Subscription, Transport};
    use super::*;

    const NOW: u64 = 1_795_529_400_000;

    fn listener(generation: Option<u128>, expires_in_ms: u64) -> Listener {
        let subscription = Subscription {
            user_id: USER,
            generation_id: generation.map(Uuid::from_u128),
            since: None,
            expires_at_ms: NOW + expires_in_ms,
            transport: Transport::WebSocket,
        };
        Listener::new(&subscription, NOW)
    }

    #[test]
    fn nobody_hears_of_other_users_or_of_generations_that_they_did_not_ask_for() {
        let (all, one) = (listener(None, 1), listener(Some(1), 1));
        let (first, second) = (change(1, Completed, 5), change(2, Completed, 5));
        assert_eq!([all.hears(&first), all.hears(&second)], [true, true]);
        assert_eq!([one.hears(&first), one.hears(&second)], [true, false]);
        let mut foreign = first.clone();
        foreign.user_id = Uuid::from_u128(2);
        assert_eq!([all.hears(&foreign), one.hears(&foreign)], [false, false]);
    }

    #[test]
    fn it_is_kept_as_text() {
        for listener in [listener(None, 1), listener(Some(7), 5_000)] {
            assert_eq!(Listener::from_text(&listener.to_text()), Some(listener));
        }
        for odd in ["", "x 1 2 3 ", &format!("{USER} 1 2"), &format!("{USER} 1 2 3 x")] {
            assert_eq!(Listener::from_text(odd), None, "{odd}");
        }
    }

    #[test]
    fn who_follows_one_generation_has_heard_all_at_its_end() {
        let (all, one) = (listener(None, 1), listener(Some(1), 1));
        assert!(one.has_heard_all(&change(1, Completed, 5)));
        assert!(!one.has_heard_all(&change(1, Processing, 5)));
        assert!(!all.has_heard_all(&change(1, Completed, 5)));
    }

    #[test]
    fn who_has_said_nothing_for_long_may_be_dead() {
        let (new, silence) = (listener(None, 1), MAX_SILENCE.as_millis() as u64);
        assert_eq!(new.silent_since(None, NOW + silence - 1), None);
        assert_eq!(new.silent_since(None, NOW + silence), Some(NOW));
        let answered = Some(NOW + 10_000);
        assert_eq!(new.silent_since(answered, NOW + silence + 9_999), None);
        assert_eq!(new.silent_since(answered, NOW + silence + 10_000), answered);
        assert!(MAX_SILENCE.as_secs() < 30, "its place is free within 30 s");
    }

    #[test]
    fn a_connection_ends_with_its_token_and_after_an_hour_at_the_latest() {
        let short = listener(None, 5_000);
        assert_eq!(short.ends_at_ms(), NOW + 5_000);
        assert_eq!((short.over(NOW + 4_999), short.over(NOW + 5_000)), (None, Some(Ending::Expired)));
        let hour = 60 * 60 * 1000;
        let long = listener(None, 2 * hour);
        assert_eq!(long.ends_at_ms(), NOW + hour);
        assert_eq!((long.over(NOW + hour - 1), long.over(NOW + hour)), (None, Some(Ending::TooOld)));
        assert_eq!(long.over(NOW + 2 * hour), Some(Ending::Expired));
        assert_eq!(Ending::Expired.close(), (4401, "token expired"));
    }
}
