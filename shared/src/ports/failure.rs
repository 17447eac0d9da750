//! Why a run failed, for its user, for operators and for the queue.

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable snake_case name, shown as `error.code` of the generation.
    pub code: &'static str,
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
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), cause: String::new(), once: false }
    }

    /// Adds what the provider said.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = cause.into();
        self
    }

    /// Allows one more attempt, and no further.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }
}
