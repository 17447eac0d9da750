//! What a reader of server-sent events has not taken yet.

use std::mem;

use super::{MAX_WAIT, MAX_WAITING_BYTES};

/// The text that waits for one reader. How many messages it holds does not matter: a look at the database
/// may tell of hundreds at once, and a reader that keeps up takes them all with its next read.
#[derive(Debug, Default)]
pub struct Backlog {
    text: String,
    /// Since when something waits, in milliseconds since 1970.
    since_ms: u64,
}

impl Backlog {
    /// Adds text for the reader.
    pub fn push(&mut self, text: &str, now_ms: u64) {
        if self.text.is_empty() {
            self.since_ms = now_ms;
        }
        self.text.push_str(text);
    }

    /// All that waits. `None`: nothing.
    pub fn take(&mut self) -> Option<String> {
        (!self.text.is_empty()).then(|| mem::take(&mut self.text))
    }

    /// Whether the reader does not keep up: it has left too much, or has taken nothing for too long.
    pub fn is_stuck(&self, now_ms: u64) -> bool {
        let waits_ms = if self.text.is_empty() { 0 } else { now_ms.saturating_sub(self.since_ms) };
        self.text.len() > MAX_WAITING_BYTES || waits_ms >= MAX_WAIT.as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status::Queued;
    use super::super::change::fixtures::change;
    use super::super::sse;
    use super::*;

    const WAIT_MS: u64 = MAX_WAIT.as_millis() as u64;

    #[test]
    fn a_reader_takes_all_that_waits_in_order() {
        let mut backlog = Backlog::default();
        assert_eq!(backlog.take(), None);
        backlog.push("a", 1);
        backlog.push("b", 2);
        assert_eq!((backlog.take(), backlog.take()), (Some("ab".into()), None));
    }

    #[test]
    fn all_changes_of_one_look_are_no_reason_to_cut_a_reader() {
        let mut backlog = Backlog::default();
        for n in 0..300 {
            let change = change(n, Queued, 1_795_529_400_123);
            backlog.push(&sse::event(change.seq, &change.message(change.seq)), 1);
        }
        assert!(!backlog.is_stuck(1));
    }

    #[test]
    fn a_reader_that_takes_nothing_is_stuck_by_time() {
        let mut backlog = Backlog::default();
        assert!(!backlog.is_stuck(WAIT_MS * 10), "nothing waits for it");
        backlog.push("a", 1_000);
        backlog.push("b", 1_000 + WAIT_MS - 1);
        assert!(!backlog.is_stuck(1_000 + WAIT_MS - 1));
        assert!(backlog.is_stuck(1_000 + WAIT_MS));
        backlog.take();
        backlog.push("c", 1_000 + WAIT_MS);
        assert!(!backlog.is_stuck(1_000 + WAIT_MS), "it has taken what waited");
    }

    #[test]
    fn a_reader_that_takes_too_little_is_stuck_by_bytes() {
        let mut backlog = Backlog::default();
        backlog.push(&"x".repeat(MAX_WAITING_BYTES), 1);
        assert!(!backlog.is_stuck(1));
        backlog.push("x", 1);
        assert!(backlog.is_stuck(1));
    }
}
