//! A body packed by gzip: once for all who take it so, and only if somebody does.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use tokio::{sync::OnceCell, task::spawn_blocking};

/// Packed bytes, once somebody has asked for them.
#[derive(Debug, Default)]
pub(super) struct Packed(OnceCell<Bytes>);

impl Packed {
    /// The bytes, where they are made already.
    pub(super) fn made(&self) -> Option<&Bytes> {
        self.0.get()
    }

    /// The bytes, made of `plain` on a thread of their own when nobody has asked before; others wait for the same.
    /// `None`: this process has no thread for it.
    pub(super) async fn of(&self, plain: Bytes) -> Option<&Bytes> {
        let make = async || {
            spawn_blocking(move || pack(&plain))
                .await
                .map_err(io::Error::other)?
        };
        self.0.get_or_try_init(make).await.ok()
    }
}

/// The least effort: a feed repeats itself so much that more would save little, and each revision is packed anew.
fn pack(plain: &[u8]) -> io::Result<Bytes> {
    let mut packed = GzEncoder::new(Vec::with_capacity(plain.len() / 8), Compression::fast());
    packed.write_all(plain)?;
    packed.finish().map(Bytes::from)
}
