//! The query of `GET /generations`.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::problem::Problem;

/// The words of `status`.
pub const STATUSES: [&str; 6] = ["queued", "processing", "downloading", "completed", "failed", "cancelled"];
/// Generations a page, where the caller does not say.
pub const DEFAULT_LIMIT: u32 = 20;
/// The most generations a page.
pub const MAX_LIMIT: u32 = 100;

/// Which of the caller's generations are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    limit: u32,
    cursor: Option<String>,
    status: Option<String>,
    batch_id: Option<Uuid>,
}

impl ListQuery {
    /// Reads and checks the parameters; `parameter` gives one by name.
    pub fn parse(parameter: impl Fn(&str) -> Option<String>) -> Result<Self, Problem> {
        let limit = match parameter("limit") {
            None => DEFAULT_LIMIT,
            Some(text) => {
                text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or_else(|| {
                    Problem::invalid("limit", format!("limit must be a whole number from 1 to {MAX_LIMIT}."))
                })?
            }
        };
        let status = parameter("status");
        if status.as_deref().is_some_and(|status| !STATUSES.contains(&status)) {
            return Err(Problem::invalid(
                "status",
                format!("status must be one of: {}.", STATUSES.join(", ")),
            ));
        }
        let batch_id = match parameter("batch_id") {
            None => None,
            Some(text) => Some(
                Uuid::try_parse(&text)
                    .map_err(|_| Problem::invalid("batch_id", "batch_id must be a UUID."))?,
            ),
        };
        let cursor = parameter("cursor");
        if cursor.as_deref().is_some_and(|cursor| !is_cursor(cursor)) {
            return Err(Problem::invalid("cursor", "cursor must be the next_cursor of an earlier page."));
        }
        Ok(Self { limit, cursor, status, batch_id })
    }

    /// The arguments of `list_generations`.
    pub fn to_rpc(&self) -> Value {
        json!({
            "p_limit": self.limit, "p_cursor": self.cursor, "p_status": self.status, "p_batch_id": self.batch_id,
        })
    }
}

/// `{microseconds}_{generation id}`, as `list_generations` makes it.
fn is_cursor(text: &str) -> bool {
    text.split_once('_').is_some_and(|(time, id)| {
        (1..=17).contains(&time.len())
            && time.bytes().all(|byte| byte.is_ascii_digit())
            && Uuid::try_parse(id).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &'static str, value: &'static str) -> Result<ListQuery, Problem> {
        ListQuery::parse(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn bounds() {
        assert_eq!(ListQuery::parse(|_| None).unwrap().to_rpc()["p_limit"], 20);
        assert!(parse("limit", "100").is_ok());
        assert!(parse("status", "downloading").is_ok());
        assert!(parse("cursor", "1795513424388601_55abe292-c194-4207-bd22-c52f2e3fe775").is_ok());
        for (name, value) in [
            ("limit", "0"),
            ("limit", "101"),
            ("limit", "x"),
            ("status", "done"),
            ("batch_id", "7"),
            ("cursor", ""),
            ("cursor", "x"),
            ("cursor", "17_x"),
        ] {
            assert_eq!(parse(name, value).unwrap_err().field.as_deref(), Some(name), "{value}");
        }
    }
}
