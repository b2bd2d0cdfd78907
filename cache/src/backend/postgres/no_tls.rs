//! Connections of a build without the feature `postgres-tls`: none is secured, and a URL that asks for TLS connects to
//! nothing.

use super::link::NotOpened;
use tokio_postgres::NoTls;
use tokio_postgres::config::SslMode;
pub(super) use tokio_postgres::tls::NoTlsStream as Secured;

/// What a connection trusts.
#[derive(Clone)]
pub(super) struct Trust(SslMode);

impl Trust {
    /// What a URL says.
    pub(super) fn of(mode: SslMode) -> Trust {
        Trust(mode)
    }

    /// Returns how a connection is secured, and how the client is told.
    pub(super) fn connector(&self) -> Result<(NoTls, SslMode), NotOpened> {
        if self.0 == SslMode::Require {
            return Err(NotOpened::unfit("this build has no TLS: the feature `postgres-tls` has it"));
        }
        Ok((NoTls, SslMode::Disable))
    }
}
