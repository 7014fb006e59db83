//! Bodies, read with a cap and unpacked with the same cap.

use std::io::Read;

/// The most that is read of any body, whatever is configured, in bytes.
pub const HARD_LIMIT: usize = 64 << 20;

/// Why a body cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// More came out than is allowed.
    #[error("body size limit exceeded: more than {limit} bytes")]
    TooLarge {
        /// What is allowed.
        limit: usize,
    },
    /// The packed bytes are broken.
    #[error("unpack gzip: {0}")]
    Broken(std::io::Error),
}

/// Unpacks gzip into `into`, replacing what it held.
///
/// # Errors
/// Where the bytes are no gzip or hold more than `limit`.
pub fn gunzip(packed: &[u8], limit: usize, into: &mut Vec<u8>) -> Result<(), UnpackError> {
    into.clear();
    let cap = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    flate2::read::MultiGzDecoder::new(packed)
        .take(cap)
        .read_to_end(into)
        .map_err(UnpackError::Broken)?;
    if into.len() > limit {
        return Err(UnpackError::TooLarge { limit });
    }
    Ok(())
}

/// Gives memory back after an unusually large body: a buffer stays at most four times as large as what it last held.
pub fn shrink(buffer: &mut Vec<u8>) {
    const SMALL: usize = 64 << 10;
    if buffer.capacity() > SMALL && buffer.capacity() / 4 > buffer.len() {
        buffer.shrink_to(buffer.len().max(SMALL) * 2);
    }
}
