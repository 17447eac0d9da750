//! What a channel has told already.

use uuid::Uuid;

use super::Change;

/// As many generations are remembered; of one that is forgotten something may be told twice.
const SIZE: usize = 512;

#[derive(Debug, Clone, Copy)]
struct Seen {
    generation_id: Uuid,
    /// The database's number of the state.
    row: i64,
    /// The number under which it was told.
    told: i64,
    queue_position: Option<i64>,
    estimated_seconds: Option<i64>,
}

/// A change that has not been told yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// The number to tell it under.
    pub seq: i64,
    /// Whether something of this generation was told before.
    pub known: bool,
}

/// What was told of each generation last, so that nothing older follows and nothing is told twice. It is
/// forgotten when the object sleeps. A list, because it is short and a map is much more code.
#[derive(Debug, Default)]
pub struct Memory(Vec<Seen>);

impl Memory {
    /// Takes note of a change. `None`: it is no news.
    ///
    /// Position and estimate change without a change of the row, so the database's number stays: such
    /// news gets the next number after the one told last. These stay far below the row's next number,
    /// which is at least the time in milliseconds, as long as looks are seconds apart.
    pub fn note(&mut self, change: &Change) -> Option<News> {
        let (queue_position, estimated_seconds) = (change.queue_position, change.estimated_seconds);
        let seen = self.0.iter_mut().find(|seen| seen.generation_id == change.generation_id);
        let news = match &seen {
            None => News { seq: change.seq, known: false },
            Some(seen) => {
                let moved =
                    (seen.queue_position, seen.estimated_seconds) != (queue_position, estimated_seconds);
                if change.seq < seen.row || (change.seq == seen.row && !moved) {
                    return None;
                }
                News { seq: change.seq.max(seen.told.saturating_add(1)), known: true }
            }
        };
        let now_seen = Seen {
            generation_id: change.generation_id,
            row: change.seq,
            told: news.seq,
            queue_position,
            estimated_seconds,
        };
        match seen {
            Some(seen) => *seen = now_seen,
            None => self.add(now_seen),
        }
        Some(news)
    }

    /// In place of the one told of longest ago, where it is full.
    fn add(&mut self, seen: Seen) {
        if self.0.len() < SIZE {
            self.0.push(seen);
        } else if let Some(oldest) = self.0.iter_mut().min_by_key(|seen| seen.told) {
            *oldest = seen;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status::{Completed, Processing, Queued};
    use super::super::change::fixtures::change;
    use super::*;

    fn waiting(seq: i64, position: i64) -> Change {
        let mut change = change(1, Queued, seq);
        change.queue_position = Some(position);
        change
    }

    #[test]
    fn what_is_older_or_the_same_is_no_news() {
        let mut memory = Memory::default();
        assert_eq!(memory.note(&change(1, Processing, 100)), Some(News { seq: 100, known: false }));
        assert_eq!(memory.note(&change(1, Processing, 100)), None);
        assert_eq!(memory.note(&change(1, Queued, 99)), None);
        assert_eq!(memory.note(&change(2, Queued, 99)), Some(News { seq: 99, known: false }));
        assert_eq!(memory.note(&change(1, Completed, 101)), Some(News { seq: 101, known: true }));
    }

    #[test]
    fn a_position_moves_without_the_row_and_numbers_grow_all_the_same() {
        let mut memory = Memory::default();
        let told: Vec<i64> = [waiting(100, 3), waiting(100, 2), waiting(100, 2), waiting(100, 1)]
            .iter()
            .filter_map(|change| memory.note(change))
            .map(|news| news.seq)
            .collect();
        assert_eq!(told, [100, 101, 102]);
        // The database counts on from its own number, and does not know of ours.
        assert_eq!(memory.note(&change(1, Processing, 101)).map(|news| news.seq), Some(103));
        assert_eq!(memory.note(&change(1, Completed, 5_000)).map(|news| news.seq), Some(5_000));
    }

    #[test]
    fn it_is_bounded_and_forgets_what_was_told_longest_ago() {
        let mut memory = Memory::default();
        for n in 0..=SIZE {
            memory.note(&change(n as u128, Completed, n as i64));
        }
        assert_eq!(memory.0.len(), SIZE);
        assert_eq!(memory.note(&change(SIZE as u128, Completed, SIZE as i64)), None);
        assert_eq!(memory.note(&change(0, Completed, 0)), Some(News { seq: 0, known: false }));
    }
}
