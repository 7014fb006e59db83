//! What definitions mean for everything else: rules made of thresholds and objectives, alerts that know whose they are, values
//! that are judged.
//!
//! ```text
//! definitions ─▶ generate ─▶ an ordinary rule file: values, thresholds, progress, error budgets
//!             ─▶ index ────▶ what an alert lacks, by the metric families that its expression reads
//!             ─▶ judge ────▶ ok, warning, critical; how far an objective is, and whether that is far enough
//! ```
//!
//! Everything here is a function of definitions (and, for pace, of a time): nothing reads a database, evaluates an
//! expression or speaks HTTP. What a definition says stands in the rules as quoted text, never as code: expressions are
//! written anew from their syntax trees, templates in names are disarmed, and the file goes through a YAML writer.

mod budget;
pub mod expression;
pub mod generate;
pub mod index;
pub mod judge;
mod progress;
pub mod rule_file;
#[cfg(test)]
mod testing;
mod threshold;
