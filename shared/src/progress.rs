//! How far a generation is while its prediction runs.

use std::collections::VecDeque;
use std::time::Duration;

/// Percent of a generation whose prediction was created, and of one whose prediction has ended.
const CREATED: u8 = 10;
const ENDED: u8 = 90;
/// Less than this is not worth a round trip, in percent of the generation.
const STEP: u8 = 5;
/// A prediction that waited for a machine for less counts as running since it was created.
const SOON: Duration = Duration::from_secs(3);

/// What a running prediction tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Of the generation, in steps of 5 from 10 to 90.
    pub percent: u8,
    /// When the model began (ISO 8601, the provider's clock), where it waited for a machine before.
    pub started_at: Option<String>,
}

impl Progress {
    /// What a run tells: how far it is, 0 to 100, and when its prediction was created and the model began (ISO 8601).
    /// `None`: nothing beyond that it was created.
    pub fn of_run(percent: Option<u8>, created_at: Option<&str>, started_at: Option<&str>) -> Option<Self> {
        let share = percent.unwrap_or(0);
        let exact = CREATED + (u16::from(share.min(100)) * u16::from(ENDED - CREATED) / 100) as u8;
        let started_at = waited(created_at, started_at).and(started_at).map(str::to_owned);
        let progress = Self { percent: exact - exact % STEP, started_at };
        (progress.percent > CREATED || progress.started_at.is_some()).then_some(progress)
    }
}

/// How long a prediction waited for a machine, where that is worth telling.
fn waited(created_at: Option<&str>, started_at: Option<&str>) -> Option<Duration> {
    let time = |text: Option<&str>| chrono::DateTime::parse_from_rfc3339(text?).ok();
    let waited = time(started_at)?.signed_duration_since(time(created_at)?);
    waited.to_std().ok().filter(|waited| *waited >= SOON)
}

/// What was recorded lately from here, so that news which is none costs no round trip. It is forgotten
/// with the isolate, and others have their own: the database decides what changes.
#[derive(Debug, Default)]
pub struct ProgressMemo(VecDeque<(String, u8)>);

impl ProgressMemo {
    /// How many predictions it knows at most.
    const SIZE: usize = 256;

    /// An empty one.
    pub const fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Whether that is more than was recorded.
    pub fn is_news(&self, prediction_id: &str, progress: &Progress) -> bool {
        self.0
            .iter()
            .find(|(known, _)| known == prediction_id)
            .is_none_or(|(_, last)| *last < progress.percent)
    }

    /// It was recorded.
    pub fn note(&mut self, prediction_id: &str, progress: &Progress) {
        let last = match self.0.iter().position(|(known, _)| known == prediction_id) {
            Some(at) => self.0.remove(at).map_or(0, |(_, last)| last),
            None => 0,
        };
        if self.0.len() >= Self::SIZE {
            self.0.pop_front();
        }
        self.0.push_back((prediction_id.to_owned(), last.max(progress.percent)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(percent: u8) -> Option<(u8, Option<String>)> {
        Progress::of_run(Some(percent), None, None).map(|progress| (progress.percent, progress.started_at))
    }

    #[test]
    fn a_run_goes_from_10_to_90_in_steps_of_5() {
        let table = [
            (0, None),
            (6, None),
            (7, Some(15)),
            (45, Some(45)),
            (50, Some(50)),
            (99, Some(85)),
            (100, Some(90)),
        ];
        for (share, percent) in table {
            assert_eq!(of(share), percent.map(|percent| (percent, None)), "{share} %");
        }
        assert_eq!(Progress::of_run(None, None, None), None);
    }

    #[test]
    fn a_start_is_told_where_it_came_late() {
        let created = "2026-11-24T12:00:00.5Z";
        let started = |text: &str| {
            let progress = Progress::of_run(None, Some(created), Some(text));
            progress.map(|progress| (progress.percent, progress.started_at))
        };
        assert_eq!(started("2026-11-24T12:00:02.720444976Z"), None);
        let late = "2026-11-24T12:00:30Z";
        assert_eq!(started(late), Some((10, Some(late.to_owned()))));
        for nonsense in ["", "yesterday", "2026-11-24T11:00:00Z"] {
            assert_eq!(started(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn the_memo_knows_what_is_news_and_stays_small() {
        let mut memo = ProgressMemo::new();
        let at = |percent| Progress { percent, started_at: None };
        assert!(memo.is_news("a", &at(15)));
        memo.note("a", &at(15));
        memo.note("a", &at(10));
        assert!(!memo.is_news("a", &at(10)) && !memo.is_news("a", &at(15)) && memo.is_news("a", &at(20)));
        assert!(memo.is_news("b", &at(15)));
        for n in 0..ProgressMemo::SIZE {
            memo.note(&n.to_string(), &at(50));
        }
        assert_eq!(memo.0.len(), ProgressMemo::SIZE);
        assert!(memo.is_news("a", &at(15)), "the oldest is forgotten");
    }
}
