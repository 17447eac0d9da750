//! The query of `GET /generations`.

use uuid::Uuid;

use crate::http::problem::Problem;
use crate::live::Status;

/// Generations a page, where the caller does not say.
pub const DEFAULT_LIMIT: u32 = 20;
/// The most generations a page.
pub const MAX_LIMIT: u32 = 100;

/// Which of the caller's generations are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// How many at most.
    pub limit: u32,
    /// Where to go on: `next_cursor` of an earlier page.
    pub cursor: Option<String>,
    /// Only those with this status.
    pub status: Option<Status>,
    /// Only those of this batch.
    pub batch_id: Option<Uuid>,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self { limit: DEFAULT_LIMIT, cursor: None, status: None, batch_id: None }
    }
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
        let status = match parameter("status") {
            None => None,
            Some(name) => Some(Status::from_name(&name).ok_or_else(|| {
                let names = Status::ALL.map(Status::as_str).join(", ");
                Problem::invalid("status", format!("status must be one of: {names}."))
            })?),
        };
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
        assert_eq!(ListQuery::parse(|_| None).unwrap().limit, 20);
        assert!(parse("limit", "100").is_ok());
        assert_eq!(parse("status", "downloading").unwrap().status, Some(Status::Downloading));
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
