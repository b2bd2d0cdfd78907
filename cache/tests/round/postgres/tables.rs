//! The rows of one place, and what they are to the paper.

use crate::server::{Data, Entry, Pause, Rest, Rules, Tick, Version};

/// The row of the table `place`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    pub life: u8,
    /// 0 is null: the row has no grant.
    pub token: u64,
    /// The number of the grant; of a tombstone, its length.
    pub number: Version,
    pub beat: u32,
    pub is_void: bool,
    pub is_marked: bool,
    pub until: Tick,
    pub failures: u8,
    pub pause_ends: Tick,
    pub pause_until: Tick,
}

impl Row {
    /// `is_grant`: whether the row has a grant of that life, or its tombstone.
    pub fn is_grant(&self, life: u8, now: Tick) -> bool {
        let is_in_time = self.until > now;
        let is_before_its_end = !self.is_void || self.until <= now + self.number;
        self.token != 0 && self.life == life && is_in_time && is_before_its_end
    }

    pub fn is_paused(&self, now: Tick) -> bool {
        self.pause_until > now
    }

    /// The row without its grant: the pause stays.
    pub fn without_its_grant(self) -> Row {
        Row { token: 0, ..self }
    }
}

/// What was committed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tables {
    pub place: Option<Row>,
    /// (The state of the paper's entry is the version of the row.)
    pub entry: Option<Entry>,
    /// Whether there is a row of `waiter`.
    pub is_waited_for: bool,
    /// The row of `life`, and what else a life is made of.
    pub life: u8,
}

impl Tables {
    pub const EMPTY: Tables = Tables { place: None, entry: None, is_waited_for: false, life: 1 };

    /// The refinement mapping: what the rows are to the paper, in that life. What is over is nothing.
    pub fn data(&self, now: Tick, rules: &Rules) -> Data {
        let life = self.life;
        let rest = match self.place.filter(|row| row.is_grant(life, now)) {
            None => Rest::Free,
            Some(Row { token, beat, until, is_void: true, .. }) => {
                Rest::Tombstone { token, beat, at: until.saturating_sub(rules.void_pause), until }
            }
            Some(Row { token, number, beat, until, is_marked, .. }) => {
                let at = until.saturating_sub(rules.lease);
                Rest::Granted { number, token, beat, at, until, is_marked, life, failures: 0 }
            }
        };
        let pause = self
            .place
            .filter(|row| row.is_paused(now))
            .map(|row| Pause { failures: row.failures, until: if row.pause_ends > now { row.pause_ends } else { 0 } });
        Data { entry: self.entry, rest, pause: pause.filter(|pause| pause.failures > 0) }
    }
}
