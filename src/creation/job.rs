//! What a runner is given: a job that runs a creation.

use crate::panics::quietly;
use crate::runner::Job;

/// A job that runs that creation, unless it is dead by then: what was replaced while it waited has nobody to create
/// for. It does not panic.
pub(crate) fn job<N: Send + 'static>(
    creation: N,
    is_dead: fn(&N) -> bool,
    run: impl FnOnce(N) + Send + 'static,
) -> Job {
    let run = move || {
        if !is_dead(&creation) {
            run(creation);
        }
    };
    // What a panic could leave half-done is the creation, which it gives up. (A model is to see its panics.)
    if cfg!(dogpile_loom) { Box::new(run) } else { Box::new(|| quietly(run)) }
}
