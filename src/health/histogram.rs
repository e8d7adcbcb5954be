//! Base-2 exponential histogram of fixed scale 5, as OpenTelemetry and Prometheus (schema 5) know it.
//!
//! Bucket `i` holds values in (2^(i/32), 2^((i+1)/32)] milliseconds, so an estimate is off by at most 1.09 %.
//! Histograms merge by adding counts: exact, in any order.

use std::cmp::Ordering;

/// Smallest value that is told apart, in milliseconds.
pub const MIN_MS: f64 = 0.5;
/// Largest value that is told apart, in milliseconds: one hour.
pub const MAX_MS: f64 = 3_600_000.0;
/// Buckets per doubling.
const PER_OCTAVE: f64 = 32.0;
/// First byte of a blob.
const BLOB_VERSION: u8 = 1;
/// Fewer buckets than this are merged one by one.
const FEW: usize = 8;
/// Index of [`MIN_MS`].
pub const MIN_INDEX: i16 = -33;
/// Index of [`MAX_MS`].
pub const MAX_INDEX: i16 = 696;

/// A blob that is no histogram.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// Written by a later version.
    #[error("histogram blob has version {0}, known is {BLOB_VERSION}")]
    Version(u8),
    /// Cut short, too long, or holding numbers that no histogram has.
    #[error("histogram blob is corrupt at byte {0}")]
    Corrupt(usize),
}

/// Counts per bucket, sparse and in order of index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram {
    buckets: Vec<(i16, u64)>,
    count: u64,
}

/// The bucket of a value in milliseconds; `None` for values at or below zero and for what is no number. Values
/// outside [`MIN_MS`]..[`MAX_MS`] are clamped.
pub fn index_of(ms: f64) -> Option<i16> {
    if !ms.is_finite() || ms <= 0.0 {
        return None;
    }
    Some(((ms.clamp(MIN_MS, MAX_MS).log2() * PER_OCTAVE).ceil() - 1.0) as i16)
}

/// Exclusive lower bound of a bucket, in milliseconds.
pub fn lower_bound(index: i16) -> f64 {
    (f64::from(index) / PER_OCTAVE).exp2()
}

/// The value that stands for a bucket, in milliseconds.
pub fn estimate(index: i16) -> f64 {
    ((f64::from(index) + 0.5) / PER_OCTAVE).exp2()
}

impl Histogram {
    /// Empty.
    pub const fn new() -> Self {
        Self {
            buckets: Vec::new(),
            count: 0,
        }
    }

    /// Values counted.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether nothing was counted.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Index and count of every bucket that holds something, in order of index.
    pub fn buckets(&self) -> &[(i16, u64)] {
        &self.buckets
    }

    /// Counts a value in milliseconds; one that has no bucket is left out.
    pub fn record(&mut self, ms: f64) {
        if let Some(index) = index_of(ms) {
            self.add(index, 1);
        }
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Self) {
        if self.buckets.is_empty() {
            self.clone_from(other);
            return;
        }
        if other.buckets.len() < FEW {
            for &(index, n) in &other.buckets {
                self.add(index, n);
            }
            return;
        }
        // Both are in order: one pass over the two instead of a search and a shift for each bucket.
        let mut merged = Vec::with_capacity(self.buckets.len() + other.buckets.len());
        let (mut mine, mut theirs) = (self.buckets.as_slice(), other.buckets.as_slice());
        while let (&[a, ref rest_a @ ..], &[b, ref rest_b @ ..]) = (mine, theirs) {
            merged.push(match a.0.cmp(&b.0) {
                Ordering::Less => a,
                Ordering::Greater => b,
                Ordering::Equal => (a.0, a.1.saturating_add(b.1)),
            });
            if a.0 <= b.0 {
                mine = rest_a;
            }
            if b.0 <= a.0 {
                theirs = rest_b;
            }
        }
        merged.extend_from_slice(mine);
        merged.extend_from_slice(theirs);
        self.buckets = merged;
        self.count = self.count.saturating_add(other.count);
    }

