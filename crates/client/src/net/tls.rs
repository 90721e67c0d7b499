//! TLS: whom the client trusts, and who it is.
//!
//! The client trusts the system's authorities. A file `ca` **replaces** them: otherwise any public authority could still
//! issue a certificate for the server. A host written as an address is looked for among the certificate's addresses.
//! With `cert` and `key` the client shows a certificate itself.
//!
//! Made when a client is built, to fail early, and before each connection by `files.rs`, which reads the files: a
//! certificate that was renewed is used without a restart. `stream.rs` does the encrypting.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

mod record_map;
mod stream;

pub(crate) use stream::Encrypted;

/// The files' contents, each with its path.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) ca: Option<(PathBuf, Vec<u8>)>,
    pub(crate) cert: Option<(PathBuf, Vec<u8>)>,
    pub(crate) key: Option<(PathBuf, Vec<u8>)>,
}

/// What is wrong, and the option it is wrong with.
pub(crate) type Wrong = (&'static str, String);

/// Whom is trusted and who the client is, over all connections.
#[derive(Clone)]
pub(crate) struct TlsConfig(Arc<ClientConfig>);

/// What one connection begins with.
#[derive(Clone)]
pub(crate) struct TlsTarget {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl TlsConfig {
    pub(crate) fn new(files: &Files) -> Result<TlsConfig, Wrong> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ("ca", error.to_string()))?
            .with_root_certificates(roots(files)?);
        let config = match (&files.cert, &files.key) {
            (Some(cert), Some(key)) => {
                let chain = certificates("cert", cert)?;
                let (path, text) = key;
                // The parser's words could be a piece of the file.
                let key = PrivateKeyDer::from_pem_slice(text)
                    .map_err(|_| ("key", format!("{}: no private key is in it", path.display())))?;
                builder.with_client_auth_cert(chain, key).map_err(|error| {
                    (
                        "key",
                        format!("{}: it is not the certificate's: {error}", path.display()),
                    )
                })?
            }
            _ => builder.with_no_client_auth(),
        };
        Ok(TlsConfig(Arc::new(config)))
    }

    /// The error is the rule that the host's name breaks.
    pub(crate) fn tls_target(&self, host: &str) -> Result<TlsTarget, &'static str> {
        Ok(TlsTarget {
            config: self.0.clone(),
            name: ServerName::try_from(host.to_owned())
                .map_err(|_| "a certificate can have no such name: letters, digits, `-` and `.`")?,
        })
    }
}

fn roots(files: &Files) -> Result<RootCertStore, Wrong> {
    let mut roots = RootCertStore::empty();
    match &files.ca {
        Some(ca) => {
            for certificate in certificates("ca", ca)? {
                roots
                    .add(certificate)
                    .map_err(|error| ("ca", format!("{}: {error}", ca.0.display())))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            // A store has old ones in it that nobody can read; the others are as good as before.
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let why = found
                    .errors
                    .first()
                    .map(|error| format!(": {error}"))
                    .unwrap_or_default();
                return Err(("ca", format!("the system has no authorities to trust{why}")));
            }
        }
    }
    Ok(roots)
}

fn certificates(
    option: &'static str,
    (path, text): &(PathBuf, Vec<u8>),
) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err((option, format!("{}: no certificate is in it (PEM)", path.display()))),
    }
}
