//! What start-generation hands to process-jobs with its wake-up: the jobs that its start has leased, so that they
//! need no claim.

use serde::Deserialize;

use crate::job::Job;
use crate::ports::LeasedJobs;

/// Jobs that are leased to whoever is handed them.
#[derive(Debug, Default, Deserialize)]
pub struct HandedOver {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// There may be more that are ready.
    pub more: bool,
}

impl HandedOver {
    /// The body of a wake-up that hands over `leased`, of which at most `most` were asked for.
    pub fn body(leased: &LeasedJobs, most: u32) -> String {
        let more = leased.count >= most as usize;
        format!(r#"{{"jobs":{},"more":{more}}}"#, leased.jobs.as_str())
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
    use crate::http::json_text::JsonText;

    #[test]
    fn what_one_worker_writes_the_other_reads() {
        let jobs = r#"[{ "id": "00000000-0000-4000-8000-000000000001", "job_type": "generate-image",
            "payload": { "a": 1 }, "lease": 1, "attempts": 0, "status": "processing" }]"#;
        for (most, more) in [(2, false), (1, true)] {
            let leased = LeasedJobs { jobs: JsonText::new(jobs.into()), count: 1 };
            let read = HandedOver::parse(HandedOver::body(&leased, most).as_bytes());
            assert_eq!((read.jobs.len(), read.jobs[0].lease, read.more), (1, 1, more));
        }
    }

    #[test]
    fn nothing_is_handed_over_by_a_plain_wake_up() {
        for body in ["", "{}", "[]", r#"{"jobs":[{"id":"x"}],"more":true}"#] {
            let read = HandedOver::parse(body.as_bytes());
            assert!(read.jobs.is_empty() && !read.more, "{body}");
        }
    }
}
