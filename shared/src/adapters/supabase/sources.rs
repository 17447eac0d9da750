//! Uploads in Supabase Storage, written with the user's own token: the policies of its tables decide. A server's are
//! written with the secret key that it has sent.

use std::time::Duration;

use uuid::Uuid;

use super::rpc::not_the_key;
use super::write_answer::{NotWritten, stored};
use crate::http::problem::{Code, Problem};
use crate::policy::image_file::ImageFormat;
use crate::ports::{
    Accepted, Bucket, ChunkCheck, HttpRequest, PipeError, PipeHead, SourceStore, Upload, UploadError,
};
use crate::settings::{SupabaseSettings, bearer};

/// A user's uploads.
#[derive(Debug)]
pub struct Sources<'a> {
    supabase: &'a SupabaseSettings,
    shown: Shown<'a>,
    user_id: Uuid,
}

/// What Storage judges.
#[derive(Debug)]
enum Shown<'a> {
    Token(&'a str),
    SecretKey(&'a str),
}

impl<'a> Sources<'a> {
    /// `supabase` with the anon key; `token` is the user's own, and verified.
    pub fn new(supabase: &'a SupabaseSettings, token: &'a str, user_id: Uuid) -> Self {
        Self { supabase, shown: Shown::Token(token), user_id }
    }

    /// The same with a secret key that somebody has sent us, in place of our own key and of a token.
    pub fn of_server(supabase: &'a SupabaseSettings, key: &'a str, user_id: Uuid) -> Self {
        Self { supabase, shown: Shown::SecretKey(key), user_id }
    }

    /// The request that stores a file. It never takes another one's place.
    fn request(&self, source_id: Uuid, format: ImageFormat) -> HttpRequest {
        let (bucket, extension) = (Bucket::Sources.name(), format.extension());
        let path = format!("{}/{source_id}.{extension}", self.user_id);
        let (key, token) = match self.shown {
            Shown::Token(token) => (self.supabase.key.as_str(), Some(token)),
            Shown::SecretKey(key) => (key, bearer(key)),
        };
        let url = format!("{}/storage/v1/object/{bucket}/{path}", self.supabase.url);
        let mut request = HttpRequest::new("POST", url).header("apikey", key);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request
            .header("content-type", format.content_type())
            .header("cache-control", "no-store")
            // As long as somebody with a slow line may take.
            .timeout(Duration::from_secs(300))
    }
}

impl SourceStore for Sources<'_> {
    async fn put(
        &self,
        upload: impl Upload,
        source_id: Uuid,
        max_bytes: u64,
        accept: impl FnOnce(&PipeHead<'_>) -> Result<(ImageFormat, ChunkCheck<Problem>), Problem>,
    ) -> Result<u64, UploadError> {
        let accept = |head: &PipeHead<'_>| {
            let (format, check) = accept(head)?;
            Ok(Accepted { target: self.request(source_id, format), check: Some(check) })
        };
        let (response, bytes) = upload.pipe(max_bytes, accept).await.map_err(|error| match error {
            PipeError::Refused(problem) => UploadError::Refused(problem),
            PipeError::TooLarge => UploadError::TooLarge,
            PipeError::Source(_) => UploadError::Broken,
            PipeError::Target(error) => UploadError::Unavailable(format!("storage: {error}")),
        })?;
        stored(&response).map_err(|answer| match self.shown {
            Shown::Token(_) => refusal(answer),
            Shown::SecretKey(_) => refusal_of_key(answer),
        })?;
        Ok(bytes)
    }
}

/// Why Storage did not take a file.
fn refusal(NotWritten { status, cause }: NotWritten) -> UploadError {
    match status {
        // The token and the path are right: what the policy asks for besides is missing.
        403 => UploadError::Refused(Problem::new(
            Code::Forbidden,
            "The image was not stored: there are too many uploads in this account, each of which is deleted after 24 hours, or it is suspended.",
        )),
        // The token is verified: that Storage does not take it passes.
        401 | 408 | 429 | 500.. => UploadError::Unavailable(cause),
        _ => UploadError::Defect(cause),
    }
}

/// The same where it was asked with somebody's secret key, which no policy holds back: whoever is refused has none.
fn refusal_of_key(answer: NotWritten) -> UploadError {
    match answer.status {
        // 400: Storage misses a token, since Supabase's gateway has put none in the place of the key.
        400 | 401 | 403 => UploadError::Refused(not_the_key()),
        _ => refusal(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::HttpResponse;

    fn code(status: u16, body: &str) -> Code {
        let response = HttpResponse { status, retry_after: None, body: body.as_bytes().to_vec() };
        match refusal(stored(&response).unwrap_err()) {
            UploadError::Refused(problem) => problem.code,
            UploadError::Unavailable(_) => Code::Unavailable,
            UploadError::Defect(_) => Code::InternalError,
            other => panic!("{other}"),
        }
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
