//! A job that keeps a thread of a pool.

use dogpile::Job;
use std::sync::mpsc;

/// A job that says that it has begun, and waits until it is let go.
pub fn held() -> (Job, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let ((begun, begins), (let_go, goes)) = (mpsc::channel(), mpsc::channel::<()>());
    let job = move || {
        begun.send(()).unwrap();
        goes.recv().unwrap_or(());
    };
    (Box::new(job), begins, let_go)
}
