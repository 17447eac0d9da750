//! Whether an SVG is an image and nothing more.
//!
//! An SVG that is opened by its address is a document: its scripts run with the rights of the origin that
//! serves it, which for stored files is the project's API. So only what is known to be still and to lie
//! within the file passes: elements and attributes by a list, references to the file itself or to embedded
//! bitmaps and fonts. What the list does not know is refused, not removed.
//!
//! The text is looked at in chunks as it streams by, a token at a time. Where the grammar of XML leaves
//! room, the narrow reading is taken, so that no parser sees an element where this one saw text.

mod allowed;
mod tag;
mod token;

use token::{Token, next_token};

/// A single tag, comment or style sheet may be this long, in bytes: embedded bitmaps are attributes.
const MAX_TOKEN_BYTES: usize = 2 * 1024 * 1024;

/// What an SVG contains that an image must not; for operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsafe(pub String);

/// Looks at an SVG as it streams by.
#[derive(Debug, Default)]
pub struct SvgCheck {
    /// The beginning of a token whose end has not come yet.
    pending: Vec<u8>,
    /// Something other than a byte order mark has been seen.
    begun: bool,
    /// The text of the style element that is open.
    style: Option<Vec<u8>>,
}

impl SvgCheck {
    /// Takes the next bytes of the file. After an error the file must not be used.
    pub fn chunk(&mut self, bytes: &[u8]) -> Result<(), Unsafe> {
        let mut text = std::mem::take(&mut self.pending);
        let goes_on = !text.is_empty() && self.begun && !bytes.contains(&b'>');
        text.extend_from_slice(bytes);
        if goes_on && text.len() <= MAX_TOKEN_BYTES {
            // Whatever is pending ends with this character: a long tag is not read again for each chunk.
            self.pending = text;
            return Ok(());
        }
        let mut rest = text.as_slice();
        if !self.begun {
            if rest.len() < 5 {
                self.pending = text;
                return Ok(());
            }
            rest = rest.strip_prefix(b"\xef\xbb\xbf").unwrap_or(rest);
        }
        while let Some((token, after)) = next_token(rest)? {
            self.look_at(&token)?;
            self.begun = true;
            rest = after;
        }
        if rest.len() > MAX_TOKEN_BYTES {
            return refuse("a tag that does not end");
        }
        self.pending = rest.to_vec();
        Ok(())
    }

    fn look_at(&mut self, token: &Token<'_>) -> Result<(), Unsafe> {
        match *token {
            Token::Text(text) => self.add_style(text),
            Token::CData(text) if self.style.is_some() => self.add_style(text),
            Token::CData(_) => refuse("a CDATA section outside of a style"),
            Token::Comment(text) => check_comment(text),
            Token::Instruction(text) if !self.begun => check_declaration(text),
            Token::Instruction(_) => refuse("a processing instruction"),
            Token::Doctype(text) if text.contains('[') => refuse("declarations of its own in the DOCTYPE"),
            Token::Doctype(_) => Ok(()),
            Token::End(name) => match (name, self.style.take()) {
                ("style" | "svg:style", Some(style)) => check_style(&style),
                (_, Some(_)) => refuse("an element inside of a style"),
                (_, None) => Ok(()),
            },
            Token::Start { .. } if self.style.is_some() => refuse("an element inside of a style"),
            Token::Start { text, empty } => {
                let is_style = tag::check(text)?;
                self.style = (is_style && !empty).then(Vec::new);
                Ok(())
            }
        }
    }

    /// A style sheet is looked at as a whole, when it has ended.
    fn add_style(&mut self, text: &[u8]) -> Result<(), Unsafe> {
        let Some(style) = &mut self.style else { return Ok(()) };
        style.extend_from_slice(text);
        if style.len() > MAX_TOKEN_BYTES { refuse("a style that does not end") } else { Ok(()) }
    }
}

fn refuse<T>(what: impl Into<String>) -> Result<T, Unsafe> {
    Err(Unsafe(what.into()))
}

/// HTML ends comments at other places than XML does, should the file be put into a page.
fn check_comment(text: &str) -> Result<(), Unsafe> {
    if text.contains("--") || text.starts_with('>') || text.starts_with("->") || text.ends_with('-') {
        return refuse("a comment with dashes in it");
    }
    Ok(())
}

/// `<?xml …?>`: in another encoding the same bytes could be other characters.
fn check_declaration(text: &str) -> Result<(), Unsafe> {
    const ALLOWED: &[&str] = &[
        "version=\"1.0\"",
        "encoding=\"utf-8\"",
        "encoding=\"us-ascii\"",
        "standalone=\"yes\"",
        "standalone=\"no\"",
    ];
    let text = text.to_ascii_lowercase().replace('\'', "\"");
    let mut words = text.split_ascii_whitespace();
    if words.next() == Some("xml") && words.all(|word| ALLOWED.contains(&word)) {
        return Ok(());
    }
    refuse("a processing instruction, or an encoding other than UTF-8")
}

fn check_style(text: &[u8]) -> Result<(), Unsafe> {
    let text = String::from_utf8_lossy(text);
    if text.contains('<') {
        return refuse("markup inside of a style");
    }
    // In XML the references of a style sheet count.
    match tag::decode(&text) {
        Some(text) => tag::check_css(&text),
        None => refuse("an entity of its own"),
    }
}

#[cfg(test)]
mod tests;
