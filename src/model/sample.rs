//! Samples, and the marker that ends a series.

/// One measured value.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// The value; [`STALE_NAN`] ends the series.
    pub value: f64,
}

/// Bits of the NaN that marks a series as gone (`prometheus/model/value`).
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;
/// Bits of the NaN that any other not-a-number is written as.
pub const NORMAL_NAN_BITS: u64 = 0x7ff8_0000_0000_0001;
/// The value that marks a series as gone: queries stop looking back at it.
pub const STALE_NAN: f64 = f64::from_bits(STALE_NAN_BITS);

/// Whether a value is the stale marker; an ordinary NaN is not.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}
