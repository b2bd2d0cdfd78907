//! `set`, `mark` and `invalidate`, once the place is locked, and its rows.

use crate::postgres::run::Run;
use crate::postgres::statements::At;
use crate::postgres::tables::Row;
use crate::server::Entry;

impl Run<'_> {
    /// (`set_if` would compare what was seen here.)
    pub fn set(&mut self) {
        self.go(At::PutTake);
    }

    pub fn mark(&mut self) {
        match self.me.at {
            At::MarkSee => self.go(At::MarkEntry),
            At::MarkEntry => {
                let state = self.draw() * 2 + 1;
                if let Some(entry) = self.entry() {
                    self.write_entry(Some(Entry { is_marked: true, state, ..entry }));
                }
                self.go(At::MarkPlace);
            }
            _ => {
                if self.place().is_some_and(|row| row.token != 0) {
                    self.update_place(|row| Row { is_marked: true, ..row });
                }
                self.go(At::IsAwaited);
            }
        }
    }

    pub fn invalidate(&mut self) {
        if self.me.at == At::InvalidateSee {
            return self.go(At::InvalidateDelete);
        }
        if self.entry().is_some() {
            self.write_entry(None);
        }
        self.go(At::VoidRead);
    }
}
