//! The HTTP server. It serves the key set, rotates its keys, fails now and then, and counts the requests.

use crate::key_set::{self, KeySet};
use crate::options::Options;
use crate::random::Random;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tiny_http::{Header, Request, Response};

/// The number of requests that the server can handle at a time: enough to see many come at once.
const WORKERS: usize = 16;

/// The server. It runs until the process ends.
pub struct Server {
    http: tiny_http::Server,
    address: SocketAddr,
    options: Options,
    edition: AtomicU64,
    seen: Mutex<Seen>,
}

/// The counts of the server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// All requests.
    pub requests: u64,
    /// Requests that were answered with the key set: 200.
    pub sent: u64,
    /// Requests that were answered with "not modified": 304.
    pub unchanged: u64,
    /// Requests that failed: 500 or 503.
    pub failed: u64,
    /// The most requests that the server had in hand at a time.
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
    /// Starts the server, with the first edition of its keys.
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

    /// The address of the key set.
    pub fn url(&self) -> String {
        format!("http://{}/jwks.json", self.address)
    }

    /// Replaces the keys by those of the next edition. From then on the server refuses the old keys.
    pub fn rotate(&self) {
        self.edition.fetch_add(1, Ordering::Release);
    }

    /// How often the server has rotated its keys.
    pub fn rotations(&self) -> u64 {
        self.edition.load(Ordering::Acquire) - 1
    }

    /// Whether the server accepts a call that is signed with this key.
    pub fn accepts(&self, keys: &KeySet, number: usize) -> bool {
        // Acquire, pairs with the Release in `rotate`: a reader that is refused has seen the rotation. So `decide` sees
        // the rotation as well when that reader's request comes in.
        keys.is_valid(number, self.edition.load(Ordering::Acquire))
    }

    /// The counts so far.
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
        // The answer is decided first, and its latency comes after that. So keys that are rotated during the latency
        // arrive old.
        let (status, edition) = self.decide(&request, number);
        thread::sleep(self.options.latency());
        let body = if status == 200 { key_set::json(edition) } else { String::new() };
        let mut response = Response::from_string(body).with_status_code(status);
        if status < 500 {
            response.add_header(header("Content-Type", "application/jwk-set+json"));
            response.add_header(header("ETag", &key_set::etag(edition)));
            response.add_header(header("Cache-Control", &format!("max-age={}", self.options.max_age)));
        }
        // The request is counted before its answer leaves: the next request may come as soon as the answer has arrived.
        self.count(|seen| {
            seen.in_hand -= 1;
            match status {
                200 => seen.sent += 1,
                304 => seen.unchanged += 1,
                _ => seen.failed += 1,
            }
        });
        // An error means that the client has gone. The client reports that itself.
        let _gone = request.respond(response);
    }

    /// Decides the status of the answer, and its edition.
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
