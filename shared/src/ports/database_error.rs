//! Why the database did not do what a user asked for.

use crate::http::problem::Problem;

/// The database refused, or could not be asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DatabaseError {
    /// It refused, in words that the user may read.
    #[error("{0}")]
    Refused(Problem),
    /// It did not answer, or not now, or not yet to this user: that passes.
    #[error("{0}")]
    Unavailable(String),
    /// An answer that should not happen: a defect.
    #[error("{0}")]
    Defect(String),
}

impl DatabaseError {
    /// What the caller of the HTTP interface sees of it. What else is known belongs in the log.
    pub fn into_problem(self) -> Problem {
        match self {
            Self::Refused(problem) => problem,
            Self::Unavailable(_) => Problem::unavailable(),
            Self::Defect(_) => Problem::internal(),
        }
    }
}
