//! Counters that are wrong.

use super::Fault;
use super::entries::beside;
use super::wrong::{Result, Wrong, two_steps};
use crate::ground::SHAPE;
use dogpile_cache::backend::{Backend, Count, Counted};
use dogpile_cache::key::StoredKey;
use std::time::Duration;

const LARGEST: u64 = i64::MAX.unsigned_abs();

fn add(delta: i64, lifetime: Option<Duration>) -> Count {
    Count::Add { delta, ceiling: u64::MAX, lifetime }
}

impl Wrong {
    async fn value(&self, key: &StoredKey) -> Result<u64> {
        match self.memory.count(key, Count::Get).await? {
            Counted::Now(value) | Counted::TooLarge(value) => Ok(value),
        }
    }

    /// Writes a value, with a lifetime that begins now.
    async fn write(&self, key: &StoredKey, value: u64, lifetime: Option<Duration>) -> Result<Counted> {
        self.memory.count(key, Count::Reset).await?;
        self.memory.count(key, add(value.try_into().unwrap(), lifetime)).await
    }

    pub async fn count_wrong(&self, key: &StoredKey, count: Count) -> Result<Counted> {
        if self.has(Fault::CountersHaveShapes) && key.shape() != SHAPE {
            return self.memory.count(&beside(key, "shape"), count).await;
        }
        if self.has(Fault::AResetKeepsTheLifetime) && count == Count::Reset {
            return self.memory.count(key, add(i64::MIN, None)).await;
        }
        let Count::Add { delta, ceiling, lifetime } = count else {
            if count == Count::Reset {
                self.known().counters.remove(key.place());
            }
            return self.memory.count(key, count).await;
        };
        let value = self.value(key).await?;
        let sum = value.saturating_add_signed(delta);
        let is_too_large = delta > 0 && sum > ceiling.min(LARGEST);
        match self.fault {
            Fault::CountsMoveTheLifetime if value > 0 && !is_too_large => return self.write(key, sum, lifetime).await,
            Fault::CountsLoseTheLifetime if value > 0 && !is_too_large => return self.write(key, sum, None).await,
            Fault::CountsAreReadAndWritten if !is_too_large => {
                two_steps();
                return self.write(key, sum, lifetime).await;
            }
            Fault::CountsReviveWhatIsOver if !is_too_large => {
                let was = if value == 0 { self.known().counters.get(key.place()).copied().unwrap_or(0) } else { 0 };
                let was = i64::try_from(was).unwrap();
                let counted = self.memory.count(key, add(delta.saturating_add(was), lifetime)).await?;
                if let Counted::Now(value) = counted {
                    self.known().counters.insert(key.place().to_owned(), value);
                }
                return Ok(counted);
            }
            Fault::TheFloorRefuses if delta < 0 && value < delta.unsigned_abs() => return Ok(Counted::Now(value)),
            Fault::AnOverflowWraps if delta > 0 && sum > LARGEST => {
                self.memory.count(key, Count::Reset).await?;
                return Ok(Counted::Now(0));
            }
            Fault::TheCeilingCuts if is_too_large => {
                let up = i64::try_from(ceiling.min(LARGEST).saturating_sub(value)).unwrap();
                return self.memory.count(key, add(up, lifetime)).await;
            }
            Fault::TheCeilingBindsSubtractions if sum > ceiling.min(LARGEST) => return Ok(Counted::TooLarge(value)),
            Fault::TheCeilingIsAskedBefore if !is_too_large => {
                two_steps();
                return self.memory.count(key, add(delta, lifetime)).await;
            }
            Fault::SubtractionsCreate if delta <= 0 => {
                self.memory.count(key, add(1, lifetime)).await?;
                self.memory.count(key, add(-1, lifetime)).await?;
            }
            _ => {}
        }
        let counted = self.memory.count(key, count).await?;
        if self.has(Fault::ZeroIsMissing) && counted == Counted::Now(0) {
            self.memory.count(key, Count::Reset).await?;
        }
        Ok(counted)
    }
}
