//! What an entry is worth.

/// What an entry is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// The entry is not expired.
    Fresh,
    /// The entry is not expired, but it is to be renewed early.
    Due,
    /// The entry is expired, or marked, or of another life, and can still be used.
    Stale,
    /// There is nothing that can be used.
    Missing,
}

/// Until when an entry is what, in milliseconds of the server's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Age {
    /// From then on the entry is due.
    pub due_at: Option<u64>,
    /// From then on the entry is stale.
    pub stale_at: u64,
    /// From then on the entry is of no use.
    pub useless_at: u64,
}

/// What an entry of another life is worth (G10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OtherLife {
    /// The entry is stale: one renewal for each key.
    #[default]
    Revalidate,
    /// The entry is nothing.
    Distrust,
    /// The entry is as it is.
    Trust,
}

/// Returns what an entry is worth at a moment of the server's clock.
#[must_use]
pub fn judge(age: Age, now: u64, is_marked: bool, is_of_this_life: bool, other: OtherLife) -> Freshness {
    if now >= age.useless_at {
        return Freshness::Missing;
    }
    match other {
        OtherLife::Distrust if !is_of_this_life => return Freshness::Missing,
        OtherLife::Revalidate if !is_of_this_life => return Freshness::Stale,
        _ => {}
    }
    if is_marked || now >= age.stale_at {
        Freshness::Stale
    } else if age.due_at.is_some_and(|due| now >= due) {
        Freshness::Due
    } else {
        Freshness::Fresh
    }
}

#[cfg(test)]
mod tests {
    use super::{Age, Freshness, OtherLife, judge};

    const AGE: Age = Age { due_at: Some(10), stale_at: 20, useless_at: 30 };

    #[test]
    fn each_time_begins_when_it_says() {
        let at = |now| judge(AGE, now, false, true, OtherLife::Revalidate);
        let (fresh, due, stale, missing) = (Freshness::Fresh, Freshness::Due, Freshness::Stale, Freshness::Missing);
        assert_eq!([9, 10, 19, 20, 29, 30].map(at), [fresh, due, due, stale, stale, missing]);
    }

    #[test]
    fn marked_is_stale_and_no_more() {
        let at = |now| judge(AGE, now, true, true, OtherLife::Distrust);
        assert_eq!([0, 15, 25, 30].map(at), [Freshness::Stale, Freshness::Stale, Freshness::Stale, Freshness::Missing]);
    }

    #[test]
    fn another_life_is_as_the_region_says() {
        let by = |other| judge(AGE, 0, false, false, other);
        assert_eq!(by(OtherLife::Revalidate), Freshness::Stale);
        assert_eq!(by(OtherLife::Distrust), Freshness::Missing);
        assert_eq!(by(OtherLife::Trust), Freshness::Fresh);
    }
}
