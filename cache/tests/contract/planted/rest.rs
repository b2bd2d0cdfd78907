//! Grants and pauses that are wrong.

use super::Fault;
use super::wrong::{Result, Wrong, two_steps};
use dogpile_cache::backend::{
    Backend, Change, Claim, Claimed, Ended, Entry, Grant, HeldBy, Over, PauseFor, Published, Refusal, Renewed, Rest,
    Token,
};
use dogpile_cache::key::StoredKey;
use std::time::Duration;

impl Wrong {
    pub async fn claim_wrong(&self, key: &StoredKey, mut claim: Claim) -> Result<Claimed> {
        let token = claim.token;
        let there = self.there(key).await?;
        match self.fault {
            Fault::AClaimIgnoresWhatWasSeen => claim.seen = None,
            Fault::AClaimPassesOverAnyone => claim.over = Over::Anyone,
            Fault::AClaimPassesThroughPauses => claim.through_pause = true,
            Fault::NoClaimPassesThroughAPause => claim.through_pause = false,
            Fault::NoClaimPassesOverTheDead if matches!(claim.over, Over::Dead(..)) => claim.over = Over::Nobody,
            Fault::NoClaimPassesOverAnyone if claim.over == Over::Anyone => claim.over = Over::Nobody,
            Fault::ATakeoverIgnoresWhatWasSeen if claim.over != Over::Nobody => claim.seen = None,
            Fault::LeasesNeverEnd => claim.lease = Duration::MAX,
            Fault::LeasesEndEarly => claim.lease /= 2,
            Fault::TokensAreTimes => claim.token = Token(there.now),
            _ => {}
        }
        if let Some(Rest::Held(by)) = there.rest {
            let dead = match claim.over {
                Over::Dead(token, _) if token == by.token => self.has(Fault::ATakeoverAsksForNoBeat),
                Over::Dead(..) => self.has(Fault::ATakeoverAsksForNoToken),
                _ => false,
            };
            let voided = by.is_void && self.has(Fault::AClaimPassesOverTheTombstone);
            if voided || dead && !by.is_void {
                claim.over = Over::Anyone;
            }
            if by.token == token && !by.is_void {
                match self.fault {
                    Fault::ASecondClaimIsHeld => return Ok(Claimed::Held(by)),
                    Fault::ASecondClaimIsAnotherGrant => {
                        (claim.token, claim.over) = (Token::random(), Over::Anyone);
                    }
                    _ => {}
                }
            }
        }
        match self.fault {
            Fault::AClaimIsTwoSteps
                if matches!(there.rest, Some(Rest::Free))
                    && claim.seen.as_ref().is_none_or(|seen| *seen == there.seen) =>
            {
                two_steps();
                (claim.seen, claim.over) = (None, Over::Anyone);
            }
            Fault::ATakeoverIsTwoSteps => {
                if let (Over::Dead(token, beat), Some(Rest::Held(by))) = (claim.over, there.rest)
                    && (token, beat) == (by.token, by.beat)
                {
                    two_steps();
                    claim.over = Over::Anyone;
                }
            }
            Fault::OneGrantForAllKeys => {
                let other = self.known().granted.clone().filter(|other| other.place() != key.place());
                if let Some(other) = other
                    && let Some(Rest::Held(by)) = self.there(&other).await?.rest
                {
                    return Ok(Claimed::Held(by));
                }
            }
            Fault::APauseIsThatOfAllKeys if !claim.through_pause => {
                let other = self.known().granted.clone();
                if let Some(other) = other
                    && let Some(Rest::Paused(pause)) = self.there(&other).await?.rest
                {
                    return Ok(Claimed::Paused(pause));
                }
            }
            _ => {}
        }
        let ends = there.now + u64::try_from(claim.lease.as_millis()).unwrap_or(u64::MAX / 2);
        Ok(match self.memory.claim(key, claim).await? {
            Claimed::Granted { grant, failures } => {
                if self.has(Fault::AClaimDeletesTheOldValue) {
                    self.memory.lose_entry(key);
                }
                let mut known = self.known();
                known.numbers.insert(grant.token, grant.cas);
                known.leases.insert(token, ends);
                if self.has(Fault::OneGrantForAllKeys) {
                    known.granted = Some(key.clone());
                }
                let failures = if self.has(Fault::FailuresAreForgotten) { 0 } else { failures };
                Claimed::Granted { grant, failures }
            }
            Claimed::Held(by) if self.has(Fault::ASecondClaimKeepsTheBeat) => Claimed::Held(HeldBy { beat: 0, ..by }),
            Claimed::Held(by) if self.has(Fault::BeatsBeginAnew) => {
                let number = self.known().numbers.get(&by.token).copied().unwrap_or(0);
                let beat = by.beat.wrapping_sub(u32::try_from(number).unwrap());
                Claimed::Held(HeldBy { beat, ..by })
            }
            other => other,
        })
    }

