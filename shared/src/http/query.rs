//! The query of a URL: its parameters, and which of them a path has.

use std::borrow::Cow;

use url::form_urlencoded;

use crate::http::known_fields::refuse_other_names;
use crate::http::list_query;
use crate::http::named_user::USER_ID;
use crate::http::problem::Problem;
use crate::http::routes::Target;

/// What clients put into any query: Supabase's for its gateway, and `functions.invoke` with a region; jQuery to get past
/// a cache; readers of events that send a token, such as `event-source-polyfill`, when they come back.
const PASSED_OVER: [&str; 4] = ["apikey", "forceFunctionRegion", "_", LAST_EVENT_ID];

/// What such a reader has heard last, in place of the header `Last-Event-ID`, which counts before.
pub const LAST_EVENT_ID: &str = "lastEventId";

/// The parameters that a path has; `None`: others do no harm there, as those do that get past a cache.
fn parameters(target: Target) -> Option<&'static [&'static str]> {
    Some(match target {
        Target::List => &list_query::PARAMETERS,
        Target::Events | Target::GenerationEvents => &["since"],
        Target::Usage => &[USER_ID],
        Target::Get | Target::Models => &[],
        _ => return None,
    })
}

/// Refuses a parameter that the path does not have. `search` is what follows the `?`.
pub fn check(target: Target, search: &str) -> Result<(), Problem> {
    let (Some(known), false) = (parameters(target), search.is_empty()) else { return Ok(()) };
    let names: Vec<Cow<'_, str>> = form_urlencoded::parse(search.as_bytes()).map(|(name, _)| name).collect();
    let names = names.iter().map(|name| &**name).filter(|name| !PASSED_OVER.contains(name));
    refuse_other_names(names, &[known], "parameter", "this path")
}

/// The value of a parameter, the first where there are several.
pub fn value(search: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(search.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(target: Target, search: &str) -> String {
        check(target, search).expect_err(search).detail
    }

    #[test]
    fn a_parameter_that_a_path_does_not_have_is_refused_with_the_one_that_is_meant() {
        for (name, ours) in [
            ("favourite", "favorite"),
            ("is_favorite", "favorite"),
            ("isFavorite", "favorite"),
            ("prompt", "q"),
            ("search", "q"),
            ("query", "q"),
            ("model", "model_id"),
            ("page", "cursor"),
            ("offset", "cursor"),
            ("per_page", "limit"),
            ("created_afer", "created_after"),
        ] {
            let problem = check(Target::List, &format!("limit=5&{name}=x")).unwrap_err();
            assert_eq!(
                (problem.field.as_deref(), problem.detail),
                (Some(name), format!("{name} is not a parameter of this path. Did you mean {ours}?"))
            );
        }
        assert!(refused(Target::List, "sort=asc").ends_with("GET /openapi.json lists its parameters."));
        assert!(refused(Target::Events, "Last-Event-ID=7").ends_with("Did you mean since?"));
        assert!(refused(Target::Models, "operation=edit").starts_with("operation is not"));
        assert!(refused(Target::Get, "fields=id").starts_with("fields is not"));
    }

    #[test]
    fn what_a_path_has_is_taken_and_what_clients_add_passed_over() {
        for known in list_query::PARAMETERS {
            check(Target::List, &format!("{known}=x")).unwrap();
        }
        check(Target::List, "").unwrap();
        check(Target::List, "apikey=sb_publishable_x&forceFunctionRegion=eu-west-1").unwrap();
        check(Target::GenerationEvents, "since=1").unwrap();
        check(Target::Events, "lastEventId=1795529400123").unwrap();
        for target in [Target::OpenApi, Target::Models] {
            check(target, "_=1795513424").unwrap();
        }
    }

    #[test]
    fn a_value_is_decoded() {
        assert_eq!(value("q=50%25+off&q=x", "q").as_deref(), Some("50% off"));
        assert_eq!(value("q=", "q").as_deref(), Some(""));
        assert_eq!(value("limit=1", "q"), None);
    }
}
