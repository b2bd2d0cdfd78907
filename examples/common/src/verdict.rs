//! The verdict on a run.

use std::fmt;

/// The verdict, line by line. Each line is a text, and whether what it says is as it must be. Printed, the verdict ends
/// with a line that sums it up.
#[derive(Clone, Debug)]
pub struct Verdict(pub Vec<(bool, String)>);

impl Verdict {
    /// Whether all lines are as they must be.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.0.iter().all(|(kept, _)| *kept)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kept, what) in &self.0 {
            writeln!(f, "{:>8}  {what}", if *kept { "ok" } else { "VIOLATED" })?;
        }
        f.write_str(if self.is_clean() { "All laws were kept." } else { "Violated: see above." })
    }
}
