//! Uploads in Supabase Storage, written with the user's own token: the policies of its tables decide.

use std::time::Duration;

use uuid::Uuid;

use super::rpc::RpcError;
use super::written::NotWritten;
use crate::image_file::ImageFormat;
use crate::ports::{Bucket, HttpRequest};
use crate::problem::{Code, Problem};
use crate::settings::SupabaseSettings;

/// A user's uploads.
#[derive(Debug)]
pub struct Sources<'a> {
    supabase: &'a SupabaseSettings,
    token: &'a str,
    user_id: Uuid,
}

impl<'a> Sources<'a> {
    /// `supabase` with the anon key; `token` is the user's own, and verified.
    pub fn new(supabase: &'a SupabaseSettings, token: &'a str, user_id: Uuid) -> Self {
        Self { supabase, token, user_id }
    }

    /// The request that stores a file. It never takes another one's place.
    pub fn put(&self, source_id: Uuid, format: ImageFormat) -> HttpRequest {
        let (bucket, extension) = (Bucket::Sources.name(), format.extension());
        let path = format!("{}/{source_id}.{extension}", self.user_id);
        HttpRequest::new("POST", format!("{}/storage/v1/object/{bucket}/{path}", self.supabase.url))
            .header("apikey", &self.supabase.key)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", format.content_type())
            .header("cache-control", "no-store")
            // As long as somebody with a slow line may take.
            .within(Duration::from_secs(300))
    }
}

/// Why Storage did not take a file.
pub(crate) fn refusal(NotWritten { status, cause }: NotWritten) -> RpcError {
    match status {
        401 => RpcError::Denied(cause),
        // The token and the path are right: what the policy asks for besides is missing.
        403 => RpcError::Refused(Problem::new(
            Code::Forbidden,
            "The image was not stored: there are too many uploads in this account, each of which is deleted after 24 hours, or it is suspended.",
        )),
        408 | 429 | 500.. => RpcError::Unavailable(cause),
        _ => RpcError::Defect(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::super::written::stored;
    use super::*;
    use crate::ports::HttpResponse;

    fn code(status: u16, body: &str) -> Code {
        let response = HttpResponse { status, retry_after: None, body: body.as_bytes().to_vec() };
        refusal(stored(&response).unwrap_err()).into_problem().code
    }

    #[test]
    fn the_status_that_is_meant_counts() {
        for (status, body, expected) in [
            (
                400,
                r#"{"statusCode":"403","error":"Unauthorized","message":"new row violates"}"#,
                Code::Forbidden,
            ),
            (403, r#"{"statusCode":403}"#, Code::Forbidden),
            (400, r#"{"statusCode":"401"}"#, Code::Unavailable),
            (400, r#"{"statusCode":"404","error":"Bucket not found"}"#, Code::InternalError),
            (400, r#"{"statusCode":"409","error":"Duplicate"}"#, Code::InternalError),
            (400, r#"{"statusCode":"429"}"#, Code::Unavailable),
            (503, "<html>", Code::Unavailable),
            (200, "<html>", Code::Unavailable),
            (204, "", Code::Unavailable),
            (200, r#"{"Key":null}"#, Code::Unavailable),
            (400, r#"{"statusCode":"70000"}"#, Code::InternalError),
            (400, "", Code::InternalError),
        ] {
            assert_eq!(code(status, body), expected, "{status} {body}");
        }
    }
}
