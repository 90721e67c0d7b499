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

use super::input::MARK;

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
    if !is_gzip && file.extension().is_some_and(|end| end == "gz") {
        source.by_ref().take(LOOKED_AT).read_to_end(&mut start)?;
        if start
            .iter()
            .any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace())
        {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its name ends in .gz, and it is neither compressed with gzip nor text",
            ));
        }
    }
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

/// The members of a gzip file, one after the other, up to the zeros that tapes and block devices pad it with. Each may have
/// been a file with a mark of UTF-8 at its start, which is left out.
struct Members<R> {
    /// `None` only at the end, and while one member makes way for the next.
    member: Option<GzDecoder<R>>,
    /// What of the member's first bytes has been read to look for the mark, and has not been handed out.
    start: Vec<u8>,
    at_start: bool,
}

impl<R: BufRead> Members<R> {
    fn new(source: R) -> Members<R> {
        Members {
            member: Some(GzDecoder::new(source)),
            start: Vec::new(),
            at_start: true,
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            if std::mem::take(&mut self.at_start) {
                let mut start = member.by_ref().take(MARK.len() as u64);
                start.read_to_end(&mut self.start).map_err(in_words)?;
                if self.start == MARK {
                    self.start.clear();
                }
            }
            let count = match self.start.is_empty() {
                true => member.read(buffer).map_err(in_words)?,
                false => self.start.len().min(buffer.len()),
            };
            let start = count.min(self.start.len());
            buffer[..start].copy_from_slice(&self.start[..start]);
            self.start.drain(..start);
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let mut rest = self.member.take().expect("it was just read").into_inner();
            if !skip_zeros(&mut rest)? {
                return Ok(0);
            }
            if rest.fill_buf()?.first() != Some(&GZIP_MAGIC[0]) {
                let words = "the compressed data is whole, and something else follows that is left out";
                return Err(io::Error::new(io::ErrorKind::InvalidData, words));
            }
            self.member = Some(GzDecoder::new(rest));
            self.at_start = true;
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

/// Bytes that tell text from data.
const LOOKED_AT: u64 = 512;

/// Compressed bytes that are read at once.
const COMPRESSED: usize = 64 * 1024;
