//! An access that waits for no other one: it goes up to its creator, to its end, or to where it would wait.

use super::{Flow, Halt, Many};
use crate::drive::Drive;
use crate::region::error::GetError;
use crate::region::kept::Got;
use crate::round::Action;
use crate::slot::Value;
use std::hash::Hash;
use std::ops::ControlFlow;
use std::time::Duration;

/// Where an access has come to that waits for no other one.
pub(crate) enum Reached<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> {
    Value(Got<V>),
    /// The access is elected.
    Create(Box<Drive<O, V>>, Duration),
    /// There is nothing to be served, and another access creates, or none may for a while.
    Nothing,
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Reached<O, V> {
    /// Of an access that would wait, nothing is left: its turn goes to the next.
    fn of(halt: Result<Halt<V>, GetError>, drive: Option<Box<Drive<O, V>>>) -> Result<Reached<O, V>, GetError> {
        Ok(match (halt, drive) {
            (Ok(Halt::Creates { wake }), Some(drive)) => Reached::Create(drive, wake),
            (Ok(Halt::Ended(Some(got))), _) => Reached::Value(got),
            (Ok(_) | Err(GetError::Paused { .. }), _) => Reached::Nothing,
            (Err(error), _) => return Err(error),
        })
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Drive<O, V> {
    /// Goes on from an action, and waits for no other access.
    pub(crate) async fn at_once(mut self: Box<Self>, mut action: Action<Value<V>>) -> Result<Reached<O, V>, GetError> {
        loop {
            match self.go(action).await {
                Ok(Halt::Looks) => match self.one(Action::Look).await {
                    ControlFlow::Continue(event) => action = self.run.step(event),
                    ControlFlow::Break(_) => unreachable!("a look ends no access"),
                },
                halt => return Reached::of(halt, Some(self)),
            }
        }
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Many<O, V> {
    /// Brings each access up to its creator, to its end, or to where it would wait for another one. Returns the first
    /// error of any key, or what each has reached, in the order of the keys.
    pub(crate) async fn at_once(mut self) -> Result<Vec<Reached<O, V>>, GetError> {
        let mut flow = Flow::new();
        self.take_up(&mut flow);
        loop {
            while let Some(mut gone) = self.gone(&mut flow).await {
                // It is no error of the call.
                if let Err(GetError::Paused { .. }) = gone.halt {
                    gone.halt = Ok(Halt::Ended(None));
                }
                self.halted(gone);
            }
            if !self.ones.iter().any(|one| matches!(one.halt, Halt::Looks)) {
                break;
            }
            self.look(&mut flow).await;
        }
        if let Some(error) = self.take_error() {
            return Err(error);
        }
        self.ones.into_iter().map(|one| Reached::of(Ok(one.halt), one.drive)).collect()
    }
}
