//! Why a run failed, for its user, for operators and for the queue.

use serde::{Serialize, Serializer};

use crate::http::problem::Code;

/// The stable code of a failure, for programs: `error.code` of the generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureCode {
    /// No attempt is left.
    AttemptsExhausted,
    /// Somebody stopped it at the provider.
    CancelledAtProvider,
    /// The model refuses it as sensitive.
    ContentFlagged,
    /// The job does not say what it needs to.
    InvalidPayload,
    /// The model made nothing.
    NoOutput,
    /// The image is too large for the model.
    OutOfMemory,
    /// The provider deleted the image before it was stored.
    OutputExpired,
    /// The image is larger than is stored.
    OutputTooLarge,
    /// The file holds more than an image.
    OutputUnsafe,
    /// What the model made is no image that is stored.
    OutputUnusable,
    /// The provider knows nothing of it any more.
    PredictionLost,
    /// The model did not start in time.
    ProviderBusy,
    /// The provider, or the model, failed.
    ProviderError,
    /// The provider took the machine for another run.
    ProviderInterrupted,
    /// The provider does not answer.
    ProviderUnreachable,
    /// The model does not accept the request.
    Rejected,
    /// The source image is not stored any more.
    SourceMissing,
    /// The model could not fetch or read the source image.
    SourceUnreachable,
    /// The source image is no image that models take.
    SourceUnusable,
    /// The store did not do it.
    StorageFailed,
    /// It took too long.
    TimedOut,
    /// No worker runs jobs of this type.
    UnknownJobType,
    /// What is asked for is refused, as the request would have been.
    Refused(Code),
}

impl FailureCode {
    /// The stable snake_case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AttemptsExhausted => "attempts_exhausted",
            Self::CancelledAtProvider => "cancelled_at_provider",
            Self::ContentFlagged => "content_flagged",
            Self::InvalidPayload => "invalid_payload",
            Self::NoOutput => "no_output",
            Self::OutOfMemory => "out_of_memory",
            Self::OutputExpired => "output_expired",
            Self::OutputTooLarge => "output_too_large",
            Self::OutputUnsafe => "output_unsafe",
            Self::OutputUnusable => "output_unusable",
            Self::PredictionLost => "prediction_lost",
            Self::ProviderBusy => "provider_busy",
            Self::ProviderError => "provider_error",
            Self::ProviderInterrupted => "provider_interrupted",
            Self::ProviderUnreachable => "provider_unreachable",
            Self::Rejected => "rejected",
            Self::SourceMissing => "source_missing",
            Self::SourceUnreachable => "source_unreachable",
            Self::SourceUnusable => "source_unusable",
            Self::StorageFailed => "storage_failed",
            Self::TimedOut => "timed_out",
            Self::UnknownJobType => "unknown_job_type",
            Self::Refused(code) => code.as_str(),
        }
    }
}

impl Serialize for FailureCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For programs.
    pub code: FailureCode,
    /// A sentence that the user reads.
    pub message: String,
    /// What the provider said, for operators; never shown to users.
    pub cause: String,
    /// Nobody can tell whether another attempt makes sense, or this one may have been paid for: a second failure
    /// like this ends the job.
    pub once: bool,
}

impl Failure {
    /// A failure of which there is no more to tell than its sentence.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), cause: String::new(), once: false }
    }

    /// Adds what the provider said.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = cause.into();
        self
    }

    /// What the log may hold: of words about the request, which may quote its prompt, the code alone.
    pub fn logged(&self) -> &str {
        if self.code == FailureCode::Rejected { self.code.as_str() } else { &self.cause }
    }

    /// Allows one more attempt, and no further.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }
}
