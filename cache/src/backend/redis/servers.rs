//! Which server has a place: the one that there is, or the one of a Cluster that has its slot.

use super::address::Address;
use super::cluster::{Cluster, Doubted};
use super::failure::Failure;
use super::link::{Link, NotOpened, OnPush};
use super::node::Node;
use super::request::Request;
use super::server::Unfit;
use crate::backend::{BackendError, Life};
use redis::Value;
use std::sync::{Arc, OnceLock};
use tokio::runtime::Handle;

/// The servers that the places lie on.
#[derive(Debug)]
pub(super) struct Servers {
    first: Arc<Node>,
    keeper: Handle,
    /// Once the first server has said that it belongs to one.
    cluster: OnceLock<Arc<Cluster>>,
}

/// What has become of a request.
pub(super) enum Asked {
    /// The grant that it names is of another life than the server's. Nothing was sent.
    OtherLife,
    Replied(Value, Arc<Link>),
}

/// What has the places.
enum Found<'a> {
    Cluster(&'a Arc<Cluster>),
    One(Arc<Link>),
}

impl Servers {
    pub(super) fn new(at: Address, keeper: Handle, on_push: OnPush) -> Servers {
        Servers { first: Node::new(at, keeper.clone(), on_push), keeper, cluster: OnceLock::new() }
    }

    /// Returns the connection to the server that has a place.
    pub(super) async fn link(&self, place: &str) -> Result<Arc<Link>, BackendError> {
        match self.found().await.map_err(|not| not.error())? {
            Found::Cluster(cluster) => Box::pin(cluster.link(place)).await,
            Found::One(link) => Ok(link),
        }
    }

    /// Returns the connection to the one server that there is, if it is open.
    pub(super) fn ready(&self) -> Option<Arc<Link>> {
        if self.cluster.get().is_some() { None } else { self.first.ready().filter(|link| !link.said.is_cluster) }
    }

    /// Returns the connection for signals to the server that has a place.
    pub(super) async fn for_signals(&self, place: &str) -> Result<Arc<Link>, BackendError> {
        match self.found().await.map_err(|not| not.error())? {
            Found::Cluster(cluster) => cluster.for_signals(place).await,
            Found::One(_) => self.first.for_signals().await,
        }
    }

    /// Connects to the server, or to the servers of its Cluster of which one at least is reached.
    pub(super) async fn connect(&self) -> Result<(), NotOpened> {
        match self.found().await? {
            Found::Cluster(cluster) => cluster.connect().await,
            Found::One(_) => Ok(()),
        }
    }

    /// Returns the servers that were not reached when this was connected, nor since then, and why.
    pub(super) fn away(&self) -> Vec<(String, String)> {
        self.cluster.get().map(|cluster| cluster.away()).unwrap_or_default()
    }

    /// Returns a connection to each server.
    pub(super) async fn all(&self) -> Result<Vec<Arc<Link>>, NotOpened> {
        match self.found().await? {
            Found::Cluster(cluster) => cluster.all().await,
            Found::One(link) => Ok(vec![link]),
        }
    }

    /// Returns the Cluster, if there is one: the first server says so. Else the connection to the first server.
    async fn found(&self) -> Result<Found<'_>, NotOpened> {
        if let Some(cluster) = self.cluster.get() {
            return Ok(Found::Cluster(cluster));
        }
        let link = match self.first.opened().await {
            Ok(link) if !link.said.is_cluster => return Ok(Found::One(link)),
            Ok(link) => Some(link),
            // A replica of a Cluster knows the primaries.
            Err(not) if not.is_replica => None,
            Err(not) => return Err(not),
        };
        let cluster = Box::pin(Cluster::of(&self.first, link.as_deref(), self.keeper.clone())).await;
        match (cluster, link) {
            (Ok(cluster), _) => Ok(Found::Cluster(self.cluster.get_or_init(|| cluster))),
            (Err(not), Some(_)) => Err(not.at(self.first.at())),
            // It is one of another kind.
            (Err(_), None) => Err(NotOpened::from(Unfit::Replica).at(self.first.at())),
        }
    }

    /// A request is under way by a connection that the map has named. `None`: there is no map.
    pub(super) fn doubted(&self) -> Option<Doubted> {
        self.cluster.get().map(Cluster::doubted)
    }

    /// Returns the number of the server that has a place.
    pub(super) fn number(&self, place: &str) -> u64 {
        self.cluster.get().map_or(0, |cluster| cluster.number(place))
    }

    /// Returns where the server is that has a place, if it is known.
    pub(super) fn address(&self, place: &str) -> Option<String> {
        match self.cluster.get() {
            Some(cluster) => cluster.address(place),
            None => Some(self.first.address()),
        }
    }

    /// Returns the life of the server that has a place, if it is known.
    pub(super) fn life(&self, place: &str) -> Option<Life> {
        match self.cluster.get() {
            Some(cluster) => cluster.life(place),
            None => self.first.life(),
        }
    }

    /// Returns a connection to each server that there is one to.
    pub(super) fn open(&self) -> Vec<Arc<Link>> {
        match self.cluster.get() {
            Some(cluster) => cluster.open(),
            None => self.first.any().into_iter().collect(),
        }
    }

    /// Asks the server that has a place; for a grant, in its life.
    pub(super) async fn ask(&self, place: &str, request: &Request, of: Option<Life>) -> Result<Asked, Failure> {
        let link = match self.found().await.map_err(|not| Failure::Backend(not.error()))? {
            Found::Cluster(cluster) => return Box::pin(cluster.ask(place, request, of)).await,
            Found::One(link) => link,
        };
        if of.is_some_and(|life| life != link.life()) {
            return Ok(Asked::OtherLife);
        }
        match link.ask(request, false).await {
            Ok(value) => Ok(Asked::Replied(value, link)),
            // What is no text was not written by this backend, and counts as missing (G7).
            Err(Failure::WrongType) => Ok(Asked::Replied(Value::Nil, link)),
            Err(failure) => Err(failure.at(&link.at)),
        }
    }
}
