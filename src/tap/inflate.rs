//! Reading along in a packed reply. The client gets the bytes as they came.

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Window of the brotli reader's output, in bytes.
const BROTLI_BUFFER: usize = 16 << 10;

/// A coding that can't be read along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnknownCoding;

/// Why reading along ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// The bytes are not what the header says.
    Broken,
    /// It unpacks to more than is read.
    Outsize,
}

/// Takes a content coding off, within a bound.
pub(super) enum Inflate {
    /// Not packed.
    Plain,
    /// gzip.
    Gzip(Box<MultiGzDecoder<Sink>>),
    /// What the name means, or what some servers take it to mean: the first byte tells.
    Deflate(Sink),
    /// `deflate` with its envelope.
    Zlib(Box<ZlibDecoder<Sink>>),
    /// `deflate` without.
    Raw(Box<DeflateDecoder<Sink>>),
    /// Brotli.
    Brotli(Box<DecompressorWriter<Sink>>),
}

/// Takes what came out, up to a bound.
#[derive(Debug)]
pub(super) struct Sink {
    out: Vec<u8>,
    left: usize,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.left {
            self.left = 0;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.left -= bytes.len();
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Inflate {
    /// For that `content-encoding`; at most `limit` bytes come out.
    pub(super) fn new(coding: Option<&str>, limit: usize) -> Result<Self, UnknownCoding> {
        let sink = || Sink {
            out: Vec::new(),
            left: limit,
        };
        match coding.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Plain),
            "gzip" | "x-gzip" => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(sink())))),
            "deflate" => Ok(Self::Deflate(sink())),
            "br" => Ok(Self::Brotli(Box::new(DecompressorWriter::new(
                sink(),
                BROTLI_BUFFER,
            )))),
            _ => Err(UnknownCoding),
        }
    }

    /// Takes what came and gives `read` what it unpacks to so far.
    pub(super) fn push(&mut self, bytes: &[u8], read: impl FnOnce(&[u8])) -> Result<(), Unreadable> {
        if let Self::Deflate(sink) = self {
            let Some(first) = bytes.first() else { return Ok(()) };
            let sink = Sink {
                out: Vec::new(),
                left: sink.left,
            };
            // The envelope's first byte says method 8 and a window of at most 32 KiB.
            *self = if first & 0x0f == 8 && first >> 4 <= 7 {
                Self::Zlib(Box::new(ZlibDecoder::new(sink)))
            } else {
                Self::Raw(Box::new(DeflateDecoder::new(sink)))
            };
        }
        match self {
            Self::Plain | Self::Deflate(_) => {
                read(bytes);
                Ok(())
            }
            Self::Gzip(inner) => {
                let done = inner.write_all(bytes).and_then(|()| inner.flush());
                hand(done, inner.get_mut(), read)
            }
            Self::Zlib(inner) => {
                let done = inner.write_all(bytes).and_then(|()| inner.flush());
                hand(done, inner.get_mut(), read)
            }
            Self::Raw(inner) => {
                let done = inner.write_all(bytes).and_then(|()| inner.flush());
                hand(done, inner.get_mut(), read)
            }
            Self::Brotli(inner) => {
                let done = inner.write_all(bytes).and_then(|()| inner.flush());
                hand(done, inner.get_mut(), read)
            }
        }
    }
}

/// What came out goes on, whether or not more can be unpacked.
fn hand(done: io::Result<()>, sink: &mut Sink, read: impl FnOnce(&[u8])) -> Result<(), Unreadable> {
    let out = std::mem::take(&mut sink.out);
    read(&out);
    match done {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(Unreadable::Outsize),
        Err(_) => Err(Unreadable::Broken),
    }
}
