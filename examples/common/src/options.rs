//! What command lines have in common.

use std::time::Duration;

/// The value of an option that is a number of seconds, fractions allowed, from `least` to `most`.
///
/// # Errors
///
/// What is wrong with it, in words.
pub fn seconds(text: &str, least: f64, most: f64) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| (least..=most).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("expected a number of seconds from {least} to {most}"))
}
