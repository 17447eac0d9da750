//! Which handler a request is for.

use crate::http::problem::{Code, Problem};

/// A prefix that Supabase puts in front of its functions; it is accepted and ignored.
const PREFIX: &str = "/functions/v1";

/// One line of a routing table: method, path, and what it stands for. A path segment `:` matches
/// anything and is handed on.
pub type Route<T> = (&'static str, &'static str, T);

/// The route that was found, with what its `:` segments matched, and the prefix that was ignored.
#[derive(Debug, PartialEq, Eq)]
pub struct Match<'p, T> {
    /// What the table says.
    pub target: T,
    /// What the `:` segments matched, in order.
    pub parameters: Vec<&'p str>,
    /// The ignored prefix: empty, or `/functions/v1`.
    pub prefix: &'static str,
}

/// Finds the route of a request: 404 for unknown paths, 405 with `Allow` for other methods.
pub fn find<'p, T: Copy>(table: &[Route<T>], method: &str, path: &'p str) -> Result<Match<'p, T>, Problem> {
    let (prefix, rest) = match path.strip_prefix(PREFIX) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => (PREFIX, rest),
        _ => ("", path),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let mut allowed: Vec<&str> = Vec::new();
    for (route_method, pattern, target) in table {
        let Some(parameters) = match_path(pattern, rest) else { continue };
        if *route_method == method || (*route_method == "GET" && method == "HEAD") {
            return Ok(Match { target: *target, parameters, prefix });
        }
        allowed.push(route_method);
    }
    if allowed.is_empty() {
        return Err(Problem::new(Code::NotFound, "There is nothing at this path."));
    }
    let mut problem =
        Problem::new(Code::MethodNotAllowed, format!("This path answers to {} only.", allowed.join(", ")));
    problem.allow = Some(allowed.join(", "));
    Err(problem)
}

fn match_path<'p>(pattern: &str, path: &'p str) -> Option<Vec<&'p str>> {
    let mut parameters = Vec::new();
    let mut segments = path.split('/');
    for expected in pattern.split('/') {
        let segment = segments.next()?;
        if expected == ":" && !segment.is_empty() {
            parameters.push(segment);
        } else if expected != segment {
            return None;
        }
    }
    segments.next().is_none().then_some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Route<u8>] = &[
        ("POST", "/start-generation", 1),
        ("GET", "/generations/:", 2),
        ("POST", "/generations/:/cancel", 3),
    ];

    #[test]
    fn paths_methods_and_parameters() {
        let found = find(TABLE, "GET", "/generations/abc").unwrap();
        assert_eq!((found.target, found.parameters, found.prefix), (2, vec!["abc"], ""));
        let found = find(TABLE, "POST", "/functions/v1/generations/abc/cancel").unwrap();
        assert_eq!((found.target, found.parameters, found.prefix), (3, vec!["abc"], "/functions/v1"));
        assert_eq!(find(TABLE, "POST", "/start-generation/").unwrap().target, 1);
        assert_eq!(find(TABLE, "HEAD", "/generations/abc").unwrap().target, 2);
    }

    #[test]
    fn unknown_paths_and_wrong_methods() {
        for path in [
            "/",
            "",
            "/generations",
            "/generations/",
            "/generations//cancel",
            "/functions/v1x/start-generation",
        ] {
            assert_eq!(find(TABLE, "GET", path).unwrap_err().code, Code::NotFound, "{path}");
        }
        let problem = find(TABLE, "DELETE", "/start-generation").unwrap_err();
        assert_eq!((problem.code, problem.allow.as_deref()), (Code::MethodNotAllowed, Some("POST")));
    }
}
