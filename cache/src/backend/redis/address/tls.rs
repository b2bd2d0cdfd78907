//! What a connection with TLS needs beside its address: a root to trust, and cryptography.

use redis::{Client, ConnectionInfo, TlsCertificates};
use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Returns an address whose server is trusted by these roots alone. `None`: one of them cannot be read, there is none,
/// or the address is one without TLS.
pub(super) fn trusting(at: ConnectionInfo, roots: &[u8]) -> Option<ConnectionInfo> {
    // The client takes a text without any certificate for a store that trusts nobody.
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots) {
        store.add(root.ok()?).ok()?;
    }
    if store.is_empty() {
        return None;
    }
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(roots.to_vec()) };
    Some(Client::build_with_tls(at, certificates).ok()?.get_connection_info().clone())
}

/// Gives rustls its cryptography, unless the program has chosen one: the client asks for the process's own, and rustls
/// panics where there is none, or where a build has two to choose from.
pub(super) fn provide_cryptography() {
    if CryptoProvider::get_default().is_none() {
        // An error means that another thread was faster.
        drop(ring::default_provider().install_default());
    }
}
