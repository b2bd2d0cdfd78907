//! The part that command lines share.

use std::time::Duration;

/// Parses the value of an option that is a number of seconds, fractions allowed, from `least` to `most`.
///
/// # Errors
///
/// Returns a message that says why the value is wrong.
pub fn seconds(text: &str, least: f64, most: f64) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| (least..=most).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("expected a number of seconds from {least} to {most}"))
}
