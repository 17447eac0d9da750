//! Whose things a request is about: a server of the app's, which holds the secret key, names a user, and nobody else may.

use uuid::Uuid;

use crate::http::problem::{Code, Problem};

/// The field, and the parameter of a query, that names one.
pub const USER_ID: &str = "user_id";

/// Reads the parameter.
pub fn user_in_query(text: Option<String>) -> Result<Option<Uuid>, Problem> {
    let read = |text: String| {
        Uuid::try_parse(&text).map_err(|_| Problem::invalid(USER_ID, "user_id must be the id of a user."))
    };
    text.map(read).transpose()
}

/// The user that a server acts for; `None` for a signed-in user, who acts for nobody else.
///
/// # Errors
/// A server names none, or somebody else one.
pub fn named_user(caller_is_server: bool, user_id: Option<Uuid>) -> Result<Option<Uuid>, Problem> {
    match (caller_is_server, user_id) {
        (true, None) => {
            Err(Problem::invalid(USER_ID, "With the secret key user_id is required: for which user is it?"))
        }
        (false, Some(_)) => {
            let detail = "user_id is for servers, with the secret key. With a user's token leave it out: it is about that user.";
            Err(Problem::new(Code::Forbidden, detail).with_field(USER_ID))
        }
        (_, user_id) => Ok(user_id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_by_a_server_and_by_nobody_else() {
        let id = Some(Uuid::nil());
        assert_eq!((named_user(true, id), named_user(false, None)), (Ok(id), Ok(None)));
        for (refused, status) in [(named_user(false, id), 403), (named_user(true, None), 400)] {
            let problem = refused.unwrap_err();
            assert_eq!((problem.code.status(), problem.field.as_deref()), (status, Some("user_id")));
        }
    }

    #[test]
    fn in_a_query_it_is_a_uuid() {
        assert_eq!(user_in_query(None), Ok(None));
        assert_eq!(user_in_query(Some(Uuid::nil().to_string())), Ok(Some(Uuid::nil())));
        for wrong in ["", "7"] {
            assert_eq!(user_in_query(Some(wrong.into())).unwrap_err().field.as_deref(), Some("user_id"));
        }
    }
}
