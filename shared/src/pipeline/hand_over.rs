//! What start-generation hands to process-jobs with its wake-up: the jobs that its start has leased, so that they
//! need no claim.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::job::Job;

/// Jobs that are leased to whoever is handed them.
#[derive(Debug, Default, Deserialize)]
pub struct HandedOver {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// There may be more that are ready.
    pub more: bool,
}

impl HandedOver {
    /// The body of a wake-up, from what `start_generation` has answered when it was asked for so many jobs.
    /// The jobs are taken out of it.
    pub fn take(row: &mut Value, most: u32) -> Option<String> {
        let jobs = row.get_mut("next").map(Value::take)?;
        let more = jobs.as_array().is_some_and(|jobs| jobs.len() >= most as usize);
        Some(json!({ "jobs": jobs, "more": more }).to_string())
    }

    /// Reads the body of a wake-up. One that hands over nothing, or that another version has written, is a
    /// wake-up all the same: what it was to hand over is taken up when its lease has run out.
    pub fn parse(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_worker_writes_the_other_reads() {
        let job = json!({
            "id": "00000000-0000-4000-8000-000000000001", "job_type": "generate-image", "payload": { "a": 1 },
            "lease": 1, "attempts": 0, "status": "processing"
        });
        for (most, more) in [(2, false), (1, true)] {
            let mut row = json!({ "generation_id": "g", "next": [job] });
            let body = HandedOver::take(&mut row, most).unwrap();
            let read = HandedOver::parse(body.as_bytes());
            assert_eq!((read.jobs.len(), read.jobs[0].lease, read.more), (1, 1, more));
            assert_eq!(row["next"], Value::Null);
        }
    }

    #[test]
    fn nothing_is_handed_over_by_a_plain_wake_up() {
        assert_eq!(HandedOver::take(&mut json!({ "generation_id": "g" }), 3), None);
        for body in ["", "{}", "[]", r#"{"jobs":[{"id":"x"}],"more":true}"#] {
            let read = HandedOver::parse(body.as_bytes());
            assert!(read.jobs.is_empty() && !read.more, "{body}");
        }
    }
}