    pub async fn renew_wrong(&self, key: &StoredKey, mut grant: Grant, lease: Duration) -> Result<Renewed> {
        let holder = self.holder(key).await?;
        match self.fault {
            Fault::ARenewalDoesNothing if holder == Some(grant.token) => return Ok(Renewed::Yes(grant)),
            Fault::AnyoneRenews => {
                grant.token = holder.unwrap_or(grant.token);
                grant.cas = self.known().numbers.get(&grant.token).copied().unwrap_or(grant.cas);
            }
            _ => {}
        }
        let lease = match self.fault {
            Fault::LeasesNeverEnd => Duration::MAX,
            Fault::LeasesEndEarly => lease / 2,
            _ => lease,
        };
        self.memory.renew(key, &grant, lease).await
    }

    pub async fn publish_wrong(&self, key: &StoredKey, mut grant: Grant, entry: Entry) -> Result<Published> {
        if self.has(Fault::PublishesInAnyLife) {
            grant.life = self.memory.life();
        }
        if self.has(Fault::PublishesByTheTokenAlone)
            && let Some(number) = self.known().numbers.get(&grant.token)
        {
            grant.cas = *number;
        }
        let (now, was_marked) = (self.there(key).await?.now, self.known().marked.remove(key.place()));
        let published = self.memory.publish(key, &grant, entry.clone()).await?;
        match (self.fault, published) {
            (Fault::AnyonePublishes, Published::Refused(_)) | (Fault::APublicationForgetsTheMark, Published::Stale) => {
                self.set(key, entry).await?;
                return Ok(Published::Fresh);
            }
            (Fault::PublishesByItsClock, Published::Refused(_)) => {
                let ends = self.known().leases.get(&grant.token).copied();
                if ends.is_some_and(|ends| now < ends) {
                    self.set(key, entry).await?;
                    return Ok(Published::Fresh);
                }
            }
            (Fault::PublishesAgain, Published::Refused(Refusal::Gone)) => {
                let nothing = dogpile_cache::backend::Seen::NOTHING;
                let change = Change::SetIf { entry, seen: nothing, void_pause: Duration::ZERO };
                self.memory.change(key, change).await?;
                return Ok(Published::Fresh);
            }
            (Fault::PublishesTwice, Published::Fresh) => drop(self.grant_again(key, grant.token).await?),
            (Fault::APublicationKeepsThePause, Published::Fresh) => self.pause_again(key).await?,
            (Fault::ARefusalLeavesTheTombstone, Published::Refused(Refusal::Voided)) => {
                self.bury_again(key, grant.token).await?;
            }
            (Fault::AMarkIsRemembered, Published::Fresh) if was_marked => {
                self.memory.change(key, Change::MarkStale { beside: Vec::new() }).await?;
                return Ok(Published::Stale);
            }
            _ => {}
        }
        Ok(published)
    }

    /// Makes a tombstone, again.
    pub async fn bury_again(&self, key: &StoredKey, token: Token) -> Result<()> {
        let entry = self.there(key).await?.entry;
        self.grant_again(key, token).await?;
        let void_pause = Duration::from_secs(1000);
        self.memory.change(key, Change::Invalidate { beside: Vec::new(), void_pause }).await?;
        if let Some(bytes) = entry {
            self.set(key, Entry { bytes, lifetime: None }).await?;
        }
        Ok(())
    }

    pub async fn end_wrong(&self, key: &StoredKey, mut grant: Grant, pause: Option<PauseFor>) -> Result<Ended> {
        let mut given = pause;
        match (self.fault, pause) {
            (Fault::AnyoneEnds, _) => {
                (grant.token, grant.cas) = (self.holder(key).await?.unwrap_or(grant.token), 0);
            }
            (Fault::AnEndAsksForTheNumber, _) if grant.cas == 0 => grant.cas = u64::MAX,
            (Fault::APauseIsForgotten | Fault::APauseIsSetLater, Some(_)) => given = None,
            _ => {}
        }
        let ended = self.memory.end(key, &grant, given).await?;
        match (self.fault, ended) {
            (Fault::APauseIsSetLater, Ended::Yes) => {
                self.known().later = pause.map(|pause| (key.clone(), pause, false));
            }
            (Fault::APauseIsThatOfAllKeys, Ended::Yes) if pause.is_some() => self.known().granted = Some(key.clone()),
            (Fault::AnEndLeavesTheTombstone, Ended::Lost(Refusal::Voided)) => self.bury_again(key, grant.token).await?,
            (Fault::TheVoidedPause, Ended::Lost(Refusal::Voided)) if pause.is_some() => {
                let grant = self.grant_again(key, Token::random()).await?;
                self.memory.end(key, &grant, pause).await?;
            }
            (Fault::ADropClearsThePause, Ended::Yes) if pause.is_none() => self.memory.lose_rest(key),
            (Fault::APauseOfZeroClears, Ended::Yes) if pause.is_some_and(|pause| pause.pause.is_zero()) => {
                self.memory.lose_rest(key);
            }
            (Fault::AnEndLeavesSomething, Ended::Yes) => {
                let count = dogpile_cache::backend::Count::Add { delta: 1, ceiling: u64::MAX, lifetime: None };
                self.memory.count(&super::entries::beside(key, "lock"), count).await?;
            }
            _ => {}
        }
        let was_beneath = self.known().beneath.remove(&grant.token);
        if was_beneath {
            self.pause_again(key).await?;
        }
        if ended == Ended::Yes
            && let Some(pause) = pause
        {
            self.known().pauses.insert(key.place().to_owned(), pause);
        }
        Ok(ended)
    }
}
