//! TLS where the crate is built without it: types that no value can have, so that nothing else has to know.
//!
//! `build` refuses the schemes that need it. See `tls.rs` for what each of them is.

use std::convert::Infallible;
use std::io::{self, IoSlice, Read, Write};
use std::path::PathBuf;

#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) ca: Option<(PathBuf, Vec<u8>)>,
    pub(crate) cert: Option<(PathBuf, Vec<u8>)>,
    pub(crate) key: Option<(PathBuf, Vec<u8>)>,
}

pub(crate) type Wrong = (&'static str, String);

#[derive(Clone)]
pub(crate) struct TlsConfig(Infallible);

#[derive(Clone)]
pub(crate) struct TlsTarget(Infallible);

pub(crate) struct Encrypted(Infallible);

impl TlsConfig {
    pub(crate) fn new(_files: &Files) -> Result<TlsConfig, Wrong> {
        Err((
            "ca",
            "this build of potsdb is without its cargo feature \"tls\"".to_owned(),
        ))
    }

    pub(crate) fn tls_target(&self, _host: &str) -> Result<TlsTarget, &'static str> {
        match self.0 {}
    }
}

impl Encrypted {
    pub(crate) fn new(tls_target: &TlsTarget) -> io::Result<Encrypted> {
        match tls_target.0 {}
    }

    pub(crate) fn handshake(&mut self, _socket: &mut (impl Read + Write)) -> io::Result<bool> {
        match self.0 {}
    }

    pub(crate) fn read(&mut self, _socket: &mut (impl Read + Write), _buffer: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn write(&mut self, _socket: &mut (impl Read + Write), _slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn end(&mut self, _socket: &mut (impl Read + Write)) {
        match self.0 {}
    }

    pub(crate) fn has_ended(&mut self, _socket: &mut (impl Read + Write)) -> bool {
        match self.0 {}
    }

    pub(crate) fn plain_of(&self, _ciphertext: u64) -> u64 {
        match self.0 {}
    }

    pub(crate) fn forgets(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn forget(&mut self, _ciphertext: u64) {
        match self.0 {}
    }
}
