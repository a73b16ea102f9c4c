//! CompressedData undone (RFC 3274), within a bound.

use flate2::read::ZlibDecoder;
use zeroize::Zeroizing;

use crate::crypt::{
    OpenError,
    collect::{Content, collect},
};

/// A content that is larger than this, in bytes, and more than so many times its stream, is no mail but a bomb.
const LARGE: usize = 16 << 20;
const MOST_TIMES: usize = 200;

/// Inflates a zlib stream (RFC 1950), of which not more than `limit` bytes may come.
///
/// # Errors
/// [`OpenError::Limit`] for more, and for a bomb, [`OpenError::Malformed`] for what is no zlib stream, or has anything behind it.
pub(in crate::crypt::smime) fn inflate(stream: &[u8], limit: usize) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let most = LARGE.max(stream.len().saturating_mul(MOST_TIMES));
    let mut decoder = ZlibDecoder::new(stream);
    let content = match collect(&mut decoder, stream.len().saturating_mul(2), limit.min(most)) {
        Ok(Content::Whole(content)) => content,
        Ok(Content::TooLarge) if limit <= most => return Err(OpenError::Limit("its content is too large")),
        Ok(Content::TooLarge) => return Err(OpenError::Limit("its content is compressed more than mail can be")),
        Err(_) => return Err(OpenError::Malformed("its compressed content is damaged")),
    };
    if decoder.total_in() != stream.len() as u64 {
        return Err(OpenError::Malformed("its compressed content is damaged"));
    }
    Ok(content)
}
