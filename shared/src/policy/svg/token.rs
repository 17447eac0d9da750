//! An XML text cut into tokens, strictly: what is no token is an error.

use super::{Unsafe, refuse};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Between tags; may be cut anywhere.
    Text(&'a [u8]),
    CData(&'a [u8]),
    Comment(&'a str),
    /// What stands between `<?` and `?>`.
    Instruction(&'a str),
    /// What follows `<!DOCTYPE`.
    Doctype(&'a str),
    /// The name.
    End(&'a str),
    /// Name and attributes, without brackets and the slash.
    Start {
        text: &'a str,
        empty: bool,
    },
}

/// The first token and what follows it. `None`: it has not ended yet.
pub(super) fn next_token(text: &[u8]) -> Result<Option<(Token<'_>, &[u8])>, Unsafe> {
    let Some(first) = text.first() else { return Ok(None) };
    if *first != b'<' {
        let end = text.iter().position(|byte| *byte == b'<').unwrap_or(text.len());
        return Ok(text.split_at_checked(end).map(|(text, after)| (Token::Text(text), after)));
    }
    for (start, end) in [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"), ("<!DOCTYPE", ">")] {
        if let Some(inside) = text.strip_prefix(start.as_bytes()) {
            let Some((inside, after)) = split_at(inside, end.as_bytes()) else { return Ok(None) };
            let token = match start {
                "<!--" => Token::Comment(utf8(inside)?),
                "<![CDATA[" => Token::CData(inside),
                "<?" => Token::Instruction(utf8(inside)?),
                _ => Token::Doctype(utf8(inside)?),
            };
            return Ok(Some((token, after)));
        }
        if start.as_bytes().starts_with(text) {
            return Ok(None);
        }
    }
    if text.starts_with(b"<!") {
        return refuse("a declaration");
    }
    let Some(end) = tag_end(text)? else { return Ok(None) };
    let (Some(inside), Some(after)) = (text.get(1..end), text.get(end + 1..)) else { return Ok(None) };
    let inside = utf8(inside)?;
    let token = match (inside.strip_prefix('/'), inside.strip_suffix('/')) {
        (Some(name), _) => Token::End(name.trim_end()),
        (None, Some(text)) => Token::Start { text, empty: true },
        (None, None) => Token::Start { text: inside, empty: false },
    };
    Ok(Some((token, after)))
}

/// Where the tag's `>` stands, outside of quotes.
fn tag_end(text: &[u8]) -> Result<Option<usize>, Unsafe> {
    let mut quote = None;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match (quote, *byte) {
            (_, b'<') => return refuse("a < inside of a tag"),
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(*byte),
            (None, b'>') => return Ok(Some(at)),
            (None, _) => {}
        }
    }
    Ok(None)
}

fn split_at<'a>(text: &'a [u8], end: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(end.len()).position(|window| window == end)?;
    Some((text.get(..at)?, text.get(at + end.len()..)?))
}

fn utf8(bytes: &[u8]) -> Result<&str, Unsafe> {
    std::str::from_utf8(bytes).map_err(|_| Unsafe("bytes that are not UTF-8".into()))
}
