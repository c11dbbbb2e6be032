//! A finished answer: the bytes of its body in one content coding, with what its headers need. This is also what the cache
//! keeps, so that a hit is sent without being parsed or compressed again.

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use sha2::{Digest, Sha256};

/// Below this an answer is a packet or two either way, which arrive together: compressing it would only take time.
const GZIP_FROM: usize = 1400;
/// No answer is near it: pages are bounded, and dashboards are small.
const LARGEST_BODY: usize = 64 << 20;
const HASH_LENGTH: usize = 16;
/// What gzip puts before the compressed stream when nothing is said of a file, and after it: the checksum and the length.
const GZIP_HEADER_BYTES: usize = 10;
const GZIP_TRAILER_BYTES: usize = 8;

// One of each serves all answers. Their states are tens and hundreds of KiB, which glibc before 2.38 does not take back whole from
// freed memory (its bug 14581): a process would grow with every answer.
thread_local! {
    /// The fastest level: what it leaves is a few per cent, and a reader waits for it.
    static COMPRESSOR: RefCell<Compress> = RefCell::new(Compress::new_gzip(Compression::fast(), 15));
    /// Of the stream alone: one that knows gzip's header cannot be used again.
    static DECOMPRESSOR: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// A finished answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    body: Vec<u8>,
    gzipped: bool,
    /// Of the plain body, whatever the coding.
    hash: [u8; HASH_LENGTH],
    next_cursor: Option<String>,
}

impl Content {
    /// An answer as it was written, and the cursor of the page after it.
    pub fn plain(body: Vec<u8>, next_cursor: Option<String>) -> Self {
        Self {
            hash: hash_of(&body),
            body,
            gzipped: false,
            next_cursor,
        }
    }

    /// The same answer, gzipped if that is worth it.
    #[must_use]
    pub fn compressed(&self) -> Self {
        if self.gzipped || self.body.len() < GZIP_FROM {
            return self.clone();
        }
        match gzipped(&self.body) {
            Some(body) => Self {
                body,
                gzipped: true,
                ..self.clone_without_body()
            },
            None => self.clone(),
        }
    }

    /// The same answer for a client that refuses gzip; `None` when what was stored is damaged.
    pub fn inflated(self) -> Option<Self> {
        if !self.gzipped {
            return Some(self);
        }
        let body = inflated(&self.body).filter(|body| hash_of(body) == self.hash)?;
        Some(Self {
            body,
            gzipped: false,
            ..self
        })
    }

    /// The ETag: one for each coding, because a strong tag stands for bytes.
    pub fn etag(&self) -> String {
        let hash = URL_SAFE_NO_PAD.encode(self.hash);
        if self.gzipped {
            format!("\"{hash}-gzip\"")
        } else {
            format!("\"{hash}\"")
        }
    }

    /// Whether the body is gzipped.
    pub fn is_gzipped(&self) -> bool {
        self.gzipped
    }

    /// The cursor of the page after this one.
    pub fn next_cursor(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }

    /// The body's bytes.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// As the cache keeps it: coding, hash, length of the cursor, cursor, body.
    pub fn to_bytes(&self) -> Vec<u8> {
        let cursor = self.next_cursor.as_deref().unwrap_or_default();
        // A cursor is some forty characters; one that does not fit is left out, never cut.
        let length = u8::try_from(cursor.len()).unwrap_or(0);
        let mut bytes = Vec::with_capacity(2 + HASH_LENGTH + cursor.len() + self.body.len());
        bytes.push(u8::from(self.gzipped));
        bytes.extend(self.hash);
        bytes.push(length);
        bytes.extend(&cursor.as_bytes()[..usize::from(length)]);
        bytes.extend(&self.body);
        bytes
    }

    /// Reads what [`Content::to_bytes`] wrote; `None` for anything else.
    pub fn from_bytes(mut bytes: Vec<u8>) -> Option<Self> {
        let (&coding, rest) = bytes.split_first()?;
        let (&hash, rest) = rest.split_first_chunk::<HASH_LENGTH>()?;
        let (&length, rest) = rest.split_first()?;
        let (cursor, body) = rest.split_at_checked(usize::from(length))?;
        let cursor = str::from_utf8(cursor).ok()?.to_owned();
        let gzipped = match coding {
            0 => false,
            1 => true,
            _ => return None,
        };
        let body_at = bytes.len() - body.len();
        let next_cursor = Some(cursor).filter(|cursor| !cursor.is_empty());
        Some(Self {
            body: bytes.split_off(body_at),
            gzipped,
            hash,
            next_cursor,
        })
    }

