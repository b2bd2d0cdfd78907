//! What is said after a run.

use std::fmt;

/// The verdict, line by line: whether it is as it must be, and what. As text it ends with a line that sums it up.
#[derive(Clone, Debug)]
pub struct Verdict(pub Vec<(bool, String)>);

impl Verdict {
    /// Whether all is as it must be.
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
