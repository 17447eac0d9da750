//! Whether an image file is all there, seen in pieces as it passes. Most decoders paint what there is of a
//! cut file, and nobody would notice before the image made of it is paid for.
//!
//! Formats: PNG <https://www.w3.org/TR/png-3/#5Chunk-layout>, JPEG ITU-T T.81 annex B, WebP
//! <https://developers.google.com/speed/webp/docs/riff_container>.

use super::ImageFormat;

/// A walk through a file, from header to header. What follows the image's end is not looked at: phones
/// put films there.
#[derive(Debug)]
pub struct Walk {
    step: Step,
    /// Bytes to pass over before the step.
    skip: u64,
    /// What has come of the step's header.
    header: Vec<u8>,
    size: Option<(u32, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    PngChunk,
    WebpSize,
    JpegMarker,
    JpegLength {
        marker: u8,
    },
    JpegFrame {
        rest: u64,
    },
    /// Compressed data, in which a marker cannot occur by chance: an 0xff is followed by 0.
    JpegScan,
    End,
}

impl Walk {
    /// A walk that begins before the first byte. `None`: the format has no end that could be missed.
    pub fn new(format: ImageFormat) -> Option<Self> {
        let (skip, step) = match format {
            ImageFormat::Png => (8, Step::PngChunk),
            ImageFormat::Webp => (4, Step::WebpSize),
            ImageFormat::Jpeg => (2, Step::JpegMarker),
            ImageFormat::Gif | ImageFormat::Svg => return None,
        };
        Some(Self { step, skip, header: Vec::new(), size: None })
    }

    /// Goes through the next piece.
    pub fn chunk(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_whole() {
            if self.skip > 0 {
                let passed = bytes.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                self.skip -= passed as u64;
                bytes = bytes.get(passed..).unwrap_or_default();
            } else if self.step == Step::JpegScan {
                bytes = self.scan(bytes);
            } else if let Some((byte, rest)) = bytes.split_first() {
                self.header.push(*byte);
                self.read_header();
                bytes = rest;
            }
        }
    }

    /// Whether the end has been reached.
    pub fn is_whole(&self) -> bool {
        self.step == Step::End && self.skip == 0
    }

    /// Width and height in pixels of a JPEG, which may stand behind any amount of metadata.
    pub fn jpeg_size(&self) -> Option<(u32, u32)> {
        self.size
    }

    fn read_header(&mut self) {
        let (skip, step) = match (self.step, self.header.as_slice()) {
            (Step::PngChunk, &[a, b, c, d, ref kind @ ..]) if kind.len() == 4 => {
                let length = u64::from(u32::from_be_bytes([a, b, c, d]));
                // Behind the data stands a checksum of four bytes.
                (length + 4, if kind == b"IEND" { Step::End } else { Step::PngChunk })
            }
            (Step::WebpSize, &[a, b, c, d]) => (u64::from(u32::from_le_bytes([a, b, c, d])), Step::End),
            (Step::JpegMarker, &[0xff, 0xff]) => {
                self.header.truncate(1); // any number of them may fill up
                return;
            }
            (Step::JpegMarker, &[0xff, marker]) => match marker {
                0xd9 => (0, Step::End),
                // Markers that stand alone.
                0x00 | 0x01 | 0xd0..=0xd8 => (0, Step::JpegMarker),
                _ => (0, Step::JpegLength { marker }),
            },
            (Step::JpegMarker, &[first]) if first != 0xff => (0, Step::JpegMarker),
            (Step::JpegLength { marker }, &[a, b]) => {
                let rest = u64::from(u16::from_be_bytes([a, b])).saturating_sub(2);
                match marker {
                    0xda => (rest, Step::JpegScan),
                    0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => (0, Step::JpegFrame { rest }),
                    _ => (rest, Step::JpegMarker),
                }
            }
            (Step::JpegFrame { rest }, &[_precision, a, b, c, d]) => {
                let (height, width) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                self.size = Some((width.into(), height.into()));
                (rest.saturating_sub(5), Step::JpegMarker)
            }
            _ => return,
        };
        (self.skip, self.step) = (skip, step);
        self.header.clear();
    }

