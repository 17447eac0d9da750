//! What operators see when the queue cannot be asked.

use crate::http::problem::Problem;
use crate::ports::QueueError;

/// The answer to an operator. The key that the database does not accept is the operator's own.
pub fn operators_problem(error: &QueueError) -> Problem {
    match error {
        QueueError::Unavailable(_) => Problem::unavailable(),
        QueueError::Denied(_) => Problem {
            detail:
                "Supabase refuses this Worker's key: is SUPABASE_SERVICE_ROLE_KEY the project's secret key?"
                    .into(),
            ..Problem::unavailable()
        },
        QueueError::Defect(_) => Problem::internal(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::problem::Code;

    #[test]
    fn the_operator_is_told_of_a_refused_key_and_of_nothing_internal() {
        let cause = || "column \"x\" does not exist".to_owned();
        for (error, code, names_the_key) in [
            (QueueError::Unavailable(cause()), Code::Unavailable, false),
            (QueueError::Denied(cause()), Code::Unavailable, true),
            (QueueError::Defect(cause()), Code::InternalError, false),
        ] {
            let problem = operators_problem(&error);
            assert_eq!((problem.code, problem.detail.contains("SERVICE_ROLE_KEY")), (code, names_the_key));
            assert!(!problem.body().to_string().contains("column"), "{error}");
        }
    }
}
