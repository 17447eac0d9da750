//! The trace that a request belongs to, as W3C Trace Context writes it: <https://www.w3.org/TR/trace-context/>.

/// The header's name.
pub const TRACEPARENT: &str = "traceparent";

/// The header's value, where it is one of version 00; another one is passed over, as the standard wants it.
pub fn read(value: Option<String>) -> Option<String> {
    let value = value?;
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |part: &str, length| hex(part, length) && part.bytes().any(|byte| byte != b'0');
    let mut parts = value.split('-');
    let mut next = || parts.next().unwrap_or_default();
    let is_one = next() == "00" && is_id(next(), 32) && is_id(next(), 16) && hex(next(), 2);
    (is_one && parts.next().is_none()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_and_what_is_none_is_passed_over() {
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(read(Some(trace.to_owned())).as_deref(), Some(trace));
        for value in [
            "",
            "00",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b77-01",
        ] {
            assert_eq!(read(Some(value.to_owned())), None, "{value}");
        }
        assert_eq!(read(None), None);
    }
}