    /// Looks for the marker of the end; gives what is left of the piece.
    fn scan<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        if self.header.pop().is_some() && bytes.first() == Some(&0xd9) {
            self.step = Step::End;
            return bytes.get(1..).unwrap_or_default();
        }
        let Some(at) = bytes.iter().position(|byte| *byte == 0xff) else { return &[] };
        self.header.push(0xff);
        bytes.get(at + 1..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 3 × 2 pixels each, as libvips writes them.
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\x02\0\0\0\x12\x16\xf1M\
        \0\0\0\x09pHYs\0\0\x03\xe8\0\0\x03\xe8\x01\xb5{Rk\
        \0\0\0\x12IDAT\x08\x99c\xf8\xcf\xc0\0AP\xea?\x03\x03\0A\xd2\x05\xfb\x18\x17\x04\xe2\0\0\0\0IEND\xaeB`\x82";
    const WEBP: &[u8] = b"RIFF\x1c\0\0\0WEBPVP8L\x0f\0\0\0/\x02@\0\0\x07\x10\xfd\x8f\xfe\x07\"\xa2\xff\x01\0";

    /// A JPEG of 3 × 2 pixels: metadata of 70,000 bytes that looks like an end, a frame, two scans.
    fn jpeg() -> Vec<u8> {
        let mut file = b"\xff\xd8".to_vec();
        for _ in 0..2 {
            file.extend(b"\xff\xe1\x88\xb8");
            file.extend(b"\xff\xd9".repeat(17_499));
        }
        file.extend(b"\xff\xff\xc0\0\x0b\x08\0\x02\0\x03\x01\x01\x11\0");
        file.extend(b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\x12\xff\0\x34\xff\xd0\x56");
        file.extend(b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\x78\xff\xd9");
        file
    }

    fn walk(format: ImageFormat, file: &[u8], piece: usize) -> Walk {
        let mut walk = Walk::new(format).unwrap();
        file.chunks(piece).for_each(|bytes| walk.chunk(bytes));
        walk
    }

    #[test]
    fn a_file_is_whole_with_its_last_byte_and_not_before() {
        for (format, file) in
            [(ImageFormat::Png, PNG), (ImageFormat::Webp, WEBP), (ImageFormat::Jpeg, &jpeg())]
        {
            for piece in [1, 2, 3, 7, 1000, usize::MAX] {
                assert!(walk(format, file, piece).is_whole(), "{format:?} in pieces of {piece}");
                let film = [file, b"ftyp".as_slice()].concat();
                assert!(walk(format, &film, piece).is_whole(), "{format:?} with a film behind it");
            }
            for length in (0..file.len()).filter(|length| length % 997 < 20 || file.len() - length < 20) {
                let cut = &file[..length];
                assert!(!walk(format, cut, 64).is_whole(), "{format:?} cut to {length} of {}", file.len());
            }
        }
    }

    #[test]
    fn a_jpeg_tells_its_size_behind_long_metadata() {
        assert_eq!(walk(ImageFormat::Jpeg, &jpeg(), 1000).jpeg_size(), Some((3, 2)));
        assert_eq!(walk(ImageFormat::Jpeg, &jpeg()[..70_000], 1000).jpeg_size(), None);
    }

    #[test]
    fn nonsense_is_walked_through_and_has_no_end() {
        for format in [ImageFormat::Png, ImageFormat::Webp, ImageFormat::Jpeg] {
            for byte in [0x01, 0x41, 0xff] {
                assert!(!walk(format, &vec![byte; 10_000], 333).is_whole(), "{format:?} of {byte:#x}");
            }
        }
    }

    #[test]
    fn what_has_no_end_is_not_walked_through() {
        for format in [ImageFormat::Gif, ImageFormat::Svg] {
            assert!(Walk::new(format).is_none());
        }
    }
}