    fn clone_without_body(&self) -> Self {
        Self {
            body: Vec::new(),
            next_cursor: self.next_cursor.clone(),
            ..*self
        }
    }
}

/// In one step, with room for as much as there was: what gzip does not make smaller stays as it is.
fn gzipped(plain: &[u8]) -> Option<Vec<u8>> {
    let mut packed = Vec::with_capacity(plain.len());
    let status = COMPRESSOR.with_borrow_mut(|compressor| {
        compressor.reset();
        compressor.compress_vec(plain, &mut packed, FlushCompress::Finish)
    });
    (status.ok()? == Status::StreamEnd).then_some(packed)
}

/// Undoes [`gzipped`]; whether it is what it was, its hash tells.
fn inflated(packed: &[u8]) -> Option<Vec<u8>> {
    let (_header, rest) = packed.split_at_checked(GZIP_HEADER_BYTES)?;
    let (stream, trailer) = rest.split_last_chunk::<GZIP_TRAILER_BYTES>()?;
    let (_checksum, length) = trailer.split_last_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if length > LARGEST_BODY {
        return None;
    }
    // Room for one more, so that the stream's end is reached.
    let mut plain = Vec::with_capacity(length + 1);
    let status = DECOMPRESSOR.with_borrow_mut(|decompressor| {
        decompressor.reset(false);
        decompressor.decompress_vec(stream, &mut plain, FlushDecompress::Finish)
    });
    (status.ok()? == Status::StreamEnd).then_some(plain)
}

fn hash_of(body: &[u8]) -> [u8; HASH_LENGTH] {
    let mut hash = [0; HASH_LENGTH];
    hash.copy_from_slice(&Sha256::digest(body)[..HASH_LENGTH]);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn large() -> Content {
        Content::plain(b"[1,2,3]".repeat(1000), Some("abc".into()))
    }

    #[test]
    fn an_answer_comes_back_from_the_cache_as_it_went() {
        for content in [
            Content::plain(b"{}".to_vec(), None),
            large(),
            large().compressed(),
        ] {
            assert_eq!(Content::from_bytes(content.to_bytes()), Some(content));
        }
    }

    #[test]
    fn what_the_cache_garbled_is_no_answer() {
        assert_eq!(Content::from_bytes(Vec::new()), None);
        assert_eq!(Content::from_bytes(b"garbage".to_vec()), None);
        let mut bytes = large().to_bytes();
        bytes[0] = 7;
        assert_eq!(Content::from_bytes(bytes), None);
    }

    #[test]
    fn gzip_starts_where_a_packet_ends_and_is_undone() {
        assert!(
            !Content::plain(vec![b' '; GZIP_FROM - 1], None)
                .compressed()
                .is_gzipped()
        );
        let packed = Content::plain(vec![b' '; GZIP_FROM], None).compressed();
        assert!(packed.is_gzipped());
        assert_eq!(large().compressed().inflated(), Some(large()));
    }

    #[test]
    fn what_gzip_does_not_make_smaller_stays_as_it_is() {
        let noise: Vec<u8> = (0..1_000u32)
            .flat_map(|n| Sha256::digest(n.to_le_bytes()))
            .collect();
        let content = Content::plain(noise, None);
        assert_eq!(content.compressed(), content);
        assert!(
            large().compressed().is_gzipped(),
            "the next one is compressed as ever"
        );
    }

    #[test]
    fn a_damaged_body_is_not_inflated() {
        let packed = large().compressed();
        for length in [0, 9, 12, 20, packed.body.len() - 1] {
            let mut damaged = packed.clone();
            damaged.body.truncate(length);
            assert!(damaged.inflated().is_none(), "{length}");
        }
        for byte in GZIP_HEADER_BYTES..packed.body.len() - GZIP_TRAILER_BYTES {
            let mut damaged = packed.clone();
            damaged.body[byte] ^= 0x55;
            // The bits after the stream's end say nothing.
            let is_right = damaged.inflated().is_none_or(|content| content == large());
            assert!(is_right, "{byte}");
        }
        assert!(packed.inflated() == Some(large()), "the next one is sound");
    }

    #[test]
    fn each_coding_has_its_own_etag() {
        let (plain, packed) = (large().etag(), large().compressed().etag());
        assert_ne!(plain, packed);
        assert!(plain.starts_with('"') && plain.ends_with('"'));
        assert_eq!(
            large()
                .compressed()
                .inflated()
                .map(|content| content.etag()),
            Some(plain)
        );
    }
}
