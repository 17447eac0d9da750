//! What an image file says of itself in its first bytes. The declared content type is a claim; the
//! bytes decide.

mod walk;

use imagesize::{ImageType, blob_size, image_type};

pub use walk::Walk;

/// The image formats that we store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFormat {
    /// `image/png`
    Png,
    /// `image/jpeg`
    Jpeg,
    /// `image/webp`
    Webp,
    /// `image/gif`
    Gif,
    /// `image/svg+xml`
    Svg,
}

impl ImageFormat {
    /// The file extension, also the value of `images.format`.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Webp => "webp",
            Self::Gif => "gif",
            Self::Svg => "svg",
        }
    }

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
            Self::Svg => "image/svg+xml",
        }
    }
}

/// Format and, where the first bytes tell, width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageHead {
    /// The format that the bytes have.
    pub format: ImageFormat,
    /// Width and height; `None` for vector images and where they stand too far back.
    pub size: Option<(u32, u32)>,
}

/// Reads the head of an image file. `None`: not an image that we store.
pub fn inspect(bytes: &[u8]) -> Option<ImageHead> {
    let format = match image_type(bytes) {
        Ok(ImageType::Png) => ImageFormat::Png,
        Ok(ImageType::Jpeg) => ImageFormat::Jpeg,
        Ok(ImageType::Webp) => ImageFormat::Webp,
        Ok(ImageType::Gif) => ImageFormat::Gif,
        _ if looks_like_svg(bytes) => return Some(ImageHead { format: ImageFormat::Svg, size: None }),
        _ => return None,
    };
    let size = blob_size(bytes)
        .ok()
        .and_then(|size| Some((u32::try_from(size.width).ok()?, u32::try_from(size.height).ok()?)));
    Some(ImageHead { format, size })
}

/// An XML text whose root element is `svg`, behind an optional declaration, doctype and comments.
fn looks_like_svg(bytes: &[u8]) -> bool {
    let beginning = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
    let text = String::from_utf8_lossy(beginning);
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    for _ in 0..16 {
        let end = if rest.starts_with("<?") {
            "?>"
        } else if rest.starts_with("<!--") {
            "-->"
        } else if rest.starts_with("<!") {
            ">"
        } else {
            break;
        };
        match rest.split_once(end) {
            Some((_, after)) => rest = after.trim_start(),
            None => return false,
        }
    }
    rest.strip_prefix("<svg").is_some_and(|after| after.starts_with(|c: char| c.is_whitespace() || c == '>'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG_3X2: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\x02\0\0\0";

    #[test]
    fn a_png_tells_its_size() {
        assert_eq!(inspect(PNG_3X2), Some(ImageHead { format: ImageFormat::Png, size: Some((3, 2)) }));
    }

    #[test]
    fn a_cut_png_is_a_png_without_a_size() {
        assert_eq!(inspect(&PNG_3X2[..14]), Some(ImageHead { format: ImageFormat::Png, size: None }));
    }

    #[test]
    fn svg_is_seen_behind_declaration_doctype_and_comment() {
        let svg = b"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!DOCTYPE svg>\n<!-- made -->\n<svg xmlns=\"x\"/>";
        assert_eq!(inspect(svg), Some(ImageHead { format: ImageFormat::Svg, size: None }));
    }

    #[test]
    fn other_things_are_refused() {
        for bytes in
            [&b""[..], b"<html><svg/></html>", b"<svgx>", b"%PDF-1.7", b"{\"a\":1}", b"<!-- open", b"BM\0\0"]
        {
            assert_eq!(inspect(bytes), None, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
