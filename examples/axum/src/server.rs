//! The server, as one would write it for a service, with counters.

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

/// The path of the rates.
pub const RATES: &str = "/rates";
/// The path of the rates for clients that do not wait long.
pub const SOON: &str = "/rates/soon";
/// The header that says how the rates were obtained.
pub const OUTCOME: &str = "x-outcome";

/// A running server.
pub struct Server {
    address: SocketAddr,
    shop: Arc<Shop>,
}

/// The counts of the server.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Requests whose time was out, and whose future was dropped.
    pub dropped: u64,
    /// Invalidations.
    pub invalidations: u64,
}

/// The state that the handlers share.
struct Shop {
    source: Arc<Source>,
    dropped: AtomicU64,
    invalidations: AtomicU64,
}

impl Server {
    /// Starts the server, on a port of the loopback.
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

    /// The address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        // Relaxed: the clients have their answers by now, and each count was made before its answer was sent.
        Counts {
            dropped: self.shop.dropped.load(Ordering::Relaxed),
            invalidations: self.shop.invalidations.load(Ordering::Relaxed),
        }
    }
}

/// `GET /rates`: fresh rates, or old rates while another access asks the upstream for newer ones.
async fn rates(State(shop): State<Arc<Shop>>) -> Response {
    answer(shop.source.get().await)
}

/// `GET /rates/soon`: as `GET /rates`. When the time is up, old rates, or none.
async fn rates_soon(State(shop): State<Arc<Shop>>) -> Response {
    // When the time is out, the future is dropped, whatever it is doing. If this request was asking the upstream,
    // another access is elected and asks.
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

/// `POST /rates`: invalidates the rates.
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

/// The outcome as the header has it.
fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Fresh => "fresh",
        Outcome::Created => "created",
        Outcome::Waited => "waited",
        _ => "old",
    }
}
