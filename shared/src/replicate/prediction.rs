//! The prediction object, as far as we read it.

use serde::{Deserialize, Deserializer};

use super::logs::percent;
use super::output::Output;
use super::texts::{Leaf, each_member};
use crate::job::milliseconds;

/// How much is kept of an error, and of each text of the input, in bytes.
const MAX_TEXT: usize = 8 * 1024;
/// How many texts of the input are kept.
const MAX_TEXTS: usize = 16;

/// Where a prediction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
    Other,
}

/// A prediction, as far as we read it: what may be long is read into what is needed of it. Recorded answers
/// lack most fields at times, and a field of another type than it should have is one that is missing.
#[derive(Debug, Clone, Default)]
pub struct Prediction {
    /// Opaque id.
    pub id: String,
    /// Where it stands.
    pub status: Status,
    /// Its files.
    pub output: Output,
    /// Why it failed, as one text.
    pub error: String,
    /// The texts of its input, which an error may repeat: the prompt, addresses.
    pub input: Vec<String>,
    /// How far it is, 0 to 100, by what the model printed.
    pub percent: Option<u8>,
    /// Input and output were deleted, an hour after the end.
    pub data_removed: bool,
    /// Seconds that the model ran: what is billed for models billed by time.
    pub predict_time: Option<f64>,
    /// Seconds from its creation to its end.
    pub total_time: Option<f64>,
    /// When it was created (ISO 8601).
    pub created_at: Option<String>,
    /// When the model began (ISO 8601).
    pub started_at: Option<String>,
    /// When it ended (ISO 8601).
    pub completed_at: Option<String>,
    /// The webhook that it was created with, where the answer repeats it.
    pub webhook: Option<String>,
}

impl<'de> Deserialize<'de> for Prediction {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        let mut prediction = Self::default();
        each_member(value, &mut |member, name, leaf| prediction.take(member, name, leaf))?;
        Ok(prediction)
    }
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

    /// Whether it may have cost something, however it ended. What never began costs nothing, where all that is
    /// known of its times says so, <https://replicate.com/docs/topics/billing>.
    pub fn may_be_billed(&self) -> bool {
        let began = self.started_at.is_some() || self.predict_time.is_some_and(|seconds| seconds > 0.0);
        began || (self.completed_at.is_none() && self.status != Status::Aborted)
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

    /// When it ended, as the database reads it; `None` where the provider does not tell.
    pub fn completed_at(&self) -> Option<String> {
        let time = chrono::DateTime::parse_from_rfc3339(self.completed_at.as_deref()?).ok()?;
        Some(time.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
    }

    /// How long it was there, from its creation to its end, in milliseconds: both times are the provider's own.
    pub fn lifetime_ms(&self) -> Option<u64> {
        let time = |text: &Option<String>| milliseconds(text.as_deref()?);
        let between = time(&self.completed_at).zip(time(&self.created_at));
        let total = || self.total_time.map(|seconds| (seconds * 1000.0) as u64);
        between.map(|(end, start)| end.saturating_sub(start)).or_else(total)
    }

    /// Takes in a leaf of one of its members; `name` is that of a member inside of it.
    fn take(&mut self, member: &str, name: &str, leaf: Leaf<'_>) {
        let text = match leaf {
            Leaf::Text(text) => text,
            Leaf::True => {
                self.data_removed |= member == "data_removed";
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
                    ("metrics", "predict_time") => self.predict_time = seconds,
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
            "logs" => self.percent = percent(text),
            "id" => self.id = ends(text),
            "created_at" => self.created_at = Some(ends(text)),
            "started_at" => self.started_at = Some(ends(text)),
            "completed_at" => self.completed_at = Some(ends(text)),
            "webhook" => self.webhook = Some(ends(text)),
            "status" => {
                self.status = match text {
                    "starting" => Status::Starting,
                    "processing" => Status::Processing,
                    "succeeded" => Status::Succeeded,
                    "failed" => Status::Failed,
                    "canceled" => Status::Canceled,
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
pub fn is_id(id: &str) -> bool {
    (1..=100).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
