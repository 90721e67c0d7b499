//! A source of lines: a file or standard input, with gzip taken off it, and how much of it has been read.
//!
//! Only the bytes of the file itself are counted, so that they can be held against its size: a compressed file is half
//! read when half of its compressed bytes are.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;

/// How many bytes of all sources have been read.
pub(super) type BytesRead = Arc<AtomicU64>;

/// What a source is called: its path, or `stdin`.
pub(super) fn name(file: &Path) -> String {
    match is_standard_input(file) {
        true => "stdin".to_owned(),
        false => file.display().to_string(),
    }
}

/// How many bytes there are in all, if they are all in files.
pub(super) fn size(files: &[PathBuf]) -> Option<u64> {
    let sizes = files.iter().map(|file| match std::fs::metadata(file) {
        Ok(file) if file.is_file() => Some(file.len()),
        // It is reported when its turn comes.
        Err(_) if !is_standard_input(file) => Some(0),
        _ => None,
    });
    sizes.sum::<Option<u64>>().filter(|size| *size > 0)
}

/// Opens a file, or standard input for `-`.
pub(super) fn open(file: &Path, read: &BytesRead) -> io::Result<Box<dyn Read>> {
    let source: Box<dyn Read> = match is_standard_input(file) {
        true => Box::new(io::stdin().lock()),
        false => Box::new(File::open(file)?),
    };
    let mut source = Counted {
        source,
        read: read.clone(),
    };
    let mut start = Vec::new();
    source.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut start)?;
    let is_gzip = start == GZIP_MAGIC;
    let source = Cursor::new(start).chain(source);
    Ok(match is_gzip {
        true => Box::new(Members::new(BufReader::with_capacity(COMPRESSED, source))),
        false => Box::new(source),
    })
}

/// Whether this file is standard input.
pub(super) fn is_standard_input(file: &Path) -> bool {
    file == Path::new("-")
}

struct Counted<R> {
    source: R,
    read: BytesRead,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// The members of a gzip file, one after the other, up to the zeros that tapes and block devices pad it with.
struct Members<R> {
    /// `None` only at the end, and while one member makes way for the next.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    fn new(source: R) -> Members<R> {
        Members {
            member: Some(GzDecoder::new(source)),
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer).map_err(in_words)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let mut rest = self.member.take().expect("it was just read").into_inner();
            if !skip_zeros(&mut rest)? {
                return Ok(0);
            }
            self.member = Some(GzDecoder::new(rest));
        }
        Ok(0)
    }
}

/// Skips zeros; returns whether something else follows.
fn skip_zeros(source: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let held = source.fill_buf()?;
        let zeros = held.iter().take_while(|byte| **byte == 0).count();
        if held.is_empty() || zeros < held.len() {
            let more = !held.is_empty();
            source.consume(zeros);
            return Ok(more);
        }
        source.consume(zeros);
    }
}

/// What is wrong with a compressed file, in words that say that it is one.
fn in_words(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the compressed data is cut off"),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            io::Error::new(error.kind(), format!("the compressed data is damaged: {error}"))
        }
        _ => error,
    }
}

/// How a gzip stream begins, and no line can.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Compressed bytes that are read at once.
const COMPRESSED: usize = 64 * 1024;
