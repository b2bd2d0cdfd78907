//! Connections with TLS.
//!
//! | the URL says | the [builder](super::PostgresBuilder::trusting) trusts | the connection |
//! |---|---|---|
//! | `sslmode=require`, `verify-full` | the operating system's roots | TLS, and the server's certificate is verified: its root, and the host that it names |
//! | nothing, `prefer`, `require`, `verify-full` | roots of its own | the same, by these roots alone |
//! | `disable` | roots of its own | refused: the two say different things |
//! | nothing, `prefer`, `disable` | - | without TLS |
//!
//! `prefer` is not enough for TLS: anybody between the two could answer that the server has none. A certificate is
//! always verified, for the same reason. What a process trusts is read from the operating system once,
//! when the first such connection is made.
//!
//! A password is sent by SCRAM without a binding to the channel: a URL with `channel_binding=require` connects to
//! nothing.

use super::link::NotOpened;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as Inner;

/// What a connection trusts.
#[derive(Clone)]
pub(super) enum Trust {
    /// It is without TLS.
    Nobody,
    /// The roots of the operating system.
    TheSystem,
    /// These alone.
    Roots(Arc<ClientConfig>),
}

impl Trust {
    /// What a URL says, without more.
    pub(super) fn of(mode: SslMode) -> Trust {
        if mode == SslMode::Require { Trust::TheSystem } else { Trust::Nobody }
    }

    /// Roots, as PEM. `None`: one of them cannot be read, or there is none.
    pub(super) fn roots(pem: &[u8]) -> Option<Trust> {
        let mut store = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(pem) {
            store.add(root.ok()?).ok()?;
        }
        config(store).map(Trust::Roots)
    }

    /// Returns how a connection is secured, and how the client is told.
    pub(super) fn connector(&self) -> Result<(Tls, SslMode), NotOpened> {
        static SYSTEM: OnceLock<Option<Arc<ClientConfig>>> = OnceLock::new();
        let config = match self {
            Trust::Nobody => return Ok((Tls(None), SslMode::Disable)),
            Trust::Roots(config) => Arc::clone(config),
            Trust::TheSystem => {
                let system = SYSTEM.get_or_init(|| {
                    let mut store = RootCertStore::empty();
                    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                    config(store)
                });
                system.clone().ok_or_else(|| NotOpened::unfit("the operating system has no root certificates"))?
            }
        };
        Ok((Tls(Some(config)), SslMode::Require))
    }
}

/// Returns what trusts these roots. `None`: there are none.
fn config(roots: RootCertStore) -> Option<Arc<ClientConfig>> {
    if roots.is_empty() {
        return None;
    }
    // The program's own choice, if it has made one.
    let provider = CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()));
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    Some(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// What secures connections; `None`: nothing does.
#[derive(Clone)]
pub(super) struct Tls(Option<Arc<ClientConfig>>);

/// A stream that is secured.
pub(super) struct Secured(Inner<Socket>);

/// The securing of one connection.
pub(super) struct Securing {
    config: Option<Arc<ClientConfig>>,
    server: ServerName<'static>,
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Secured;
    type TlsConnect = Securing;
    type Error = InvalidDnsNameError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Securing, InvalidDnsNameError> {
        // (The host of a connection without TLS may be the path of a socket.)
        let name = if self.0.is_some() { host } else { "localhost" };
        Ok(Securing { config: self.0.clone(), server: ServerName::try_from(name.to_owned())? })
    }
}

impl TlsConnect<Socket> for Securing {
    type Stream = Secured;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Secured>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let config = self.config.ok_or_else(|| io::Error::other("the connection is without TLS"))?;
            Ok(Secured(TlsConnector::from(config).connect(self.server, socket).await?))
        })
    }
}

impl TlsStream for Secured {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Secured {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
