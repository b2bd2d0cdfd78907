//! What the paper says of the place, beside what the server has: the laws are judged here.

use crate::history::Law;

/// The second of the server's clock; a tick of the search.
pub type Tick = u8;

/// The number of a grant or of a `set`: larger ones are newer. A value has that of its grant.
pub type Version = u8;

/// The tick of what never ends.
pub const NEVER: Tick = Tick::MAX;

/// When a lifetime is over.
pub fn end_of(from: Tick, lifetime: Option<Tick>) -> Tick {
    lifetime.map_or(NEVER, |lifetime| from + lifetime)
}

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub version: Version,
    pub is_marked: bool,
    /// Changed by each store, touch and mark.
    pub state: u8,
    pub fresh_until: Tick,
    /// When it is over.
    pub until: Tick,
}

/// A grant that is under way, or was until its lease ended, and nobody has come since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    pub version: Version,
    /// That of a stub is its CAS number.
    pub token: u64,
    pub until: Tick,
    /// Whether the lease has not begun anew since: its holder knows it by its CAS number alone.
    pub is_stub: bool,
    pub is_marked: bool,
    /// Whether such a grant was marked: its holder does not find it any more.
    pub is_orphan: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pause {
    pub failures: u8,
    pub until: Tick,
    pub marked_until: Tick,
}

/// The place by the paper, and what has happened so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Paper {
    /// It may be over.
    pub entry: Option<Entry>,
    pub holder: Option<Holder>,
    pub pause: Option<Pause>,
    /// The number of the last grant or `set`.
    pub count: Version,
    states: u8,
    /// Versions up to this were invalidated, or replaced by a `set`.
    gone: Version,
    /// Versions up to this were marked stale.
    stale: Version,
    broken: u16,
}

impl Paper {
    pub fn breaks(&mut self, law: Law) {
        self.broken |= 1 << law as u8;
    }

    pub fn keeps(&self, law: Law) -> bool {
        self.broken & (1 << law as u8) == 0
    }

    /// The grant whose lease is not over.
    pub fn live(&self, now: Tick) -> Option<Holder> {
        self.holder.filter(|holder| now < holder.until)
    }

    pub fn paused(&self, now: Tick) -> Option<Pause> {
        self.pause.filter(|pause| now < pause.until)
    }

    /// The entry, if it is not over.
    pub fn shown(&self, now: Tick) -> Option<Entry> {
        self.entry.filter(|entry| now < entry.until)
    }

    /// The state of the entry; 0 for none.
    pub fn state_at(&self, now: Tick) -> u8 {
        self.shown(now).map_or(0, |entry| entry.state)
    }

    fn state(&mut self) -> u8 {
        self.states += 1;
        self.states
    }

    /// A process was granted.
    pub fn grants(&mut self, token: u64, until: Tick, is_stub: bool) {
        self.count += 1;
        let (version, is_marked, is_orphan) = (self.count, false, false);
        self.holder = Some(Holder { version, token, until, is_stub, is_marked, is_orphan });
    }

    /// An entry was stored: of a publication, or of a change. It is fresh, and there, until then.
    pub fn stores(&mut self, version: Version, is_marked: bool, (fresh_until, until): (Tick, Tick)) {
        let state = self.state();
        self.entry = Some(Entry { version, is_marked, state, fresh_until, until });
        (self.holder, self.pause) = (None, None);
    }

    /// A holder has published.
    pub fn publishes(&mut self, version: Version, is_of_this_life: bool, ends: (Tick, Tick)) -> bool {
        let holder = self.holder.filter(|holder| holder.version == version && !holder.is_orphan);
        if holder.is_none() {
            self.breaks(Law::G2);
        }
        if !is_of_this_life {
            self.breaks(Law::G10);
        }
        let is_marked = holder.is_some_and(|holder| holder.is_marked);
        self.stores(version, is_marked, ends);
        is_marked
    }

    /// What was stored by a publication is judged by what was told of it.
    pub fn judges(&mut self, version: Version, is_marked: bool) {
        if version <= self.gone || (version <= self.stale && !is_marked) {
            self.breaks(Law::G3);
        }
    }

    pub fn invalidates(&mut self) {
        (self.entry, self.holder, self.pause) = (None, None, None);
        self.gone = self.count;
    }

    pub fn sets(&mut self, ends: (Tick, Tick)) -> Version {
        self.gone = self.count;
        self.count += 1;
        self.stores(self.count, false, ends);
        self.count
    }

    /// The entry has other bytes of the same value. Grant and pause stay.
    pub fn touches(&mut self, (fresh_until, until): (Tick, Tick)) {
        let state = self.state();
        if let Some(entry) = &mut self.entry {
            (entry.state, entry.fresh_until, entry.until) = (state, fresh_until, until);
        }
    }

    /// The place is marked; a stub is known by that CAS number from now on.
    pub fn marks(&mut self, cas: u64) {
        let state = self.state();
        if let Some(entry) = &mut self.entry {
            (entry.is_marked, entry.state) = (true, state);
        }
        if let Some(holder) = &mut self.holder {
            holder.is_marked = true;
            if holder.is_stub {
                holder.is_orphan = true;
                holder.token = cas;
            }
        }
        self.stale = self.count;
    }

    /// The item is gone, with all that it says.
    pub fn loses(&mut self) {
        (self.entry, self.holder, self.pause) = (None, None, None);
    }
}
