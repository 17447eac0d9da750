//! What a job needs to know, parsed once where its row is read.

use serde_json::Value;
use uuid::Uuid;

use super::{JobType, milliseconds};
use crate::catalogue::GenerationParams;
use crate::http::problem::Problem;
use crate::http::request::parse_params;

/// What a job needs to know, by its type. Whoever enqueued it wrote it, so it is untrusted: what cannot be read is
/// noted as such, for the use case ends the job with a code that its user sees. Members that no type knows are passed
/// over.
#[derive(Debug, Clone)]
pub enum Payload {
    /// Of a job that makes an image.
    GenerateImage(Box<ImageToMake>),
    /// Of one that stores an image.
    DownloadImage(ImageToStore),
    /// Of one that stops a prediction.
    CancelPrediction(ToStop),
    /// Of one that sends a webhook: the queue knows the message.
    ProcessWebhook,
    /// Of one that deletes files: the queue knows which of them may go.
    CleanupStorage,
    /// Of a type that this version does not run: nobody here looks into it, so it is not kept.
    Unknown,
}

/// What a `generate-image` job is to make.
#[derive(Debug, Clone)]
pub struct ImageToMake {
    /// The image that is asked for, checked as a request is.
    pub params: Result<GenerationParams, Problem>,
    /// The model as the payload names it.
    pub model_id: Option<String>,
    /// Of each source image, and behind them of the mask: its file, where it is one of the user's own that is stored
    /// here.
    pub files: Vec<Option<SourceFile>>,
    /// Whether the provider refuses its model, as the queue knew when it handed the job out.
    pub model_is_refused: bool,
}

/// Where in the store a file lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// Finished images; everyone who knows the path may read them.
    Images,
    /// What users have uploaded to start from: private, and deleted after a day.
    Sources,
}

impl Bucket {
    /// Its name in the store, in the database and in payloads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Images => "generated-images",
            Self::Sources => "source-images",
        }
    }

    /// The bucket of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Images, Self::Sources].into_iter().find(|bucket| bucket.name() == name)
    }
}

/// A stored source image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The bucket.
    pub bucket: Bucket,
    /// The path, in the folder of the job's user and nowhere else.
    pub path: String,
}

/// What a `download-image` job is to store.
#[derive(Debug, Clone)]
pub struct ImageToStore {
    /// Where the provider says that the image lies; not checked.
    pub output_url: Option<String>,
    /// The image lies in the prediction itself.
    pub is_inside: bool,
    /// The prediction that made it.
    pub prediction_id: Option<String>,
    /// Whose it is: user and generation.
    pub owner: Option<(Uuid, Uuid)>,
    /// Width and height that are expected, in pixels.
    pub size: Option<(u32, u32)>,
}

/// What a `cancel-prediction` job is to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToStop {
    /// This prediction.
    Prediction(String),
    /// What a create has left whose outcome was not known.
    Unknown {
        /// The job that the create was for.
        of: Uuid,
        /// When its attempt began, in milliseconds since 1970.
        since_ms: Option<u64>,
        /// Until when it may show, in milliseconds since 1970; 0 where the payload does not say.
        until_ms: u64,
    },
    /// The payload does not say.
    Nothing,
}

impl Payload {
    /// Reads the payload of a job of this type.
    pub(super) fn read(job_type: JobType, payload: &Value) -> Self {
        match job_type {
            JobType::GenerateImage => Self::GenerateImage(Box::new(ImageToMake::read(payload))),
            JobType::DownloadImage => Self::DownloadImage(ImageToStore::read(payload)),
            JobType::CancelPrediction => Self::CancelPrediction(ToStop::read(payload)),
            JobType::ProcessWebhook => Self::ProcessWebhook,
            JobType::CleanupStorage => Self::CleanupStorage,
            JobType::Unknown => Self::Unknown,
        }
    }

    /// The type of a job with this payload.
    pub fn job_type(&self) -> JobType {
        match self {
            Self::GenerateImage(_) => JobType::GenerateImage,
            Self::DownloadImage(_) => JobType::DownloadImage,
            Self::CancelPrediction(_) => JobType::CancelPrediction,
            Self::ProcessWebhook => JobType::ProcessWebhook,
            Self::CleanupStorage => JobType::CleanupStorage,
            Self::Unknown => JobType::Unknown,
        }
    }
}

impl ImageToMake {
    fn read(payload: &Value) -> Self {
        let user_id = text(payload, "user_id");
        // Of one source image without a mask it stands in the payload itself.
        let files = payload.get("files").and_then(Value::as_array);
        let files = files.map_or(std::slice::from_ref(payload), Vec::as_slice);
        Self {
            params: parse_params(payload),
            model_id: owned(payload, "model_id"),
            files: files.iter().map(|source| SourceFile::read(source, user_id?)).collect(),
            model_is_refused: is(payload, "model_refused"),
        }
    }
}

impl SourceFile {
    /// An older payload names no bucket.
    fn read(payload: &Value, user_id: &str) -> Option<Self> {
        let bucket = match payload.get("source_bucket") {
            None => Bucket::Images,
            Some(name) => Bucket::from_name(name.as_str()?)?,
        };
        let path = text(payload, "source_path")?;
        let name = path.strip_prefix(user_id)?.strip_prefix('/')?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_plain = name.chars().all(plain) && !name.starts_with('.') && !name.is_empty();
        is_plain.then(|| Self { bucket, path: path.to_owned() })
    }
}

impl ImageToStore {
    fn read(payload: &Value) -> Self {
        let id = |name: &str| Uuid::try_parse(text(payload, name)?).ok();
        Self {
            output_url: owned(payload, "output_url"),
            is_inside: is(payload, "inline"),
            prediction_id: owned(payload, "prediction_id"),
            owner: id("user_id").zip(id("generation_id")),
            size: number(payload, "width").zip(number(payload, "height")),
        }
    }
}

impl ToStop {
    fn read(payload: &Value) -> Self {
        if let Some(prediction_id) = owned(payload, "prediction_id") {
            return Self::Prediction(prediction_id);
        }
        let time = |name: &str| text(payload, name).and_then(milliseconds);
        match text(payload, "job_id").and_then(|id| Uuid::try_parse(id).ok()) {
            Some(of) => Self::Unknown {
                of,
                since_ms: time("since"),
                until_ms: time("search_until").unwrap_or_default(),
            },
            None => Self::Nothing,
        }
    }
}

fn text<'a>(payload: &'a Value, name: &str) -> Option<&'a str> {
    payload.get(name).and_then(Value::as_str)
}

fn owned(payload: &Value, name: &str) -> Option<String> {
    text(payload, name).map(str::to_owned)
}

fn number(payload: &Value, name: &str) -> Option<u32> {
    payload.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
}

/// Whether the member of this name is true.
pub(super) fn is(payload: &Value, name: &str) -> bool {
    payload.get(name).and_then(Value::as_bool).unwrap_or(false)
}
