//! The prediction object, as far as we read it.

use serde::{Deserialize, Deserializer};

use super::json_leaves::{Leaf, each_member};
use super::logs::percent;
use super::outcome::outcome;
use super::output::Output;
use crate::job::milliseconds;
use crate::ports::{Prediction, Status};

/// How much is kept of an error, and of each text of the input, in bytes.
const MAX_TEXT: usize = 8 * 1024;
/// How many texts of the input are kept.
const MAX_TEXTS: usize = 16;

/// A prediction as Replicate tells of it, as far as we read it: what may be long is read into what is needed of it.
/// Recorded answers lack most fields at times, and a field of another type than it should have is one that is missing.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// What the use cases see.
    pub(super) prediction: Prediction,
    /// Its files.
    pub(super) output: Output,
    /// Why it failed, as one text.
    pub(super) error: String,
    /// The texts of its input, which an error may repeat: the prompt, addresses.
    pub(super) input: Vec<String>,
    /// Seconds from its creation to its end.
    total_time: Option<f64>,
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        let mut answer = Self::default();
        each_member(value, &mut |member, name, leaf| answer.take(member, name, leaf))?;
        Ok(answer)
    }
}

/// Reads a prediction, of an answer or of a webhook, and refuses ids that would not fit into a path. `origin` is the
/// origin of the provider's API; outputs may lie there.
pub fn read_prediction(body: &[u8], origin: &str) -> Option<Prediction> {
    serde_json::from_slice::<Answer>(body).ok()?.read(origin)
}

impl Answer {
    /// The prediction and what it means; `None` where it has no id.
    pub(super) fn read(self, origin: &str) -> Option<Prediction> {
        if !is_id(&self.prediction.id) {
            return None;
        }
        let outcome = outcome(&self, origin);
        Some(Prediction { outcome, ..self.prediction })
    }

    /// Whether it was created with a webhook whose address begins so.
    pub(super) fn names(&self, webhook: &str) -> bool {
        self.prediction.webhook.as_deref().is_some_and(|url| url.starts_with(webhook))
    }

    /// Whether it may have cost something, however it ended. What never began costs nothing, where all that is
    /// known of its times says so, <https://replicate.com/docs/topics/billing>.
    pub(super) fn may_be_billed(&self) -> bool {
        let Prediction { started_at, predict_time, completed_at, status, .. } = &self.prediction;
        let began = started_at.is_some() || predict_time.is_some_and(|seconds| seconds > 0.0);
        began || (completed_at.is_none() && *status != Status::Aborted)
    }

    /// How long it was there, from its creation to its end, in milliseconds: both times are the provider's own.
    pub(super) fn lifetime_ms(&self) -> Option<u64> {
        let time = |text: &Option<String>| milliseconds(text.as_deref()?);
        let between = time(&self.prediction.completed_at).zip(time(&self.prediction.created_at));
        let total = || self.total_time.map(|seconds| (seconds * 1000.0) as u64);
        between.map(|(end, start)| end.saturating_sub(start)).or_else(total)
    }

    /// Takes in a leaf of one of its members; `name` is that of a member inside of it.
    fn take(&mut self, member: &str, name: &str, leaf: Leaf<'_>) {
        let seen = &mut self.prediction;
        let text = match leaf {
            Leaf::Text(text) => text,
            Leaf::True => {
                seen.data_removed |= member == "data_removed";
                return;
            }
            Leaf::PassedOver if member == "output" => {
                self.output.pass_over();
                return;
            }
            Leaf::PassedOver => return,
            Leaf::Number(number) => {
                let seconds = Some(number).filter(|time| time.is_finite() && *time >= 0.0);
                match (member, name) {
                    ("metrics", "predict_time") => seen.predict_time = seconds,
                    ("metrics", "total_time") => self.total_time = seconds,
                    _ => {}
                }
                return;
            }
        };
        match member {
            "output" => self.output.take(text),
            "error" if self.error.is_empty() => self.error = ends(text),
            "error" if self.error.len() < MAX_TEXT => self.error = [&self.error, " ", &ends(text)].concat(),
            "input" if self.input.len() < MAX_TEXTS => self.input.push(ends(text)),
            "logs" => seen.percent = percent(text),
            "id" => seen.id = ends(text),
            "created_at" => seen.created_at = Some(ends(text)),
            "started_at" => seen.started_at = Some(ends(text)),
            "completed_at" => seen.completed_at = Some(ends(text)),
            "webhook" => seen.webhook = Some(ends(text)),
            "status" => {
                seen.status = match text {
                    "starting" => Status::Starting,
                    "processing" => Status::Processing,
                    "succeeded" => Status::Succeeded,
                    "failed" => Status::Failed,
                    "canceled" => Status::Canceled,
                    // Since October 2025, <https://replicate.com/changelog/2025-10-16-prediction-deadlines>.
                    "aborted" => Status::Aborted,
                    _ => Status::Other,
                }
            }
            _ => {}
        }
    }
}

/// A text, or the beginning and the end of a long one: a traceback says what went wrong in its last line.
pub(super) fn ends(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let mut head = MAX_TEXT / 2;
    let mut tail = text.len() - MAX_TEXT / 2;
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    [text.get(..head).unwrap_or_default(), text.get(tail..).unwrap_or_default()].join(" ")
}

/// Ids are opaque; seen are 26 letters and digits.
pub(super) fn is_id(id: &str) -> bool {
    (1..=100).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn percent_of(mut body: Value) -> Option<u8> {
        body["id"] = json!("p1");
        let prediction = read_prediction(body.to_string().as_bytes(), "https://api.replicate.com").unwrap();
        prediction.progress().map(|progress| progress.percent)
    }

    #[test]
    fn only_a_running_prediction_makes_progress() {
        let at = |status: &str| json!({ "status": status, "logs": "50%|██ | 1/2" });
        assert_eq!(percent_of(at("processing")), Some(50));
        for status in ["starting", "succeeded", "failed", "canceled", "aborted", "a_status_of_next_year"] {
            assert_eq!(percent_of(at(status)), None, "{status}");
        }
        assert_eq!(percent_of(json!({ "status": "processing", "logs": null })), None);
    }
}
