//! What a creator fails with, and what that failure says of the time after.
//!
//! | the creator returns | the lock pauses | [`ServeStale`](crate::OnError::ServeStale) |
//! |---|---|---|
//! | an `E` | as its policy says | covers the failure with the old value |
//! | [`Failure::new(e)`](Failure::new) | as its policy says | covers the failure with the old value |
//! | `….retry_after(d)` | for `d`, with a policy or without | covers the failure with the old value |
//! | `….uncovered()` | as its policy says | leaves the elected access its error |
//!
//! A creator's error needs no trait of this crate to say such things: the creator wraps it in a [`Failure`]. The trait
//! [`Cause`] covers both, an error that is `Display` and a [`Failure`] of such an error. A `Failure` is not `Display`
//! itself, which keeps the two implementations apart.
//!
//! The error type stays in the result as the creator writes it. So type inference goes as it would without a wrapper.
//! If the creator returns a `Failure<E>`, the access fails with a `CreateError<Failure<E>>`, and
//! [`CreateError::without_hints`](crate::CreateError::without_hints) makes a `CreateError<E>` of that. A `From` between
//! the two would let `?` do this. But then `?` could no longer infer an error type that only the function around it
//! names, as in `or_try_create(|| Ok(42))?`, and all such calls would cease to compile.

use crate::shared_error::SharedError;
use std::fmt::Display;
use std::time::Duration;

/// A creator's error, with what the failure says of the time after: how long the lock pauses, and whether the old value
/// may cover the failure.
///
/// A creator may return a `Failure` in place of its error, in any access. The access's error is then a
/// `CreateError<Failure<E>, G>`, and [`without_hints`](crate::CreateError::without_hints) makes the plain
/// `CreateError<E, G>` of it. Inside the creator the operator `?` turns an error into a `Failure` that says nothing.
///
/// # Examples
///
/// A server says itself when to come back (`Retry-After`, RFC 9110, section 10.2.3). Its 401 must not be hidden behind
/// a token that is no longer worth anything:
///
/// ```
/// use dogpile::{Cached, CreateError, Failure, OnError, Policy};
/// use std::{io, time::Duration};
///
/// # struct Response { status: u16, retry_after: Option<Duration>, body: String }
/// # fn post() -> io::Result<Response> {
/// #     Ok(Response { status: 503, retry_after: Some(Duration::from_secs(70)), body: "busy".into() })
/// # }
/// static POLICY: Policy = Policy::builder().on_error(OnError::ServeStale).build_const();
/// static TOKEN: Cached<String> = Cached::new(Duration::from_secs(300)).with_policy(&POLICY);
///
/// fn token() -> Result<String, CreateError<io::Error>> {
///     let token = TOKEN.get_or_try_create(|| {
///         let response = post()?; // says nothing of the time after
///         let failure = |body| Failure::new(io::Error::other(body));
///         match (response.status, response.retry_after) {
///             (200, _) => Ok(response.body),
///             (401 | 404, _) => Err(failure(response.body).uncovered()),
///             (_, Some(pause)) => Err(failure(response.body).retry_after(pause)),
///             _ => Err(failure(response.body)),
///         }
///     });
///     let token = token.map_err(CreateError::without_hints)?;
///     Ok(String::clone(&token))
/// }
///
/// assert!(matches!(token(), Err(CreateError::Failed(busy)) if busy.to_string() == "busy"));
/// assert!(matches!(token(), Err(CreateError::Paused { .. }))); // the server is not asked for 70 seconds
/// assert!(TOKEN.paused_for() > Some(Duration::from_secs(60)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Failure<E> {
    error: E,
    hints: Hints,
}

/// What a failure says of the time after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hints {
    /// How long to pause, in place of what the policy says.
    pub retry_after: Option<Duration>,
    /// Whether the old value must not cover the failure.
    pub uncovered: bool,
}

impl<E> Failure<E> {
    /// Makes a failure of an error. The failure says nothing of the time after until it is told to.
    #[must_use]
    pub const fn new(error: E) -> Self {
        Self { error, hints: Hints { retry_after: None, uncovered: false } }
    }

