//! What happens to the server.

use super::{Kind, World};
use crate::memcached::client::{LEASE, SHAPE, entry, moment, stored};
use crate::memcached::paper::{Tick, Version, end_of};
use crate::memcached::store::Store;
use bytes::Bytes;
use dogpile_cache::backend::Change;
use dogpile_cache::backend::memcached::command::{Command, Only, Reply, Slot, Ttl};
use dogpile_cache::backend::memcached::steps::{Changing, Run, Step};
use std::num::NonZeroU32;
use std::time::Duration;

impl World {
    /// Something happens to the server, or another client does something there.
    pub fn happens(&mut self, kind: Kind) {
        let now = u64::from(self.now);
        let mut send = |command| self.store.execute(Slot::Entry, &command, now);
        match kind {
            Kind::Invalidate => {
                send(Command::Delete { cas: None });
                self.paper.invalidates();
            }
            Kind::Set => self.sets(),
            Kind::Mark => {
                send(Command::Mark);
                let cas = self.store.item(Slot::Entry).map_or(0, |item| item.cas);
                self.paper.marks(cas);
            }
            Kind::Evict => {
                self.store.evict(Slot::Entry);
                self.paper.loses();
            }
            Kind::Restart => self.restarts(),
            Kind::Slow => self.tick(),
            Kind::Peek => drop(send(Command::Get { win: None })),
            Kind::Win => {
                let reply = send(Command::Get { win: NonZeroU32::new(LEASE.into()) });
                if let Reply::Value { cas, has_won: true, is_stale: false, .. } = reply {
                    self.paper.grants(cas, self.now + LEASE, true);
                }
            }
            Kind::Junk => {
                let (head, body) = (Bytes::new(), Bytes::from_static(b"none of ours"));
                send(Command::Store { head, body, note: 0, ttl: Ttl::ForEver, only: Only::Always });
                self.paper.loses();
            }
            Kind::Persist => {
                self.store.persist(Slot::Entry);
                if let Some(holder) = self.paper.holder.as_mut().filter(|holder| holder.is_stub) {
                    holder.until = Tick::MAX;
                }
            }
            _ => unreachable!("{kind:?} is none of the server"),
        }
    }

    pub fn sets(&mut self) {
        let version: Version = self.paper.count + 1;
        let change = Change::Set { entry: entry(version, self.now, self.lifetime), void_pause: Duration::ZERO };
        let mut run = Changing::new(SHAPE, change);
        let step = run.begin(moment(self.now, self.life));
        let Step::Ask(requests) = step else { unreachable!("a set asks") };
        for request in requests {
            self.store.execute(request.slot, &request.command, self.now.into());
            if let Some(bytes) = stored(&request.command) {
                self.paper.sets((bytes[1], end_of(self.now, self.lifetime)));
            }
        }
    }

    /// The server begins another life: each connection is made anew, and what was sent on the old ones is lost.
    pub fn restarts(&mut self) {
        self.store = Store::default();
        self.life += 1;
        self.paper.loses();
        self.ghosts.clear();
        for c in 0..self.clients.len() {
            self.fails(c);
        }
    }

    pub fn may(&self, kind: Kind) -> bool {
        let item = self.store.item(Slot::Entry);
        match kind {
            Kind::Evict | Kind::Mark | Kind::Peek => item.is_some(),
            Kind::Win => item.is_none(),
            Kind::Persist => item.is_some_and(|item| item.until.is_some()),
            _ => true,
        }
    }
}
