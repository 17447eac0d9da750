//! How far a generation is while its prediction runs.

use std::collections::VecDeque;
use std::time::Duration;

use crate::replicate::{Prediction, Status};

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
    /// Reads a prediction. `None`: it tells nothing beyond that it was created.
    pub fn of(prediction: &Prediction) -> Option<Self> {
        if prediction.status != Status::Processing {
            return None;
        }
        let share = prediction.percent.unwrap_or(0);
        let exact = CREATED + (u16::from(share.min(100)) * u16::from(ENDED - CREATED) / 100) as u8;
        let started_at = waited(prediction).and_then(|_| prediction.started_at.clone());
        let progress = Self { percent: exact - exact % STEP, started_at };
        (progress.percent > CREATED || progress.started_at.is_some()).then_some(progress)
    }
}

/// How long a prediction waited for a machine, where that is worth telling.
fn waited(prediction: &Prediction) -> Option<Duration> {
    let time = |text: &Option<String>| chrono::DateTime::parse_from_rfc3339(text.as_deref()?).ok();
    let waited = time(&prediction.started_at)?.signed_duration_since(time(&prediction.created_at)?);
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
    use serde_json::{Value, json};

    use super::*;

    fn of(body: Value) -> Option<(u8, Option<String>)> {
        let mut body = body;
        body["id"] = json!("p1");
        let prediction = Prediction::parse(body.to_string().as_bytes()).unwrap();
        Progress::of(&prediction).map(|progress| (progress.percent, progress.started_at))
    }

    fn running(percent: u8) -> Value {
        json!({ "status": "processing", "logs": format!("{percent}%|██ | 1/2") })
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
            assert_eq!(of(running(share)), percent.map(|percent| (percent, None)), "{share} %");
        }
    }

    #[test]
    fn only_a_running_prediction_makes_progress() {
        for status in ["starting", "succeeded", "failed", "canceled", "aborted", "a_status_of_next_year"] {
            let mut body = running(50);
            body["status"] = json!(status);
            assert_eq!(of(body), None, "{status}");
        }
        assert_eq!(of(json!({ "status": "processing", "logs": null })), None);
    }

    #[test]
    fn a_start_is_told_where_it_came_late() {
        let started = |created: &str, started: Value| {
            of(json!({ "status": "processing", "created_at": created, "started_at": started }))
        };
        let created = "2026-11-24T12:00:00.5Z";
        assert_eq!(started(created, json!("2026-11-24T12:00:02.720444976Z")), None);
        let late = "2026-11-24T12:00:30Z";
        assert_eq!(started(created, json!(late)), Some((10, Some(late.to_owned()))));
        for nonsense in [json!(null), json!("yesterday"), json!("2026-11-24T11:00:00Z")] {
            assert_eq!(started(created, nonsense.clone()), None, "{nonsense}");
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
