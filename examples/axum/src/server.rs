//! The server: what one would write, and counts.

use crate::Trouble;
use crate::options::PATIENCE;
use crate::rates::{Had, Source};
use crate::upstream::Busy;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use dogpile::{CreateError, Outcome};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpListener;
use tokio::time::timeout;

/// Where the rates are.
pub const RATES: &str = "/rates";
/// Where they are for those who do not wait long.
pub const SOON: &str = "/rates/soon";
/// How they were had.
pub const OUTCOME: &str = "x-outcome";

/// A server that runs.
pub struct Server {
    address: SocketAddr,
    shop: Arc<Shop>,
}

/// What it has counted.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Requests that were out of time, and of which the future was dropped.
    pub dropped: u64,
    /// Invalidations.
    pub invalidations: u64,
}

/// What the handlers share.
struct Shop {
    source: Arc<Source>,
    dropped: AtomicU64,
    invalidations: AtomicU64,
}

impl Server {
    /// Starts it, on a port of the loopback.
    pub async fn start(source: Arc<Source>) -> Result<Self, Trouble> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shop = Arc::new(Shop { source, dropped: AtomicU64::new(0), invalidations: AtomicU64::new(0) });
        let router = Router::new()
            .route(RATES, get(rates).post(invalidate))
            .route(SOON, get(rates_soon))
            .with_state(Arc::clone(&shop));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, shop })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has counted so far.
    pub fn counts(&self) -> Counts {
        // Relaxed: the answers have come from there.
        Counts {
            dropped: self.shop.dropped.load(Ordering::Relaxed),
            invalidations: self.shop.invalidations.load(Ordering::Relaxed),
        }
    }
}

/// `GET /rates`: fresh ones, or old ones while somebody asks for newer ones.
async fn rates(State(shop): State<Arc<Shop>>) -> Response {
    answer(shop.source.get().await)
}

/// `GET /rates/soon`: the same, or the old ones, or none, when the time is up.
async fn rates_soon(State(shop): State<Arc<Shop>>) -> Response {
    // Out of time, the future is dropped wherever it is. If it was this request that asked the upstream, then somebody
    // else does.
    match timeout(PATIENCE, shop.source.get()).await {
        Ok(got) => answer(got),
        Err(_elapsed) => {
            shop.dropped.fetch_add(1, Ordering::Relaxed);
            match shop.source.peek() {
                Some(old) => answer(Ok(old)),
                None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            }
        }
    }
}

/// `POST /rates`: the rates are no good any more.
async fn invalidate(State(shop): State<Arc<Shop>>) -> StatusCode {
    shop.invalidations.fetch_add(1, Ordering::Relaxed);
    shop.source.invalidate();
    StatusCode::NO_CONTENT
}

fn answer(got: Result<Had, CreateError<Busy>>) -> Response {
    match got {
        Ok(Had { rates, outcome }) => {
            let body = format!("{{\"edition\":{},\"EUR\":{:.4}}}\n", rates.edition, rates.euro);
            ([(OUTCOME, name(outcome)), ("content-type", "application/json")], body).into_response()
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

/// As the header has it.
fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Fresh => "fresh",
        Outcome::Created => "created",
        Outcome::Waited => "waited",
        _ => "old",
    }
}
