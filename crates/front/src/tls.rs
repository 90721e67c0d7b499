//! TLS for servers: a certificate and its key, and an encrypted stream over a socket that does not wait.
//!
//! rustls holds what is between plaintext and records, bounded on both sides; the socket's readiness is the caller's.

use std::io::{self, Read, Write};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;

use crate::transport::{Ready, Transport};

/// What a server proves itself with. Clones are one: what replaces it replaces it for all.
#[derive(Clone, Debug)]
pub struct Tls(Arc<RwLock<Arc<ServerConfig>>>);

impl Tls {
    /// Takes a certificate chain, the server's own first, and its private key, both as PEM.
    ///
    /// # Errors
    ///
    /// When either is missing or broken, or the two do not belong together.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> io::Result<Tls> {
        Tls::of(certificates, key, None)
    }

    /// The same, and wants every peer to prove itself with a certificate of one of these authorities, as PEM.
    ///
    /// # Errors
    ///
    /// As [`Tls::from_pem`], and when there is no authority.
    pub fn from_pem_with_authorities(certificates: &[u8], key: &[u8], authorities: &[u8]) -> io::Result<Tls> {
        Tls::of(certificates, key, Some(authorities))
    }

    /// Proves itself with another one's certificate from now on; connections that there are stay.
    pub fn replace(&self, other: &Tls) {
        let other = other.now();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = other;
    }

    fn now(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn of(certificates: &[u8], key: &[u8], authorities: Option<&[u8]>) -> io::Result<Tls> {
        let invalid = |what: &str, error: &dyn std::fmt::Display| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{what}: {error}"))
        };
        let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain = chain.map_err(|error| invalid("no certificate", &error))?;
        if chain.is_empty() {
            return Err(invalid("no certificate", &"there is none in the PEM"));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| invalid("no private key", &error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| invalid("TLS", &error))?;
        let builder = match authorities {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for authority in CertificateDer::pem_slice_iter(pem) {
                    let authority = authority.map_err(|error| invalid("no authority", &error))?;
                    roots.add(authority).map_err(|error| invalid("no authority", &error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| invalid("no authority", &error))?)
            }
        };
        let config = builder
            .with_single_cert(chain, key)
            .map_err(|error| invalid("the certificate and its key", &error))?;
        Ok(Tls(Arc::new(RwLock::new(Arc::new(config)))))
    }

    /// Brings a connection through its handshake.
    pub(crate) async fn accept(&self, socket: TcpStream) -> io::Result<Transport> {
        let session = rustls::ServerConnection::new(self.now()).map_err(io::Error::other)?;
        let mut transport = Transport::Tls(Box::new(Encrypted {
            socket,
            session,
            is_over: false,
            may_have_more: false,
        }));
        loop {
            let Transport::Tls(encrypted) = &mut transport else {
                unreachable!("it was made so")
            };
            match encrypted.shake()? {
                true => return Ok(transport),
                false => {
                    let writes = encrypted.is_behind();
                    transport.ready(Ready { reads: true, writes }).await?;
                }
            }
        }
    }
}

pub(crate) struct Encrypted {
    socket: TcpStream,
    session: rustls::ServerConnection,
    /// The peer ended its side.
    is_over: bool,
    /// The last read was filled: there may be more that the socket does not announce.
    may_have_more: bool,
}

/// Reads of the socket in one call that bring no plaintext: bytes drip, and other connections wait meanwhile.
const RECEIVES: usize = 16;

impl Encrypted {
    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Moves the handshake along; true when it is over.
    fn shake(&mut self) -> io::Result<bool> {
        for _ in 0..RECEIVES {
            self.flush()?;
            if !self.session.is_handshaking() {
                return Ok(true);
            }
            match self.receive() {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Whether a read finds something without the socket.
    pub(crate) fn has_plaintext(&self) -> bool {
        self.is_over || self.may_have_more
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.session.wants_write()
    }

    pub(crate) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        for _ in 0..RECEIVES {
            // The whole of what is decrypted, so that what is left is the socket's to announce.
            while filled < buffer.len() {
                match self.session.reader().read(&mut buffer[filled..]) {
                    Ok(0) => {
                        self.is_over = true;
                        return Ok(filled);
                    }
                    Ok(length) => filled += length,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // The stream ended without TLS's own end, which many clients leave out.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        self.is_over = true;
                        return Ok(filled);
                    }
                    Err(error) => return Err(error),
                }
            }
            self.may_have_more = filled == buffer.len();
            if filled > 0 {
                return Ok(filled);
            }
            self.receive()?;
            // Keys may be renewed, tickets given out.
            self.flush()?;
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.session.writer().write(bytes)?;
        self.flush()?;
        match taken {
            0 if !bytes.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            taken => Ok(taken),
        }
    }

    pub(crate) fn finish(&mut self) {
        self.session.send_close_notify();
        let _ = self.flush();
    }

    /// Takes records from the socket, and decrypts them; 0 at its end.
    fn receive(&mut self) -> io::Result<usize> {
        let received = self.session.read_tls(&mut Socket(&self.socket))?;
        if let Err(error) = self.session.process_new_packets() {
            // What is wrong is for the peer to hear.
            let _ = self.flush();
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(received)
    }

    /// Gives the kernel what it takes.
    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Socket(&self.socket)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A socket as rustls reads and writes it.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