    /// Takes another's counts away again; what was never added is left at zero.
    pub fn unmerge(&mut self, other: &Self) {
        for &(index, n) in &other.buckets {
            if let Ok(at) = self.buckets.binary_search_by_key(&index, |b| b.0) {
                let taken = n.min(self.buckets[at].1);
                self.buckets[at].1 -= taken;
                self.count -= taken;
            }
        }
        self.buckets.retain(|b| b.1 > 0);
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.buckets.clear();
        self.count = 0;
    }

    fn add(&mut self, index: i16, n: u64) {
        match self.buckets.binary_search_by_key(&index, |b| b.0) {
            Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(n),
            Err(at) => self.buckets.insert(at, (index, n)),
        }
        self.count = self.count.saturating_add(n);
    }

    /// The value below or at which a share `q` (0 to 1) of the counts lies, in milliseconds; `None` when empty.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0_u64;
        for &(index, n) in &self.buckets {
            seen = seen.saturating_add(n);
            if seen >= rank {
                return Some(estimate(index));
            }
        }
        self.buckets.last().map(|&(index, _)| estimate(index))
    }

    /// As bytes: a version, the number of buckets, the first index (zigzag) and the gaps, then the counts, all as
    /// varints.
    pub fn to_blob(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 + 3 * self.buckets.len());
        out.push(BLOB_VERSION);
        put_varint(&mut out, self.buckets.len() as u64);
        let mut last = None;
        for &(index, _) in &self.buckets {
            match last {
                None => put_varint(&mut out, zigzag(index)),
                Some(before) => put_varint(&mut out, u64::from(index.abs_diff(before))),
            }
            last = Some(index);
        }
        for &(_, n) in &self.buckets {
            put_varint(&mut out, n);
        }
        out
    }

    /// From bytes.
    ///
    /// # Errors
    /// Another version, or bytes that [`Histogram::to_blob`] does not write.
    pub fn from_blob(blob: &[u8]) -> Result<Self, BlobError> {
        let mut reader = Reader { blob, at: 0 };
        match blob.first() {
            None => return Err(BlobError::Corrupt(0)),
            Some(&BLOB_VERSION) => reader.at = 1,
            Some(&version) => return Err(BlobError::Version(version)),
        }
        let n = reader.varint()?;
        if n > (i32::from(MAX_INDEX) - i32::from(MIN_INDEX) + 1) as u64 {
            return Err(BlobError::Corrupt(reader.at));
        }
        let mut buckets = Vec::with_capacity(n as usize);
        // History decodes thousands of these at a time. Indices grow, so the first and the last bound them all.
        let mut index = 0_i64;
        for bucket in 0..n {
            let raw = reader.varint()?;
            index = match bucket {
                0 => unzigzag(raw),
                _ if raw == 0 => return Err(BlobError::Corrupt(reader.at)),
                _ => index.saturating_add_unsigned(raw),
            };
            if index < i64::from(MIN_INDEX) {
                return Err(BlobError::Corrupt(reader.at));
            }
            buckets.push((index as i16, 0));
        }
        if index > i64::from(MAX_INDEX) {
            return Err(BlobError::Corrupt(reader.at));
        }
        let (mut count, mut empty) = (0_u128, false);
        for bucket in &mut buckets {
            bucket.1 = reader.varint()?;
            count += u128::from(bucket.1);
            empty |= bucket.1 == 0;
        }
        let count = match u64::try_from(count) {
            Ok(count) if !empty => count,
            _ => return Err(BlobError::Corrupt(reader.at)),
        };
        if reader.at == blob.len() {
            Ok(Self { buckets, count })
        } else {
            Err(BlobError::Corrupt(reader.at))
        }
    }
}

fn zigzag(value: i16) -> u64 {
    let value = i64::from(value);
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

struct Reader<'a> {
    blob: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn varint(&mut self) -> Result<u64, BlobError> {
        // Nearly all are one byte: gaps between neighbours, counts of a bucket.
        if let Some(&byte @ ..0x80) = self.blob.get(self.at) {
            self.at += 1;
            return Ok(u64::from(byte));
        }
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.blob.get(self.at).ok_or(BlobError::Corrupt(self.at))?;
            self.at += 1;
            // The tenth byte has room for one bit only.
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(BlobError::Corrupt(self.at))
    }
}
