//! The job that a runner is given: it runs a creation.

use crate::panics::quietly;
use crate::runner::Job;

/// Makes a job that runs the creation. If the creation is dead before the job begins, the job runs nothing, since
/// another access was elected in its place while it waited. The job does not panic.
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
    // A panic could leave only the creation half-done, and gives it up. (A model is to see its panics.)
    if cfg!(dogpile_loom) { Box::new(run) } else { Box::new(|| quietly(run)) }
}