    /// Sets how long the lock pauses after this failure (`Retry-After`, RFC 9110, section 10.2.3, in seconds). This
    /// takes the place of what the lock's [policy](crate::PolicyBuilder::retry_after) says. It also works on a lock
    /// without a policy.
    ///
    /// The pause has nanosecond precision on the lock's own clock, and is counted from the return of the creator. Zero
    /// is no pause, even if the policy has one, and even if an earlier failure said one. `Duration::MAX` is a pause
    /// until a value is set, or until an access creates one that has no error to be [paused](crate::Access) by.
    ///
    /// In all other respects this pause is like one of the policy's. An old value is served. An access that finds no
    /// value gets [`CreateError::Paused`](crate::CreateError::Paused). A success, or a value that is
    /// [set](crate::Cached::set), ends the pause; an invalidation does not.
    ///
    /// The failure counts in a row of failures as any other. If the next failure says nothing, the lock pauses for as
    /// long as the policy's [`Backoff`](crate::Backoff) has come to, but never for less than was said here.
    #[must_use]
    pub const fn retry_after(mut self, pause: Duration) -> Self {
        self.hints.retry_after = Some(pause);
        self
    }

    /// Keeps [`OnError::ServeStale`](crate::OnError::ServeStale) from covering this failure. The access that created
    /// gets the error, although there is an old value. This is for errors such as a 401 or a 404, which RFC 5861 does
    /// not count among the errors that `stale-if-error` is for.
    ///
    /// The other accesses carry on with the old value as ever. So does an access that has handed its creation over [to
    /// the background](crate::Access::in_background). Where the value itself is no longer to be used,
    /// [invalidate](crate::Cached::invalidate) it.
    #[must_use]
    pub const fn uncovered(mut self) -> Self {
        self.hints.uncovered = true;
        self
    }

    /// Returns the error.
    #[must_use]
    pub const fn error(&self) -> &E {
        &self.error
    }

    /// Returns the error, without what the failure said of the time after.
    pub fn into_error(self) -> E {
        self.error
    }
}

/// Lets `?` in a creator turn an error into a failure that says nothing of the time after.
impl<E> From<E> for Failure<E> {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// What a creator may fail with: an error that is [`Display`], or a [`Failure`] of such an error. Accesses that hear of
/// the pause after a failure are told the cause as text ([`CreateError::Paused`](crate::CreateError::Paused)). The
/// trait is sealed.
#[diagnostic::on_unimplemented(
    message = "the error of a creator is `Display`, and `{Self}` is not",
    label = "this is neither `Display`, nor a `Failure<E>` of an `E` that is",
    note = "accesses that hear of the pause after a failure are told its cause as text: implement `Display`, or \
            `map_err` it to a `String`"
)]
pub trait Cause: HasCause {}

impl<E: HasCause> Cause for E {}

// Public only because it is a supertrait of `Cause`: this module is not public.
#[diagnostic::on_unimplemented(
    message = "the error of a creator is `Display`, and `{Self}` is not",
    label = "this is neither `Display`, nor a `Failure<E>` of an `E` that is",
    note = "accesses that hear of the pause after a failure are told its cause as text: implement `Display`, or \
            `map_err` it to a `String`"
)]
pub trait HasCause {
    /// Returns the error itself.
    fn error(&self) -> &dyn Display;

    /// Returns what the error says of the time after.
    fn hints(&self) -> Hints;

    /// Returns the error for the waiters, if they are to share it.
    fn shared(&self) -> Option<SharedError> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<E: Display> HasCause for E {
    fn error(&self) -> &dyn Display {
        self
    }

    fn hints(&self) -> Hints {
        Hints::default()
    }
}

impl<E: Display> HasCause for Failure<E> {
    fn error(&self) -> &dyn Display {
        &self.error
    }

    fn hints(&self) -> Hints {
        self.hints
    }
}

impl<E: Display> HasCause for &Failure<E> {
    fn error(&self) -> &dyn Display {
        &self.error
    }

    fn hints(&self) -> Hints {
        self.hints
    }
}

/// What a creation fails with when its creator or setter has failed with an `E`: that error, or what is
/// [shared](Sharable) of it.
pub trait Takes<E>: HasCause {
    /// Makes it of the error of the creator or setter.
    fn take(error: E) -> Self;
}

impl<E: HasCause> Takes<E> for E {
    fn take(error: E) -> E {
        error
    }
}

/// An error that the waiters share with the access that created.
#[derive(Debug)]
pub struct Sharable<E>(pub(crate) E);

impl<E: HasCause + Clone + Send + Sync + 'static> HasCause for Sharable<E> {
    fn error(&self) -> &dyn Display {
        self.0.error()
    }

    fn hints(&self) -> Hints {
        self.0.hints()
    }

    fn shared(&self) -> Option<SharedError> {
        Some(SharedError::new(self.0.clone()))
    }
}

impl<E: HasCause + Clone + Send + Sync + 'static> Takes<E> for Sharable<E> {
    fn take(error: E) -> Self {
        Self(error)
    }
}
