//! Durations of selectors and subqueries: literals, and experimental arithmetic on them.

use super::super::ast::{BinaryOp, DurationExpr, DurationKind};
use super::EvalError;
use super::evaluator::Evaluator;

impl Evaluator<'_> {
    /// Milliseconds of an offset, which may be negative.
    pub(super) fn offset(&self, duration: &DurationExpr) -> Result<i64, EvalError> {
        if let DurationKind::Millis(millis) = duration.kind {
            return Ok(millis);
        }
        let millis = self.seconds(duration)? * 1000.0;
        if !(-9.2e18..9.2e18).contains(&millis) {
            return Err(bad(duration, "duration is out of range"));
        }
        Ok(millis as i64)
    }

    /// Milliseconds of a range or a step, which is more than zero.
    pub(super) fn length(&self, duration: &DurationExpr) -> Result<i64, EvalError> {
        match self.offset(duration)? {
            millis if millis > 0 => Ok(millis),
            _ => Err(bad(duration, "duration must be greater than 0")),
        }
    }

    fn seconds(&self, duration: &DurationExpr) -> Result<f64, EvalError> {
        Ok(match &duration.kind {
            DurationKind::Millis(millis) => *millis as f64 / 1000.0,
            DurationKind::Query(which) => self.query_time(*which),
            DurationKind::Unary { negate, expr } => {
                let seconds = self.seconds(expr)?;
                if *negate { -seconds } else { seconds }
            }
            DurationKind::Pick {
                larger,
                left,
                right,
            } => {
                let (left, right) = (self.seconds(left)?, self.seconds(right)?);
                if *larger {
                    left.max(right)
                } else {
                    left.min(right)
                }
            }
            DurationKind::Binary { op, left, right } => {
                let (left, right) = (self.seconds(left)?, self.seconds(right)?);
                match op {
                    BinaryOp::Add => left + right,
                    BinaryOp::Sub => left - right,
                    BinaryOp::Mul => left * right,
                    BinaryOp::Div if right == 0.0 => return Err(bad(duration, "division by zero")),
                    BinaryOp::Div => left / right,
                    BinaryOp::Mod if right == 0.0 => return Err(bad(duration, "modulo by zero")),
                    BinaryOp::Mod => left % right,
                    BinaryOp::Pow => left.powf(right),
                    _ => return Err(bad(duration, "unexpected duration expression operator")),
                }
            }
        })
    }
}

fn bad(duration: &DurationExpr, what: &str) -> EvalError {
    EvalError::Invalid(format!(
        "{}:{}: {what}",
        duration.span.start, duration.span.end
    ))
}
