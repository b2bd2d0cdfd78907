//! The certificates of a server with TLS.

use crate::error::{Error, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use std::fs;
use std::path::Path;

/// An authority of the test's own, and a certificate of `localhost` and 127.0.0.1 that the authority has signed.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The certificate of the authority, as PEM: the root that a client is to trust.
    pub root: String,
    /// The server's certificate, as PEM. A server that asks for a client's certificate takes this one, too.
    pub certificate: String,
    /// The key of `certificate`, as PEM.
    pub key: String,
}

impl Certificates {
    /// Makes new ones.
    pub(crate) fn make() -> Result<Self> {
        let made = || {
            let named = |name, certificate: &mut CertificateParams| {
                certificate.distinguished_name = DistinguishedName::new();
                certificate.distinguished_name.push(DnType::CommonName, name);
            };
            let mut root = CertificateParams::default();
            named("dogpile-servers", &mut root);
            root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
            let root = CertifiedIssuer::self_signed(root, KeyPair::generate()?)?;
            let key = KeyPair::generate()?;
            let subjects = ["localhost".to_owned(), "127.0.0.1".to_owned()];
            let mut certificate = CertificateParams::new(subjects)?;
            // Another name than the root's: a certificate that names itself as its issuer counts as signed by itself.
            named("localhost", &mut certificate);
            let certificate = certificate.signed_by(&key, &root)?;
            Ok(Self { root: root.pem(), certificate: certificate.pem(), key: key.serialize_pem() })
        };
        made().map_err(|error: rcgen::Error| Error::new(format!("no certificate: {error}")))
    }

    /// Writes them into a directory. Returns the server's arguments that name them.
    pub(crate) fn write(&self, directory: &Path) -> Result<Vec<String>> {
        let mut arguments = Vec::new();
        let files = [("ca-cert", &self.root), ("cert", &self.certificate), ("key", &self.key)];
        for (name, text) in files {
            let path = directory.join(format!("{name}.pem"));
            fs::write(&path, text)?;
            arguments.extend([format!("--tls-{name}-file"), path.display().to_string()]);
        }
        arguments.extend(["--tls-auth-clients".into(), "no".into()]);
        Ok(arguments)
    }
}
