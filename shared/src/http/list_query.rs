//! The query of `GET /generations`.

use chrono::{DateTime, Datelike, Utc};
use uuid::Uuid;

use crate::catalogue::{Catalogue, Operation};
use crate::http::named_user::{USER_ID, user_in_query};
use crate::http::problem::Problem;
use crate::live::Status;
use crate::policy::bounds::{MAX_NAME_CHARS, MAX_SEARCH_CHARS, OPERATIONS};

/// The parameters that it may have.
pub const PARAMETERS: [&str; 13] = [
    "limit",
    "cursor",
    "status",
    "batch_id",
    "model_id",
    "operation",
    "favorite",
    "archived",
    "parent_id",
    "q",
    "created_after",
    "created_before",
    USER_ID,
];

/// Generations a page, where the caller does not say.
pub const DEFAULT_LIMIT: u32 = 20;
/// The most generations a page.
pub const MAX_LIMIT: u32 = 100;

/// Which of the caller's generations are wanted: those that every given filter lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Whose, where a server asks.
    pub user_id: Option<Uuid>,
    /// How many at most.
    pub limit: u32,
    /// Where to go on: `next_cursor` of an earlier page.
    pub cursor: Option<String>,
    /// Only those with this status.
    pub status: Option<Status>,
    /// Only those of this batch.
    pub batch_id: Option<Uuid>,
    /// Only those of this model: its id, `owner/name`, where the catalogue knows it.
    pub model_id: Option<String>,
    /// Only those whose model does this.
    pub operation: Option<Operation>,
    /// Only those whose image is a favourite, or only the others.
    pub favorite: Option<bool>,
    /// Only those whose image is archived, or only the others.
    pub archived: Option<bool>,
    /// Only those that came from this generation.
    pub parent_id: Option<Uuid>,
    /// Only those whose prompt has this text, in whatever case.
    pub text: Option<String>,
    /// Only those of later than that.
    pub created_after: Option<DateTime<Utc>>,
    /// Only those of earlier than that.
    pub created_before: Option<DateTime<Utc>>,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            user_id: None,
            limit: DEFAULT_LIMIT,
            cursor: None,
            status: None,
            batch_id: None,
            model_id: None,
            operation: None,
            favorite: None,
            archived: None,
            parent_id: None,
            text: None,
            created_after: None,
            created_before: None,
        }
    }
}

impl ListQuery {
    /// Reads and checks the parameters; `parameter` gives one by name.
    pub fn parse(parameter: impl Fn(&str) -> Option<String>) -> Result<Self, Problem> {
        let read = Parameters(parameter);
        let limit = read.with("limit", format!("a whole number from 1 to {MAX_LIMIT}"), |text| {
            text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit))
        })?;
        let model_id = read.text("model_id", MAX_NAME_CHARS)?;
        Ok(Self {
            user_id: user_in_query((read.0)(USER_ID))?,
            limit: limit.unwrap_or(DEFAULT_LIMIT),
            cursor: read.with("cursor", "the next_cursor of an earlier page".to_owned(), |text| {
                is_cursor(text).then(|| text.to_owned())
            })?,
            status: read.word("status", &Status::ALL.map(Status::as_str), Status::from_name)?,
            batch_id: read.id("batch_id")?,
            model_id: model_id.map(|name| Catalogue::full_id(&name).map_or(name, str::to_owned)),
            operation: read.word("operation", &OPERATIONS, Operation::from_name)?,
            favorite: read.flag("favorite")?,
            archived: read.flag("archived")?,
            parent_id: read.id("parent_id")?,
            text: read.text("q", MAX_SEARCH_CHARS)?,
            created_after: read.time("created_after")?,
            created_before: read.time("created_before")?,
        })
    }
}

/// The parameters of a query, by name.
struct Parameters<F>(F);

impl<F: Fn(&str) -> Option<String>> Parameters<F> {
    /// What `read` makes of a parameter, which must be `what`.
    fn with<T>(
        &self,
        name: &str,
        what: String,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = (self.0)(name) else { return Ok(None) };
        read(&text).map(Some).ok_or_else(|| Problem::invalid(name, format!("{name} must be {what}.")))
    }

    fn word<T>(
        &self,
        name: &str,
        words: &[&str],
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        self.with(name, format!("one of: {}", words.join(", ")), read)
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        self.with(name, "true or false".to_owned(), |text| text.parse().ok())
    }

