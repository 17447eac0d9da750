//! One start tag: its element and its attributes.

use super::allowed::{CSS, DATA, ELEMENTS, SVG, XHTML};
use super::{Unsafe, refuse};

/// Checks what stands between `<` and `>`. Tells whether it begins a style sheet.
pub(super) fn check(tag: &str) -> Result<bool, Unsafe> {
    let (name, mut rest) = split_name(tag);
    let element = name.strip_prefix("svg:").unwrap_or(name);
    // Elements of editors, under prefixes of their own: no browser gives them a meaning, because a prefix
    // may not stand for SVG or HTML.
    let is_foreign =
        element.split_once(':').is_some_and(|(prefix, name)| !prefix.is_empty() && !name.is_empty());
    if !is_foreign && !ELEMENTS.contains(&element) {
        return refuse(format!("the element {element:.40}"));
    }
    while !rest.trim_start().is_empty() {
        let after_space = rest.trim_start();
        if after_space.len() == rest.len() {
            return refuse("attributes without a space between them");
        }
        let (attribute, after_name) = split_name(after_space);
        let after_name = after_name.trim_start();
        let Some(value) = after_name.strip_prefix('=').map(str::trim_start) else {
            return refuse("an attribute without a value");
        };
        let Some((value, after)) = quoted(value) else { return refuse("an attribute without quotes") };
        let Some(value) = decode(value) else { return refuse("an entity of its own") };
        check_attribute(attribute, &value)?;
        rest = after;
    }
    Ok(element == "style")
}

/// A name as far as its characters are plain; anything else is left over and makes the tag unreadable.
fn split_name(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':')));
    text.split_at_checked(end.unwrap_or(text.len())).unwrap_or((text, ""))
}

fn quoted(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('"')
        .and_then(|rest| rest.split_once('"'))
        .or_else(|| text.strip_prefix('\'').and_then(|rest| rest.split_once('\'')))
}

/// The characters that the references of XML stand for. `None`: one that XML does not have.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut parts = text.split('&');
    let mut decoded = parts.next()?.to_owned();
    for part in parts {
        let (name, after) = part.split_once(';')?;
        decoded.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let digits = number.strip_prefix('#')?;
                let code = match digits.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => digits.parse(),
                };
                char::from_u32(code.ok()?)?
            }
        });
        decoded.push_str(after);
    }
    Some(decoded)
}

fn check_attribute(name: &str, value: &str) -> Result<(), Unsafe> {
    let local = name.rsplit(':').next().unwrap_or_default();
    let lower = local.to_ascii_lowercase();
    if lower.starts_with("on") {
        return refuse(format!("the event handler {local:.40}"));
    }
    let is_namespace = name.starts_with("xmlns");
    let is_known = match name {
        "xmlns" => value == SVG,
        "xmlns:svg" => value == SVG,
        "xml:base" => false,
        _ if is_namespace => value != SVG && value != XHTML,
        _ => true,
    };
    if !is_known {
        return refuse(format!("the attribute {name:.40}"));
    }
    if is_namespace {
        return Ok(());
    }
    if matches!(lower.as_str(), "href" | "src" | "srcdoc" | "action" | "formaction") && !is_inside(value) {
        return refuse(format!("a reference to {value:.60}"));
    }
    check_css(value)
}

/// Style sheets, and every attribute, because most may be properties of style as well.
pub(super) fn check_css(text: &str) -> Result<(), Unsafe> {
    let text = text.to_ascii_lowercase();
    if let Some(found) = CSS.iter().find(|word| text.contains(**word)) {
        return refuse(format!("{found} in a style"));
    }
    if text.contains("javascript:") {
        return refuse("the address of a script");
    }
    let mut targets = text.split("url(").skip(1);
    let inside = |target: &str| is_inside(target.trim_start_matches(['"', '\'', ' ', '\t', '\r', '\n']));
    if let Some(target) = targets.find(|target| !inside(target)) {
        return refuse(format!("a reference to {target:.60}"));
    }
    Ok(())
}

/// Within this file, or embedded.
fn is_inside(target: &str) -> bool {
    let begins = |prefix: &&str| {
        target.get(..prefix.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(prefix))
    };
    target.starts_with('#') || DATA.iter().any(begins)
}
