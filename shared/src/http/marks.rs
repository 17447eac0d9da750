//! The bodies of `PATCH /images/{id}` and `PATCH /images`: an owner's marks on images.

use serde::Serialize;
use uuid::Uuid;

use crate::http::fields::Fields;
use crate::http::known_fields::refuse_unknown;
use crate::http::named_user::USER_ID;
use crate::http::problem::Problem;
use crate::http::request::{id, json_of};
use crate::policy::bounds::MAX_MARKED;

/// The names of the marks.
pub const MARKS: [&str; 3] = ["is_favorite", "is_public", "archived"];

/// What is to be changed of an image's marks; `None` stays as it is. One of them is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ImageMarks {
    /// One of its owner's favourites.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_favorite: Option<bool>,
    /// Its row may be read by every signed-in user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_public: Option<bool>,
    /// Put aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
}

/// What is to be changed of several images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagesMarks {
    /// The images' ids, 1 to [`MAX_MARKED`].
    pub ids: Vec<Uuid>,
    /// What is changed of each.
    pub marks: ImageMarks,
    /// Whose they are. Only a server may say so.
    pub user_id: Option<Uuid>,
}

impl ImageMarks {
    /// The body for one image.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let body = json_of(body)?;
        Self::read(&Fields::of(&body)?, &[])
    }

    /// The body for several.
    pub fn parse_many(body: &[u8]) -> Result<ImagesMarks, Problem> {
        let body = json_of(body)?;
        let fields = Fields::of(&body)?;
        let marks = Self::read(&fields, &["ids", USER_ID])?;
        let user_id = id(&fields, USER_ID, "a user")?;
        let wrong =
            || Problem::invalid("ids", format!("ids must be a list of 1 to {MAX_MARKED} ids of images."));
        let list = fields.get("ids").and_then(|ids| ids.as_array()).ok_or_else(wrong)?;
        if !(1..=MAX_MARKED).contains(&list.len()) {
            return Err(wrong());
        }
        let ids = list.iter().map(|id| id.as_str().and_then(|id| Uuid::try_parse(id).ok()));
        Ok(ImagesMarks { ids: ids.collect::<Option<_>>().ok_or_else(wrong)?, marks, user_id })
    }

    fn read(fields: &Fields<'_>, others: &[&'static str]) -> Result<Self, Problem> {
        refuse_unknown(fields, &[&MARKS, others], "this request")?;
        let [is_favorite, is_public, archived] = MARKS;
        let marks = Self {
            is_favorite: fields.flag(is_favorite)?,
            is_public: fields.flag(is_public)?,
            archived: fields.flag(archived)?,
        };
        if [marks.is_favorite, marks.is_public, marks.archived].iter().all(Option::is_none) {
            return Err(Problem::invalid(
                "body",
                "Give at least one of is_favorite, is_public and archived.",
            ));
        }
        Ok(marks)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "0193f3a2-6c1e-7c40-9a55-2f6e0d1b7c11";

    fn many(body: &Value) -> Result<ImagesMarks, Problem> {
        ImageMarks::parse_many(body.to_string().as_bytes())
    }

    #[test]
    fn null_and_absent_stay_as_they_are() {
        let marks = ImageMarks::parse(br#"{"is_favorite":true,"is_public":null}"#).unwrap();
        assert_eq!(marks, ImageMarks { is_favorite: Some(true), is_public: None, archived: None });
        assert_eq!(json!(marks), json!({ "is_favorite": true }));
        let ImagesMarks { ids, marks, user_id } =
            many(&json!({ "ids": [ID, ID], "archived": false, "user_id": null })).unwrap();
        assert_eq!((ids.len(), marks.archived, user_id), (2, Some(false), None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, field) in [
            (json!([]), "body"),
            (json!({ "ids": [ID] }), "body"),
            (json!({ "ids": [ID], "is_public": null }), "body"),
            (json!({ "ids": [ID], "is_public": 1 }), "is_public"),
            (json!({ "ids": [ID], "archived_at": null, "archived": true }), "archived_at"),
            (json!({ "archived": true }), "ids"),
            (json!({ "archived": true, "ids": [ID], "user_id": "x" }), "user_id"),
            (json!({ "archived": true, "ids": [] }), "ids"),
            (json!({ "archived": true, "ids": ["x"] }), "ids"),
            (json!({ "archived": true, "ids": vec![ID; 101] }), "ids"),
        ] {
            assert_eq!(many(&body).unwrap_err().field.as_deref(), Some(field), "{body}");
        }
        assert_eq!(
            ImageMarks::parse(br#"{"ids":[],"archived":true}"#).unwrap_err().field.as_deref(),
            Some("ids")
        );
    }
}
