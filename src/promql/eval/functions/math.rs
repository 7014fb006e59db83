//! Functions of one number.

use super::super::super::ast::FunctionId as Id;

/// What a function makes of each value, where it is one of these.
pub(super) fn function(id: Id) -> Option<fn(f64) -> f64> {
    Some(match id {
        Id::Abs => f64::abs,
        Id::Ceil => f64::ceil,
        Id::Floor => f64::floor,
        Id::Exp => f64::exp,
        Id::Sqrt => f64::sqrt,
        Id::Ln => f64::ln,
        Id::Log2 => f64::log2,
        Id::Log10 => f64::log10,
        Id::Sgn => sign,
        Id::Sin => f64::sin,
        Id::Cos => f64::cos,
        Id::Tan => f64::tan,
        Id::Asin => f64::asin,
        Id::Acos => f64::acos,
        Id::Atan => f64::atan,
        Id::Sinh => f64::sinh,
        Id::Cosh => f64::cosh,
        Id::Tanh => f64::tanh,
        Id::Asinh => f64::asinh,
        Id::Acosh => f64::acosh,
        Id::Atanh => f64::atanh,
        Id::Rad => |value| value * std::f64::consts::PI / 180.0,
        Id::Deg => |value| value * 180.0 / std::f64::consts::PI,
        _ => return None,
    })
}

/// Unlike `f64::signum`, zero stays zero.
fn sign(value: f64) -> f64 {
    if value < 0.0 {
        -1.0
    } else if value > 0.0 {
        1.0
    } else {
        value
    }
}
