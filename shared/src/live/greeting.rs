//! What somebody hears first: how things stand.

use super::{Change, Listener, Memory};

/// What a new listener is told before the first change.
#[derive(Debug, PartialEq, Eq)]
pub struct Greeting {
    /// How their generations stand, the oldest change first.
    pub states: Vec<Change>,
    /// The number of `ready`, which follows.
    pub ready: i64,
    /// Whether that is all there will be: the one generation has ended.
    pub ended: bool,
}

/// Puts together what the database said and what was published meanwhile. `None`: the one generation
/// that is asked for is not there.
///
/// `asked_at_ms` is when the database was asked: whoever comes back with the number of `ready` lacks
/// nothing from before. Who follows one generation gets its own number instead, with which they may
/// ask whether there is more.
pub fn greet(
    listener: &Listener,
    snapshot: Vec<Change>,
    meanwhile: Vec<Change>,
    asked_at_ms: u64,
) -> Option<Greeting> {
    let mut memory = Memory::default();
    let mut states = Vec::new();
    for change in snapshot.into_iter().chain(meanwhile) {
        if listener.hears(&change) && memory.note(&change).is_some() {
            states.push(change);
        }
    }
    let last = states.iter().map(|change| change.seq).max();
    let ended = states.last().is_some_and(|change| listener.has_heard_all(change));
    let ready = match (listener.generation_id, last) {
        (Some(_), last) => last?,
        (None, last) => last.unwrap_or(0).max(i64::try_from(asked_at_ms).unwrap_or(i64::MAX)),
    };
    Some(Greeting { states, ready, ended })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::Status::{Completed, Processing, Queued};
    use super::super::change::fixtures::{USER, change};
    use super::super::{Subscription, Transport};
    use super::*;

    fn listener(generation: Option<u128>) -> Listener {
        let subscription = Subscription {
            user_id: USER,
            generation_id: generation.map(Uuid::from_u128),
            since: None,
            expires_at_ms: 1_000_000,
            transport: Transport::WebSocket,
        };
        Listener::new(&subscription, 0)
    }

    #[test]
    fn what_was_published_meanwhile_follows_and_what_is_older_does_not() {
        let snapshot = vec![change(1, Processing, 10), change(2, Queued, 20)];
        let meanwhile = vec![change(1, Queued, 9), change(1, Completed, 30), change(3, Queued, 31)];
        let greeting = greet(&listener(None), snapshot.clone(), meanwhile.clone(), 25).unwrap();
        let expected = [&snapshot[..], &meanwhile[1..]].concat();
        assert_eq!(greeting, Greeting { states: expected, ready: 31, ended: false });
    }

    #[test]
    fn without_anything_the_number_is_the_time() {
        let greeting = greet(&listener(None), Vec::new(), Vec::new(), 77).unwrap();
        assert_eq!(greeting, Greeting { states: Vec::new(), ready: 77, ended: false });
    }

    #[test]
    fn one_generation_has_its_own_number_and_may_have_ended() {
        let all = vec![change(1, Processing, 10)];
        let greeting = greet(&listener(Some(1)), all.clone(), vec![change(2, Queued, 50)], 99).unwrap();
        assert_eq!(greeting, Greeting { states: all.clone(), ready: 10, ended: false });
        let greeting = greet(&listener(Some(1)), all, vec![change(1, Completed, 60)], 99).unwrap();
        assert_eq!((greeting.ready, greeting.ended, greeting.states.len()), (60, true, 2));
        assert_eq!(greet(&listener(Some(1)), Vec::new(), Vec::new(), 99), None);
        let mut foreign = change(1, Processing, 10);
        foreign.user_id = Uuid::from_u128(2);
        assert_eq!(greet(&listener(Some(1)), vec![foreign], Vec::new(), 99), None);
    }
}
