//! JSON that passes through.

/// A piece of JSON as somebody else wrote it, for an answer or for another Worker. Nobody looks into it on its way, so
/// it is not parsed and written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonText(String);

impl JsonText {
    /// Takes a text that is JSON.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text.
    pub fn into_string(self) -> String {
        self.0
    }
}
