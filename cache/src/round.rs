//! One access across processes, as a state machine without I/O and without a clock.
//!
//! An [`Access`] is told what happened (an [`Event`]) and answers what to do next (an [`Action`]). Its *driver* does
//! that: in a region the driver is a task of tokio, in the proof it is a model checker (`tests/round`). Both drive this
//! code.
//!
//! # The parts
//!
//! | part | what it is |
//! |---|---|
//! | [`Access`] | the state machine of one access |
//! | [`Remembered`] | what the process remembers of the key between accesses |
//! | [`Server`] | what the process remembers of the key's server: whether it is in its pause |
//! | [`Looks`] | which accesses of the process share one look |
//! | [`judge()`] | what an entry is worth, by the server's clock and life |
//! | [`Settings`], [`Waits`] | the durations of the region, and those of one access; what to do when the backend is down |
//!
//! The *local election* is not a part: it is the lock of the key, a bare turn of `dogpile::Dogpile`. The round asks of
//! it:
//!
//! - [`Action::Join`] is answered by one of three events. [`Event::Elected`]: this access has the turn.
//!   [`Event::Busy`]: another access has the turn, and this one has an old value, and waits no longer.
//!   [`Event::Shared`]: this access has waited for the one with the turn, and that one has ended with an answer to
//!   share. An access without an old value that has waited until its deadline is told [`Event::Woken`].
//! - An access with the turn that ends without an answer to share hands the turn on to one of its waiters.
//! - [`Access::turn`] says when the turn is given up earlier. An invalidation or a `set` in this process does the same
//!   to the access that has the turn. Those who wait for that access go on waiting; those who join later do not wait
//!   for it.
//!
//! # States, events, actions
//!
//! ```text
//!          ┌───────────────────────── not covered by the answer ───────────────────────────┐
//!          ▼                                                                               │
//! New ─▶ Looking ─ missing, stale ─▶ Joining ─ elected ─▶ Claiming ─ granted ─▶ Creating   │ shared
//!  │       │ ▲ ▲                        │  │                │  ▲ ▲                │        │
//!  ▼       │ │ └──────── woken ───── Waiting ◀── held ──────┤  │ │                ├─▶ Publishing ─▶ Done
//! Telling ─┼─┘                         │  ▲ └─ Subscribing ─┘  │ │                │
//!          └── fresh ──▶ Done          │  └── held ─ Looking ──┘ └ changed        └─▶ Ending ─────▶ Done
//! ```
//!
//! | state | event | the next action, and state |
//! |---|---|---|
//! | New | [`Begin`](Event::Begin) | an invalidation is untold: [`Tell`](Action::Tell), *Telling*. The backend is in its pause: *cut off*. Else [`Look`](Action::Look), *Looking* |
//! | Telling | [`Told`](Event::Told) | `Look`, *Looking* |
//! | Looking | [`Looked`](Event::Looked): fresh | [`Finish`](Action::Finish) |
//! | | `Looked`: due or stale, and the process has met another holder less than a poll ago | from `soft` on: `Finish` with the old value. Else as below |
//! | | `Looked`: due or stale, and the access has no turn | [`Join`](Action::Join), *Joining* |
//! | | `Looked`: missing, and the access has no turn | `Join`, *Joining* |
//! | | `Looked`: not fresh, and the access has the turn | by the rest: as [`Claimed`](Event::Claimed) with *held* or *paused*, but a dead holder is claimed over; else [`Claim`](Action::Claim), *Claiming* |
//! | Joining | [`Elected`](Event::Elected) | after a look, no invalidation is untold, and the backend is not in its pause: `Claim`, *Claiming*. Else as `Begin`; cut off: [`Create`](Action::Create) without a grant, *Creating* |
//! | | [`Busy`](Event::Busy) | `Finish` with the old value |
//! | | [`Woken`](Event::Woken) | the deadline is over: `Finish` |
//! | | [`Shared`](Event::Shared) | the answer covers this access: `Finish` with it. Else as `Begin` |
//! | Claiming | `Claimed`: granted | `Create`, *Creating* |
//! | | `Claimed`: changed | as `Looked` |
//! | | `Claimed`: held | with an old value, from `soft` on: `Finish` with it. Else: [`Subscribe`](Action::Subscribe), *Subscribing*; already subscribed: [`Wait`](Action::Wait), *Waiting* |
//! | | `Claimed`: paused | `Finish` with the old value, or with the pause. The pause has lasted too long: `Claim` through it |
//! | Subscribing | [`Subscribed`](Event::Subscribed) | `Look`, *Looking*: what happened before the subscription sends no signal |
//! | | [`NotSubscribed`](Event::NotSubscribed) | `Wait`, *Waiting*, by polls |
//! | Waiting | [`Woken`](Event::Woken) | with an old value, from `soft` on: `Finish` with it. The deadline is over: `Finish`. The backend is in its pause: *cut off*. Else `Look`, *Looking* |
//! | Creating | `Woken`, `creation_timeout` is over | [`End`](Action::End) without a pause, *Creating*, for the caller alone |
//! | | `Woken`, the lease is over | [`CarryOn`](Action::CarryOn), *Creating*, the turn is given up |
//! | | `Woken` | [`Renew`](Action::Renew), *Creating* |
//! | | [`Renewed`](Event::Renewed) | `CarryOn`, *Creating*; lost: the turn is given up |
//! | | [`Made`](Event::Made): a value | [`Publish`](Action::Publish), *Publishing*; without a grant, or with a lost one: `Finish` |
//! | | `Made`: failed, or not to be stored | `End`, *Ending*, with a pause if it has failed; without a grant: `Finish` |
//! | | `Made`, while an operation is under way | [`Await`](Action::Await), *Creating*, until the reply is there |
//! | Publishing | [`Published`](Event::Published) | `Finish` with the value, whatever the reply |
//! | Ending | [`Ended`](Event::Ended) | `Finish` with the value, if there is one |
//! | any | [`Failed`](Event::Failed) | before the grant: *cut off*, and a claim in doubt is [released](Access::release). Renewing: `CarryOn`. Publishing, ending: `Finish` as if refused, reason unknown |
//! | any | [`OutOfTime`](Event::OutOfTime) | as `Failed`, but the deadline is over, before the grant: `Finish` with the old value, or as timed out |
//! | any | [`Cancelled`](Event::Cancelled) | `Finish`; with a grant: `End` without a pause first; claiming: `Await`, since the claim may be granted |
//!
//! An access is *cut off* if the backend is in its pause, if its operation has failed, or if it has no time left for
//! the backend. Then it does what `on_backend_failure` says. [`Elect`](OnBackendFailure::Elect): an old value is
//! returned, without any wait; else a value that this process has created for itself a short time ago; else the pause
//! of this process, if its last creation without a grant has failed ([`Remembered::pause`]); else the access joins the
//! local election, and creates without a grant. [`OldOnly`](OnBackendFailure::OldOnly): an old value is returned, else
//! the failure. [`Fail`](OnBackendFailure::Fail): the failure.
//!
//! `Failed` alone begins the backend's pause, which belongs to a [`Server`]. An access whose time is over says nothing
//! of the backend: the others go on asking it. Nor does a subscription that fails: everything else may be answered.
//!
//! # Old values that are waited for
//!
//! An access with an old value goes on with it wherever another one would wait. If its caller has given
//! [`soft`](Waits::soft), it waits until then as if there were no old value, in the local election and for another
//! process, and goes on with the old value from then on. That is not an error, nor is the deadline one: an access with
//! an old value does not time out. A pause, and a backend that is down, are not waited for: the old value is returned
//! at once.
//!
//! # Renewals
//!
//! The caller of [`Access::renewal`] has refused a version. The driver presents an entry of that version as
//! [`Missing`](Freshness::Missing), with its state as seen: so the round claims with what was seen, waits for another's
//! creation, and does not know the refused value as an old one. What another access has found may be that value again,
//! and so may be what the process has created without the backend. A renewal takes neither. What another access has
//! created is newer: by the rule below it was claimed or published after the renewal began.
//!
//! # Light looks
//!
//! Most accesses end with their first look. So a driver may send that look before it holds anything of the key: no
//! [`Remembered`], no mark, no lock. It does so only if nobody in the process holds the key, and nothing is remembered
//! of it: so there is no invalidation that is untold. If the look finds a fresh value, the access has ended. Otherwise
//! the driver makes it now, by [`Access::light`], and tells it the reply.
//!
//! Such an access does not know which marks were given since its look was sent. So it *begins* for the rule below when
//! the reply is there: it takes less of others than it could. And what its look has shown is as of nothing: others may
//! have begun since it was sent, after an invalidation.
//!
//! # One rule for sharing
//!
//! An access gets an answer that another access of its process has found. Is the answer late enough? Each operation
//! that an access with the turn sends has a [`Mark`], and so has the beginning of each access; marks count up in the
//! process. An answer is *as of* the mark of the operation that has shown it, and it *covers* the accesses that began
//! before that mark:
//!
//! | the answer | as of |
//! |---|---|
//! | what a light look has returned | nothing: it covers nobody |
//! | the value, old value or pause that another look or a claim has returned | that look, that claim |
//! | a created value that was published | the publication |
//! | a created value that was not published, or stored as stale, or whose publication is in doubt | the claim |
//! | a created value without a grant | the beginning of the creation |
//! | what this process has created for itself before, its own pause, the failure of an access that has no time left | nothing: it covers nobody |
//!
//! The moment is that of *sending*. Between the backend's execution and the reply's arrival an invalidation can return,
//! and an access can begin after that.
//!
//! # Why the laws hold
//!
//! **G1, one creator.** (1) An access creates with a grant, or cut off; the backend has one grant of a key. (2) Two
//! accesses of one process: both need the turn. A turn that is given up early belongs to a grant that is lost, voided
//! or dead. (3) A grant follows a look at what is not fresh; what became fresh between the look and the claim differs
//! from what was seen, so the claim is answered with *changed*. (4) A holder that is claimed over: see G5, G6.
//!
//! **G2, a late holder publishes nothing.** (1) The only action that stores is `Publish`, and it names the grant. (2) A
//! refused or doubtful publication is followed by `Finish`: nothing is stored again. (3) A claim is never sent again
//! with its token. (4) A request that was doubled on its way can still be granted twice, after the first grant was
//! voided or has ended. So the backend gives each grant a number of its own
//! ([`Grant::cas`](crate::backend::Grant::cas)), and a publication names it.
//!
//! **G3, invalidation wins.** An invalidation has returned; an access begins later. Its value comes from (1) a look of
//! its own or a shared one: [`Looks`] gives it one that is not sent yet; the entry lies there after the invalidation.
//! (2) Its own creation: granted later. (3) Another access of the process: by the rule above either its look, claim or
//! publication was executed after the access began, or its grant was. An old value is as of the look that has shown it,
//! also if a later look has failed. (4) What the process has created cut off: no invalidation of another process can
//! reach it, the outcome says so ([`Outcome::Own`]), and an invalidation by this process drops it. A value whose
//! publication has failed is kept only if this process has begun no invalidation since the claim was *sent*. (5) An
//! invalidation that failed is kept in [`Remembered`] from before it is sent until it is told. An access that begins
//! meanwhile tells it first, or reads nothing of the backend. The local election has given up the turn of older
//! accesses, and an older access that is elected later tells it first, too: those who have begun meanwhile may share
//! its answer.
//!
//! **G4, no result is lost.** (1) `Made` with a value leads to `Finish` with that value by each path. (2) A waiter
//! since before the claim is covered by each of these answers, as the claim is the earliest mark they have. (But an
//! access with an old value whose `soft` is over, or whose deadline is, waits no longer.)
//!
//! **G5, every wait is bounded.** (1) `Wait` ends at a poll, at the end of the watched lease, at `soft`, or at the
//! deadline. (2) Then `Look`; a look that still sees the same token and beat after a whole lease is followed by a claim
//! over the dead. The lease is the longer one of this process's own and of what the holder had left when it was met
//! first, so that a fleet may have two leases; but no more than `creation_timeout`, whatever a backend says. A
//! tombstone is not claimed over: its time is over soon. (3) The process's memory keeps the watch, so that accesses
//! with an old value take a dead holder over, too. (4) A creation that never ends gives up its turn at
//! `creation_timeout`. (5) An operation that does not answer fails by the driver's budget.
//!
//! **G6, safety needs no clock.** (1) Publication depends on the grant alone. (2) The holder's lease is counted from
//! before the claim or renewal is sent, less the grain; the backend's begins later. So the holder knows first. (3) A
//! watcher counts a lease, no shorter than what was left of the holder's, from after the reply that first showed token
//! and beat; the holder's lease had begun before. (A claim that was doubled on its way can be granted twice. So the
//! beats of two grants differ, even if their tokens do not: the trait asks that of a backend.)
//!
//! **G8, failure frees.** (1) Failed, cancelled, timed out: `End`, with the pause in the same operation if the creator
//! has failed. That holds for a lease that is over by the holder's clock, too: the backend may have the grant still.
//! (2) A claim in doubt: its token is released. (3) A claim whose access was cancelled: a grant is ended when the reply
//! is there. (4) Killed: by G5. (5) A pause of another process is believed for
//! [`longest_pause`](Settings::longest_pause), from when this process first saw a pause of that number of failures. A
//! claim passes through what lasts longer, once that pause was seen again by the same access. After twice that time a
//! pause of the same number is taken for another one. (6) Cut off, the process pauses for itself.
//!
//! **G9, a lost lease is a lost grant.** (1) A renewal is sent at each third of the lease, so one may fail. (2) Once
//! the lease is over or lost, the turn is given up: the next access is elected.
//!
//! **G10, an empty server is a cold start.** (1) A grant names its life; the backend refuses it in another. (2)
//! [`judge()`] takes an entry of another life as stale, as nothing, or as it is, as the region says. Never as fresh but
//! by `Trust`.
//!
//! **G11, a stale value is never waited for**, unless its caller asks for that by `soft`. (1) `Join` with an old value
//! is answered by `Elected`, or by `Busy` at the time that it names. (2) `Held` with an old value: `Finish` from that
//! time on. (3) The process then sends no claim for one poll.
//!
//! # What is open
//!
//! - *Asking looks.* A driver looks without an [`Ask`](crate::backend::Ask): a granted look
//!   ([`Rest::Granted`](crate::backend::Rest::Granted)) has no owner here. It needs the turn: an access that wins a grant
//!   while another one of its process has the turn must hand the grant to that one, or both wait. And it needs the mark,
//!   and the count of invalidations, of when it was sent, which a light look does not have.

mod access;
mod event;
mod judge;
mod looks;
mod remembered;
mod server;
mod settings;

pub use access::Access;
pub use event::{Action, Answer, Event, Found, Made, Mark, Outcome, Reply, Shared, Stored, Turn};
pub use judge::{Age, Freshness, OtherLife, judge};
pub use looks::{Looks, Part};
pub use remembered::Remembered;
pub use server::Server;
pub use settings::{Context, Faults, OnBackendFailure, Settings, Time, Waits};
