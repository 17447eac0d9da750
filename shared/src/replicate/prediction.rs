//! The prediction object, as far as we read it.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::logs::percent;
use super::output::Output;
use super::texts::each_text;
use crate::job::milliseconds;

/// How much is kept of an error, and of each text of the input, in bytes.
const MAX_TEXT: usize = 8 * 1024;
/// How many texts of the input are kept.
const MAX_TEXTS: usize = 16;

/// Where a prediction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Waiting for a machine.
    Starting,
    /// Running.
    Processing,
    /// Done, with output.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Stopped while running; billed for the time run.
    Canceled,
    /// Its deadline came before it started; not billed. Since October 2025,
    /// <https://replicate.com/changelog/2025-10-16-prediction-deadlines>.
    Aborted,
    /// None, or one that this version does not know: it runs as long as it has no time of its end.
    #[default]
    #[serde(other)]
    Other,
}

/// A prediction, as far as we read it: what may be long is read into what is needed of it. Recorded answers
/// lack most fields at times.
#[derive(Debug, Clone, Deserialize)]
pub struct Prediction {
    /// Opaque id.
    #[serde(default)]
    pub id: String,
    /// Where it stands.
    #[serde(default)]
    pub status: Status,
    /// Its files.
    #[serde(default)]
    pub output: Output,
    /// Why it failed, as one text.
    #[serde(default, deserialize_with = "joined")]
    pub error: String,
    /// The texts of its input, which an error may repeat: the prompt, addresses.
    #[serde(default, deserialize_with = "texts")]
    pub input: Vec<String>,
    /// How far it is, 0 to 100, by what the model printed.
    #[serde(default, rename = "logs", deserialize_with = "last_percent")]
    pub percent: Option<u8>,
    /// Input and output were deleted, an hour after the end.
    #[serde(default)]
    pub data_removed: bool,
    /// `predict_time` and `total_time` in seconds.
    #[serde(default)]
    pub metrics: Value,
    /// When it was created (ISO 8601).
    #[serde(default)]
    pub created_at: Option<String>,
    /// When the model began (ISO 8601).
    #[serde(default)]
    pub started_at: Option<String>,
    /// When it ended (ISO 8601).
    #[serde(default)]
    pub completed_at: Option<String>,
    /// The webhook that it was created with, where the answer repeats it.
    #[serde(default)]
    pub webhook: Option<String>,
}

impl Prediction {
    /// Parses a prediction and refuses ids that would not fit into a path.
    pub fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(body).ok().filter(|prediction| is_id(&prediction.id))
    }

    /// Whether it has not ended, as far as this tells.
    pub fn is_running(&self) -> bool {
        match self.status {
            Status::Starting | Status::Processing => true,
            Status::Other => self.completed_at.is_none(),
            Status::Succeeded | Status::Failed | Status::Canceled | Status::Aborted => false,
        }
    }

    /// The provider's word for how it ended; `running` where it has not.
    pub fn end(&self) -> &'static str {
        match self.status {
            _ if self.is_running() => "running",
            Status::Succeeded => "succeeded",
            Status::Failed => "failed",
            Status::Canceled => "canceled",
            Status::Aborted => "aborted",
            Status::Starting | Status::Processing | Status::Other => "unknown",
        }
    }

    /// How long it was there, from its creation to its end, in milliseconds: both times are the provider's own.
    pub fn lifetime_ms(&self) -> Option<u64> {
        let time = |text: &Option<String>| milliseconds(text.as_deref()?);
        let between = time(&self.completed_at).zip(time(&self.created_at));
        let total = || self.seconds("total_time").map(|seconds| (seconds * 1000.0) as u64);
        between.map(|(end, start)| end.saturating_sub(start)).or_else(total)
    }

    /// Seconds that the model ran: what is billed for models billed by time.
    pub fn predict_time(&self) -> Option<f64> {
        self.seconds("predict_time")
    }

    fn seconds(&self, name: &str) -> Option<f64> {
        self.metrics.get(name).and_then(Value::as_f64).filter(|time| time.is_finite() && *time >= 0.0)
    }
}

fn texts<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    let mut texts = Vec::new();
    each_text(value, &mut |text| {
        if texts.len() < MAX_TEXTS {
            let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_TEXT).last();
            let whole = text.len() <= MAX_TEXT;
            let kept = if whole { text } else { text.get(..end.unwrap_or(0)).unwrap_or_default() };
            texts.push(kept.to_owned());
        }
    })?;
    Ok(texts)
}

fn joined<'de, D: Deserializer<'de>>(value: D) -> Result<String, D::Error> {
    texts(value).map(|texts| texts.join(" "))
}

fn last_percent<'de, D: Deserializer<'de>>(value: D) -> Result<Option<u8>, D::Error> {
    let mut found = None;
    each_text(value, &mut |logs| found = percent(logs))?;
    Ok(found)
}

/// Ids are opaque; seen are 26 letters and digits.
pub fn is_id(id: &str) -> bool {
    (1..=100).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
