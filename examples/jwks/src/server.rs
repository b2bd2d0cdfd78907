//! The HTTP server: serves the key set, rotates its keys, fails now and then, and counts what it sees.

use crate::key_set::{self, KeySet};
use crate::options::Options;
use crate::random::Random;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tiny_http::{Header, Request, Response};

/// So many requests it can have in hand: enough to see them come at once.
const WORKERS: usize = 16;

/// The server. It runs until the process ends.
pub struct Server {
    http: tiny_http::Server,
    address: SocketAddr,
    options: Options,
    edition: AtomicU64,
    seen: Mutex<Seen>,
}

/// What it has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Requests.
    pub requests: u64,
    /// Answered with the key set: 200.
    pub sent: u64,
    /// Answered that it has not changed: 304.
    pub unchanged: u64,
    /// Failed: 500 or 503.
    pub failed: u64,
    /// The most requests that it had in hand at a time.
    pub most_at_once: u64,
    in_hand: u64,
}

impl Seen {
    /// Requests that did not fail.
    pub fn answered(&self) -> u64 {
        self.sent + self.unchanged
    }
}

impl Server {
    /// Starts it, with the first edition of its keys.
    pub fn start(options: &Options) -> Result<Arc<Self>, Box<dyn Error + Send + Sync>> {
        let http = tiny_http::Server::http((Ipv4Addr::LOCALHOST, 0));
        let http = http.map_err(|error| format!("cannot listen on the loopback: {error}"))?;
        let address = http.server_addr().to_ip().ok_or("the server has no address")?;
        let (edition, seen) = (AtomicU64::new(1), Mutex::default());
        let server = Arc::new(Self { http, address, options: options.clone(), edition, seen });
        for _ in 0..WORKERS {
            let server = Arc::clone(&server);
            thread::Builder::new().spawn(move || server.http.incoming_requests().for_each(|it| server.take(it)))?;
        }
        Ok(server)
    }

    /// Where the key set is.
    pub fn url(&self) -> String {
        format!("http://{}/jwks.json", self.address)
    }

    /// Replaces the keys by those of the next edition. From then on the old ones are refused.
    pub fn rotate(&self) {
        self.edition.fetch_add(1, Ordering::Release);
    }

    /// How often it has rotated its keys.
    pub fn rotations(&self) -> u64 {
        self.edition.load(Ordering::Acquire) - 1
    }

    /// Whether a call that is signed with that key is let in.
    pub fn accepts(&self, keys: &KeySet, number: usize) -> bool {
        // Acquire: who is refused has seen the rotation, and so has the server when that one's request comes in.
        keys.is_valid(number, self.edition.load(Ordering::Acquire))
    }

    /// What it has seen so far.
    pub fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count<T>(&self, count: impl FnOnce(&mut Seen) -> T) -> T {
        count(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take(&self, request: Request) {
        let number = self.count(|seen| {
            seen.requests += 1;
            seen.in_hand += 1;
            seen.most_at_once = seen.most_at_once.max(seen.in_hand);
            seen.requests
        });
        // First the answer, then the time it takes: keys that are rotated meanwhile arrive old.
        let (status, edition) = self.decide(&request, number);
        thread::sleep(self.options.latency());
        let body = if status == 200 { key_set::json(edition) } else { String::new() };
        let mut response = Response::from_string(body).with_status_code(status);
        if status < 500 {
            response.add_header(header("Content-Type", "application/jwk-set+json"));
            response.add_header(header("ETag", &key_set::etag(edition)));
            response.add_header(header("Cache-Control", &format!("max-age={}", self.options.max_age)));
        }
        // Before the answer leaves: the next request may come as soon as it has arrived.
        self.count(|seen| {
            seen.in_hand -= 1;
            match status {
                200 => seen.sent += 1,
                304 => seen.unchanged += 1,
                _ => seen.failed += 1,
            }
        });
        // An error means that the client has gone, which it knows itself.
        let _gone = request.respond(response);
    }

    /// The status of the answer, and which edition it is of.
    fn decide(&self, request: &Request, number: u64) -> (u16, u64) {
        let edition = self.edition.load(Ordering::Acquire);
        let mut random = Random::new(self.options.seed, number);
        if random.below(100) < self.options.failures.into() {
            return ([500, 503][random.below(2)], edition);
        }
        let known = request.headers().iter().find(|header| header.field.equiv("If-None-Match"));
        let unchanged = known.is_some_and(|known| known.value.as_str() == key_set::etag(edition));
        (if unchanged { 304 } else { 200 }, edition)
    }
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).expect("it is plain ASCII")
}
