//! Changes on their way to the channels of their users.

use uuid::Uuid;

use super::Change;

/// As many changes of one user wait; what is over that is found by the channel's next look.
const MAX_WAITING: usize = 100;

/// The changes that one invocation hands on. For each user one call is under way at a time, and what
/// comes up meanwhile is gathered for the next one: the order stays, and the calls are few.
#[derive(Debug)]
pub struct Outgoing {
    /// The users for whom a call is under way, and what waits for them.
    waiting: Vec<(Uuid, Vec<Change>)>,
    calls_left: u32,
}

impl Outgoing {
    /// For an invocation that may make so many calls.
    pub fn new(calls: u32) -> Self {
        Self { waiting: Vec::new(), calls_left: calls }
    }

    /// Takes changes in. Gives the users for whom no call is under way: begin one for each, and ask
    /// [`next`](Self::next) what with until there is nothing more.
    pub fn add(&mut self, changes: Vec<Change>) -> Vec<Uuid> {
        let mut idle = Vec::new();
        for change in changes {
            match self.waiting.iter_mut().find(|(user_id, _)| *user_id == change.user_id) {
                Some((_, waiting)) if waiting.len() < MAX_WAITING => waiting.push(change),
                Some(_) => {}
                None => {
                    idle.push(change.user_id);
                    self.waiting.push((change.user_id, vec![change]));
                }
            }
        }
        idle
    }

    /// What the next call for a user hands on. `None`: nothing more, or no call is left.
    pub fn next(&mut self, user_id: Uuid) -> Option<Vec<Change>> {
        let waiting = self.waiting.iter_mut().find(|(known, _)| *known == user_id);
        let changes = waiting.map(|(_, waiting)| std::mem::take(waiting)).unwrap_or_default();
        if changes.is_empty() || self.calls_left == 0 {
            self.waiting.retain(|(known, _)| *known != user_id);
            return None;
        }
        self.calls_left -= 1;
        Some(changes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status::{Completed, Processing, Queued};
    use super::super::change::fixtures::{USER, change};
    use super::*;

    #[test]
    fn what_comes_up_during_a_call_waits_for_the_next_one() {
        let mut outgoing = Outgoing::new(10);
        let [first, second, third] =
            [change(1, Queued, 1), change(1, Processing, 2), change(1, Completed, 3)];
        assert_eq!(outgoing.add(vec![first.clone()]), [USER]);
        assert_eq!(outgoing.next(USER), Some(vec![first.clone()]));
        assert!(outgoing.add(vec![second.clone()]).is_empty());
        assert!(outgoing.add(vec![third.clone()]).is_empty());
        assert_eq!(outgoing.next(USER), Some(vec![second, third]));
        assert_eq!(outgoing.next(USER), None);
        assert_eq!(outgoing.add(vec![first]), [USER], "a call begins anew after the last one");
    }

    #[test]
    fn each_user_has_calls_of_their_own() {
        let mut foreign = change(2, Queued, 1);
        foreign.user_id = Uuid::from_u128(2);
        let mut outgoing = Outgoing::new(10);
        assert_eq!(outgoing.add(vec![change(1, Queued, 1), foreign.clone()]), [USER, foreign.user_id]);
        assert_eq!(outgoing.next(foreign.user_id), Some(vec![foreign]));
        assert_eq!(outgoing.next(USER), Some(vec![change(1, Queued, 1)]));
    }

    #[test]
    fn calls_and_changes_are_bounded() {
        let mut outgoing = Outgoing::new(1);
        outgoing.add(vec![change(1, Queued, 1); MAX_WAITING + 1]);
        assert_eq!(outgoing.next(USER).map(|changes| changes.len()), Some(MAX_WAITING));
        outgoing.add(vec![change(1, Queued, 2)]);
        assert_eq!(outgoing.next(USER), None);
        assert_eq!(outgoing.add(vec![change(1, Queued, 3)]), [USER]);
        assert_eq!(outgoing.next(USER), None);
    }
}
