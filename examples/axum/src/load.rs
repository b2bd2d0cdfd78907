//! The load: a bounded number of requests, over a few connections.

use crate::Trouble;
use crate::options::{IMPATIENT, Options, REST};
use crate::server::{OUTCOME, RATES, SOON};
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use hdrhistogram::Histogram;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// More bytes than any answer has.
const LONGEST: usize = 1 << 16;

/// How a request ended, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The request got fresh rates.
    Fresh,
    /// The request got old rates, while another access asked for newer ones.
    Old,
    /// The request asked the upstream itself.
    Created,
    /// There were no rates, and the request waited for another access to ask for them.
    Waited,
    /// There were no rates, and the time of the request was out.
    OutOfTime,
    /// The upstream refused.
    Refused,
    /// The request invalidated the rates.
    Invalidated,
}

/// The latencies of all requests, in nanoseconds, by how they ended.
pub type Answers = BTreeMap<End, Histogram<u64>>;

/// Sends all requests, and waits for all answers.
pub async fn run(address: SocketAddr, options: &Options) -> Result<Answers, Trouble> {
    let sent = Arc::new(AtomicU32::new(0));
    let mut connections = JoinSet::new();
    for _ in 0..options.connections {
        let (sent, options) = (Arc::clone(&sent), options.clone());
        connections.spawn(async move { connection(address, &sent, &options).await });
    }
    let mut all = Answers::new();
    while let Some(answers) = connections.join_next().await {
        for (end, latencies) in answers?? {
            histogram(&mut all, end).add(latencies)?;
        }
    }
    Ok(all)
}

/// Runs one connection.
async fn connection(address: SocketAddr, sent: &AtomicU32, options: &Options) -> Result<Answers, Trouble> {
    // Each connection has a client of its own, which keeps the connection that it has opened.
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut answers = Answers::new();
    loop {
        // Relaxed: the number only counts.
        let number = sent.fetch_add(1, Ordering::Relaxed) + 1;
        if number > options.requests {
            return Ok(answers);
        }
        let (method, path) = match number {
            _ if number % options.invalidate_every == 0 => (Method::POST, RATES),
            _ if number % IMPATIENT == 0 => (Method::GET, SOON),
            _ => (Method::GET, RATES),
        };
        let request = Request::builder().method(method).uri(format!("http://{address}{path}")).body(Body::empty())?;
        let begun = Instant::now();
        let end = send(&client, request).await?;
        let latency = u64::try_from(begun.elapsed().as_nanos())?;
        histogram(&mut answers, end).record(latency)?;
        sleep(REST).await;
    }
}

async fn send(client: &Client<HttpConnector, Body>, request: Request<Body>) -> Result<End, Trouble> {
    let answer = client.request(request).await?;
    let outcome = answer.headers().get(OUTCOME).map(|outcome| outcome.as_bytes().to_owned());
    let status = answer.status();
    // The body is read to its end, so that the connection can be used again.
    to_bytes(Body::new(answer.into_body()), LONGEST).await?;
    match (status, outcome.as_deref()) {
        (StatusCode::OK, Some(b"fresh")) => Ok(End::Fresh),
        (StatusCode::OK, Some(b"old")) => Ok(End::Old),
        (StatusCode::OK, Some(b"created")) => Ok(End::Created),
        (StatusCode::OK, Some(b"waited")) => Ok(End::Waited),
        (StatusCode::SERVICE_UNAVAILABLE, None) => Ok(End::OutOfTime),
        (StatusCode::BAD_GATEWAY, None) => Ok(End::Refused),
        (StatusCode::NO_CONTENT, None) => Ok(End::Invalidated),
        (status, outcome) => Err(format!("the server has answered {status}, {outcome:?}").into()),
    }
}

fn histogram(answers: &mut Answers, end: End) -> &mut Histogram<u64> {
    // Resizes itself.
    answers.entry(end).or_insert_with(|| Histogram::new(3).expect("up to five digits are allowed"))
}
