//! The shape of an image: width to height, whatever its pixels.

use serde::{Serialize, Serializer};

use super::size::pair;

/// Width to height, each a whole number from 1 to 99, such as `16:9`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AspectRatio(u32, u32);

impl AspectRatio {
    /// Reads `W:H` in its one spelling: digits without a sign, a zero in front or white space.
    pub fn parse(text: &str) -> Option<Self> {
        let (width, height) = pair(text, ':')?;
        let written = 3 + usize::from(width > 9) + usize::from(height > 9);
        (width.max(height) <= 99 && text.len() == written).then_some(Self(width, height))
    }

    /// Width and height as they were written.
    pub(super) fn sides(self) -> (u32, u32) {
        (self.0, self.1)
    }

    /// A size in this shape with about as many pixels as `size` has.
    pub(super) fn of_area(self, size: (u32, u32)) -> (u32, u32) {
        let area = f64::from(size.0) * f64::from(size.1);
        let side = |one: u32, other: u32| (area * f64::from(one) / f64::from(other)).sqrt().round() as u32;
        (side(self.0, self.1), side(self.1, self.0))
    }
}

impl Serialize for AspectRatio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&written(self.sides()))
    }
}

/// The shape of a size in its smallest numbers: 1344×768 is `7:4`.
pub(super) fn reduced((width, height): (u32, u32)) -> String {
    let (mut divisor, mut rest) = (width.max(1), height);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    written((width / divisor, height / divisor))
}

fn written((width, height): (u32, u32)) -> String {
    format!("{width}:{height}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_has_one_spelling() {
        for text in ["1:1", "16:9", "9:21", "99:1", "99:99"] {
            assert_eq!(AspectRatio::parse(text).map(|ratio| written(ratio.sides())).as_deref(), Some(text));
        }
        for text in [
            "", ":", "16", "16:", ":9", "16:9:1", "0:1", "1:0", "100:1", "1:100", "+16:9", "016:9", "-1:1",
            " 16:9", "16 : 9", "16x9", "16/9", "1.5:1", "square", "１:１",
        ] {
            assert_eq!(AspectRatio::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_size_in_a_shape_has_about_the_same_pixels() {
        let wide = AspectRatio(16, 9);
        assert_eq!(wide.of_area((1024, 1024)), (1365, 768));
        assert_eq!(wide.of_area((2048, 2048)), (2731, 1536));
        assert_eq!(AspectRatio(1, 1).of_area((1024, 1024)), (1024, 1024));
    }

    #[test]
    fn a_size_is_told_in_its_smallest_numbers() {
        for (size, told) in
            [((1344, 768), "7:4"), ((1024, 1024), "1:1"), ((2048, 256), "8:1"), ((7, 5), "7:5")]
        {
            assert_eq!(reduced(size), told);
        }
    }
}
