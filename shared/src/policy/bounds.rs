//! Which fields a request has, and what they may be at most and must be at least: for the parser, for the description of
//! the interface, and for `docs/reference/bounds.md`, by which the tests of the database check that SQL has the same
//! bounds in the same units. The model's own limits come later and are narrower.

use std::ops::RangeInclusive;

/// The largest body that is read, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// The longest prompt, in characters.
pub const MAX_PROMPT_CHARS: usize = 4_000;
/// The longest name of a model, a version or a style, in characters.
pub const MAX_NAME_CHARS: usize = 200;
/// The longest spelling of an id, in characters.
pub const MAX_ID_CHARS: usize = 100;
/// The longest spelling of a point in time, in characters.
pub const MAX_TIME_CHARS: usize = 40;
/// The longest idempotency key, in bytes, which are visible ASCII characters.
pub const MAX_KEY_BYTES: usize = 255;
/// The most images that one request asks for.
pub const MAX_BATCH: usize = 10;
/// How many images of one prompt.
pub const NUM_IMAGES: RangeInclusive<i64> = 1..=MAX_BATCH as i64;
/// Width and height in pixels.
pub const SIDE: RangeInclusive<i64> = 16..=8_192;
/// Denoising steps.
pub const STEPS: RangeInclusive<i64> = 1..=500;
/// Weight of the prompt.
pub const GUIDANCE: RangeInclusive<f64> = 0.0..=100.0;
/// Seeds.
pub const SEED: RangeInclusive<i64> = 0..=u32::MAX as i64;
/// How much of a source image is changed.
pub const STRENGTH: RangeInclusive<f64> = 0.0..=1.0;
/// How many times as wide and as high as its source an image is made.
pub const SCALE: RangeInclusive<f64> = 1.0..=10.0;
/// Seconds until a request that was not started lapses.
pub const EXPIRES_IN: RangeInclusive<i64> = 1..=30 * 24 * 3_600;
/// The longest text that prompts of a list are searched for, in characters.
pub const MAX_SEARCH_CHARS: usize = 200;
/// The most images that one request marks.
pub const MAX_MARKED: usize = 100;

/// The words of `operation`.
pub const OPERATIONS: [&str; 5] = ["generate", "variation", "edit", "upscale", "remove_background"];
/// The words of `output_format`.
pub const OUTPUT_FORMATS: [&str; 4] = ["webp", "png", "jpg", "svg"];
/// The words of `priority`.
pub const PRIORITIES: [&str; 3] = ["low", "normal", "high"];

/// The fields of a start that say what is to be painted.
pub const PROMPTS: [&str; 2] = ["prompt", "prompts"];

/// The fields of a start besides.
pub const SETTINGS: [&str; 24] = [
    "num_images",
    "model_id",
    "model_version",
    "negative_prompt",
    "width",
    "height",
    "aspect_ratio",
    "output_format",
    "num_inference_steps",
    "guidance_scale",
    "seed",
    "source_image_url",
    "source_generation_id",
    "source_id",
    "sources",
    "mask",
    "strength",
    "scale",
    "style",
    "operation",
    "priority",
    "scheduled_at",
    "expires_in",
    "webhook_url",
];

/// The ways to name a source image or a mask, of which each has one.
pub const SOURCE: [&str; 3] = ["source_image_url", "source_generation_id", "source_id"];

/// The field of a start that a server of the app's sends, beside the others.
pub const SERVERS: [&str; 1] = ["user_id"];

/// Names of fields and of parameters, and those that other APIs have for the same, in small letters with nothing between
/// them.
pub const OTHER_NAMES: [(&str, &str); 26] = [
    ("prompt", "text caption inputs"),
    ("num_images", "n count numoutputs numimagesperprompt numberofimages numsamples samples batchsize"),
    ("model_id", "model modelname"),
    ("model_version", "version"),
    ("negative_prompt", "negative negprompt undesired"),
    ("width and height", "size imagesize resolution dimensions"),
    ("aspect_ratio", "ratio aspect imageratio"),
    ("output_format", "format fileformat imageformat outputtype"),
    ("num_inference_steps", "steps numsteps inferencesteps samplingsteps"),
    ("guidance_scale", "guidance cfg cfgscale promptguidance"),
    ("source_image_url", "image imageurl initimage inputimage imageprompt sourceimage url"),
    ("sources", "images imageurls inputimages imageinput referenceimages sourceimages"),
    ("mask", "maskimage maskurl maskimageurl inpaintmask"),
    ("scale", "scalefactor upscale upscalefactor factor"),
    ("strength", "promptstrength imagestrength imagepromptstrength denoise denoisingstrength"),
    ("style", "stylepreset styletype"),
    ("scheduled_at", "delay runat startat schedule"),
    ("expires_in", "ttl timeout expiresat"),
    ("webhook_url", "webhook webhooks callback callbackurl"),
    ("q", "prompt search query text"),
    ("favorite", "isfavorite isfavourite favorites favourites starred"),
    ("limit", "n count pagesize perpage size take"),
    ("cursor", "page offset skip after before next nextcursor"),
    ("created_after", "from since after startdate"),
    ("created_before", "to until before enddate"),
    ("since", "cursor seq lasteventid after"),
];

/// Names that stand for no field, and what to do instead.
pub const NO_FIELDS: [(&str, &str); 2] = [
    ("Send it as the header Idempotency-Key.", "idempotencykey"),
    ("It is not available: each model has its own.", "scheduler sampler samplername"),
];
