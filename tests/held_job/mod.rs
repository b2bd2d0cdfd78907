//! A job that keeps a thread of a pool.

use dogpile::Job;
use std::sync::mpsc;

/// Returns a job that tells that it has begun, and then waits until it is told to go on.
pub fn held() -> (Job, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let ((begun, begins), (let_go, goes)) = (mpsc::channel(), mpsc::channel::<()>());
    let job = move || {
        begun.send(()).unwrap();
        goes.recv().unwrap_or(());
    };
    (Box::new(job), begins, let_go)
}
