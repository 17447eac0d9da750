//! What a still image is made of, by the names of SVG 2,
//! <https://www.w3.org/TR/SVG2/eltindex.html>. Left out: scripts, `foreignObject`, animation (which can set
//! any attribute), sound and film.

/// Elements that may be there.
pub(super) const ELEMENTS: &[&str] = &[
    "a",
    "circle",
    "clipPath",
    "defs",
    "desc",
    "ellipse",
    "feBlend",
    "feColorMatrix",
    "feComponentTransfer",
    "feComposite",
    "feConvolveMatrix",
    "feDiffuseLighting",
    "feDisplacementMap",
    "feDistantLight",
    "feDropShadow",
    "feFlood",
    "feFuncA",
    "feFuncB",
    "feFuncG",
    "feFuncR",
    "feGaussianBlur",
    "feImage",
    "feMerge",
    "feMergeNode",
    "feMorphology",
    "feOffset",
    "fePointLight",
    "feSpecularLighting",
    "feSpotLight",
    "feTile",
    "feTurbulence",
    "filter",
    "g",
    "image",
    "line",
    "linearGradient",
    "marker",
    "mask",
    "metadata",
    "path",
    "pattern",
    "polygon",
    "polyline",
    "radialGradient",
    "rect",
    "stop",
    "style",
    "svg",
    "switch",
    "symbol",
    "text",
    "textPath",
    "title",
    "tspan",
    "use",
    "view",
];

/// Data that may be embedded: bitmaps and fonts, none of which can contain a script.
pub(super) const DATA: &[&str] = &[
    "data:image/png;base64,",
    "data:image/jpeg;base64,",
    "data:image/jpg;base64,",
    "data:image/gif;base64,",
    "data:image/webp;base64,",
    "data:font/woff;base64,",
    "data:font/woff2;base64,",
    "data:font/ttf;base64,",
    "data:font/otf;base64,",
    "data:application/font-woff;base64,",
    "data:application/font-woff2;base64,",
];

/// What style sheets must not contain: other files, and old ways to run scripts.
pub(super) const CSS: &[&str] =
    &["@import", "image-set(", "src(", "image(", "expression(", "-moz-binding", "behavior:", "\\"];

/// The namespace of SVG.
pub(super) const SVG: &str = "http://www.w3.org/2000/svg";
/// The namespace of HTML, whose elements an XML document may contain.
pub(super) const XHTML: &str = "http://www.w3.org/1999/xhtml";