    fn id(&self, name: &str) -> Result<Option<Uuid>, Problem> {
        self.with(name, "a UUID".to_owned(), |text| Uuid::try_parse(text).ok())
    }

    fn text(&self, name: &str, max: usize) -> Result<Option<String>, Problem> {
        self.with(name, format!("a text of 1 to {max} characters, not only white space"), |text| {
            let fits = text.chars().count() <= max && !text.trim().is_empty() && !text.contains('\0');
            fits.then(|| text.to_owned())
        })
    }

    /// A point in time as RFC 3339 writes it, of a year that the database knows. The `+` of a zone is a space where it
    /// stands in a URL as it is.
    fn time(&self, name: &str) -> Result<Option<DateTime<Utc>>, Problem> {
        self.with(name, "a time such as 2027-01-31T12:00:00Z".to_owned(), |text| {
            let zoned = text.rsplit_once(' ').filter(|(time, _)| time.contains(':'));
            let text = zoned.map_or(text.to_owned(), |(time, zone)| format!("{time}+{zone}"));
            let time = DateTime::parse_from_rfc3339(&text).ok()?.to_utc();
            (1..=9_999).contains(&time.year()).then_some(time)
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

    fn parse(name: &'static str, value: &str) -> Result<ListQuery, Problem> {
        ListQuery::parse(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn bounds() {
        assert_eq!(ListQuery::parse(|_| None).unwrap(), ListQuery::default());
        assert!(parse("limit", "100").is_ok());
        assert_eq!(parse("status", "downloading").unwrap().status, Some(Status::Downloading));
        assert!(parse("cursor", "1795513424388601_55abe292-c194-4207-bd22-c52f2e3fe775").is_ok());
        assert_eq!(parse("operation", "upscale").unwrap().operation, Some(Operation::Upscale));
        assert_eq!(parse("favorite", "false").unwrap().favorite, Some(false));
        assert_eq!(parse("q", "50% off").unwrap().text.as_deref(), Some("50% off"));
        let long = "x".repeat(201);
        for (name, value) in [
            ("limit", "0"),
            ("limit", "101"),
            ("limit", "x"),
            ("status", "done"),
            ("batch_id", "7"),
            ("user_id", "7"),
            ("cursor", ""),
            ("cursor", "x"),
            ("cursor", "17_x"),
            ("operation", "paint"),
            ("favorite", "yes"),
            ("archived", "1"),
            ("parent_id", "x"),
            ("model_id", ""),
            ("model_id", &long),
            ("q", " "),
            ("q", "a\0b"),
            ("q", &long),
            ("created_after", "yesterday"),
            ("created_before", "2026-11-24"),
            ("created_before", "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(parse(name, value).unwrap_err().field.as_deref(), Some(name), "{value}");
        }
    }

    #[test]
    fn a_model_is_named_as_in_a_start() {
        assert_eq!(
            parse("model_id", "flux-schnell").unwrap().model_id.as_deref(),
            Some("black-forest-labs/flux-schnell")
        );
        assert_eq!(parse("model_id", "my/own").unwrap().model_id.as_deref(), Some("my/own"));
    }

    #[test]
    fn a_time_of_any_zone_is_one_of_utc() {
        let query = parse("created_after", "2026-11-24T13:00:00+01:00").unwrap();
        assert_eq!(query.created_after.unwrap().to_rfc3339(), "2026-11-24T12:00:00+00:00");
    }

    #[test]
    fn a_time_is_read_as_answers_have_it_also_where_its_plus_has_become_a_space() {
        for time in ["2026-11-29T17:33:57.92591+00:00", "2026-11-29T17:33:57.92591 00:00"] {
            let query = parse("created_before", time).unwrap();
            assert_eq!(query.created_before.unwrap().to_rfc3339(), "2026-11-29T17:33:57.925910+00:00");
        }
        assert!(parse("created_before", "2026-11-29 17:33:57Z").is_ok());
        assert!(parse("created_before", "2026-11-29 00:00").is_err());
    }

    #[test]
    fn every_parameter_is_listed() {
        let asked = std::cell::RefCell::new(Vec::new());
        ListQuery::parse(|name| {
            asked.borrow_mut().push(name.to_owned());
            None
        })
        .unwrap();
        let mut asked = asked.into_inner();
        asked.sort_unstable();
        let mut listed = PARAMETERS;
        listed.sort_unstable();
        assert_eq!(asked, listed);
    }
}
