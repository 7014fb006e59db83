//! The words of PromQL, each with its form and a line of help: what completion offers.
//!
//! Functions that cannot be evaluated here ([`super::support`]) are not among them, nor is experimental syntax.

use super::ast::{AggregateOp, Function, ValueType};
use super::functions::FUNCTIONS;

/// One word.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Word {
    /// As written.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// How it is used: `rate(range vector)`.
    pub form: String,
    /// What it does, in a line.
    pub help: &'static str,
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `rate`, ...
    Function,
    /// `sum`, ...
    Aggregation,
    /// `by`, `offset`, ...
    Keyword,
}

/// All words: functions, aggregations, keywords.
pub fn words() -> Vec<Word> {
    let functions = FUNCTIONS.iter().filter_map(|function| {
        Some(Word {
            name: function.name,
            kind: Kind::Function,
            form: form(function),
            help: help(function.name)?,
        })
    });
    let aggregations = AggregateOp::ALL.iter().filter_map(|op| {
        let parameter = match op {
            AggregateOp::CountValues => "label, ",
            AggregateOp::Quantile => "share, ",
            AggregateOp::Topk | AggregateOp::Bottomk => "count, ",
            _ => "",
        };
        Some(Word {
            name: op.as_str(),
            kind: Kind::Aggregation,
            form: format!("{} by (labels) ({parameter}instant vector)", op.as_str()),
            help: help(op.as_str())?,
        })
    });
    let keywords = KEYWORDS.iter().map(|(name, form, help)| Word {
        name,
        kind: Kind::Keyword,
        form: (*form).to_owned(),
        help,
    });
    functions.chain(aggregations).chain(keywords).collect()
}

fn form(function: &Function) -> String {
    let arguments: Vec<&str> = function.args.iter().map(|kind| word(*kind)).collect();
    let more = if function.variadic < 0 { ", …" } else { "" };
    format!("{}({}{more})", function.name, arguments.join(", "))
}

fn word(kind: ValueType) -> &'static str {
    match kind {
        ValueType::Scalar => "number",
        ValueType::String => "text",
        ValueType::Vector => "instant vector",
        ValueType::Matrix => "range vector",
    }
}

const KEYWORDS: [(&str, &str, &str); 11] = [
    (
        "and",
        "left and right",
        "series on the left that have one with the same labels on the right",
    ),
    (
        "or",
        "left or right",
        "series on the left, and those on the right that match none of them",
    ),
    (
        "unless",
        "left unless right",
        "series on the left that have none with the same labels on the right",
    ),
    (
        "by",
        "sum by (labels) (…)",
        "one group for each value of these labels",
    ),
    (
        "without",
        "sum without (labels) (…)",
        "one group for each value of all other labels",
    ),
    (
        "on",
        "left / on (labels) right",
        "match series by these labels alone",
    ),
    (
        "ignoring",
        "left / ignoring (labels) right",
        "match series by all labels but these",
    ),
    (
        "group_left",
        "left * on (labels) group_left (more) right",
        "several series on the left match one on the right",
    ),
    (
        "group_right",
        "left * on (labels) group_right (more) right",
        "one series on the left matches several on the right",
    ),
    ("offset", "metric offset 5m", "values of so long ago"),
    (
        "bool",
        "left > bool right",
        "0 or 1 instead of leaving series out",
    ),
];

fn help(name: &str) -> Option<&'static str> {
    let text = match name {
        "abs" => "values without their sign",
        "absent" => "1 where there is no series, nothing where there is one",
        "absent_over_time" => "1 where there was no sample in the range",
        "acos" | "asin" | "atan" | "acosh" | "asinh" | "atanh" => {
            "inverse trigonometric function of each value"
        }
        "cos" | "sin" | "tan" | "cosh" | "sinh" | "tanh" => {
            "trigonometric function of each value, in radians"
        }
        "avg_over_time" => "mean of the samples in the range",
        "ceil" => "rounded up to a whole number",
        "changes" => "how often the value changed in the range",
        "clamp" => "values kept between the lowest and the highest given",
        "clamp_max" => "values no higher than given",
        "clamp_min" => "values no lower than given",
        "count_over_time" => "how many samples are in the range",
        "day_of_month" => "day of the month, 1 to 31, in UTC",
        "day_of_week" => "day of the week, 0 is Sunday, in UTC",
        "day_of_year" => "day of the year, 1 to 366, in UTC",
        "days_in_month" => "days that the month has, in UTC",
        "deg" => "radians as degrees",
        "delta" => "difference of a gauge between the ends of the range",
        "deriv" => "slope of a gauge each second, by linear regression",
        "exp" => "e to the power of each value",
        "floor" => "rounded down to a whole number",
        "histogram_fraction" => {
            "share of a histogram's observations between two values; needs the label le"
        }
        "histogram_quantile" => {
            "value below which this share of a histogram's observations lies; needs the label le"
        }
        "hour" => "hour of the day, 0 to 23, in UTC",
        "idelta" => "difference of the last two samples of a gauge",
        "increase" => "how much a counter grew in the range, resets taken into account",
        "irate" => "growth of a counter each second, from the last two samples",
        "label_join" => "joins values of labels into another: target, separator, sources",
        "label_replace" => "sets a label by a pattern: target, replacement, source, pattern",
        "last_over_time" => "newest sample in the range",
        "ln" => "natural logarithm",
        "log10" => "decimal logarithm",
        "log2" => "binary logarithm",
        "max_over_time" => "highest sample in the range",
        "min_over_time" => "lowest sample in the range",
        "minute" => "minute of the hour, in UTC",
        "month" => "month of the year, 1 to 12, in UTC",
        "pi" => "3.14159…",
        "predict_linear" => "value that a gauge will have in so many seconds, by linear regression",
        "present_over_time" => "1 where there is any sample in the range",
        "quantile_over_time" => "quantile of the samples in the range",
        "rad" => "degrees as radians",
        "rate" => "growth of a counter each second, over the range, resets taken into account",
        "resets" => "how often a counter fell in the range",
        "round" => "rounded to the nearest whole number, or multiple of the one given",
        "scalar" => "the value of the only series as a number; NaN where there are more",
        "sgn" => "-1, 0 or 1 by the sign",
        "sort" => "by value, lowest first; in tables only",
        "sort_desc" => "by value, highest first; in tables only",
        "sqrt" => "square root",
        "stddev_over_time" => "standard deviation of the samples in the range",
        "stdvar_over_time" => "variance of the samples in the range",
        "sum_over_time" => "sum of the samples in the range",
        "time" => "seconds since 1970 at the time of evaluation",
        "timestamp" => "time of each sample in seconds since 1970",
        "vector" => "a number as a series without labels",
        "year" => "year, in UTC",
        "sum" => "sum of each group",
        "avg" => "mean of each group",
        "min" => "lowest value of each group",
        "max" => "highest value of each group",
        "group" => "1 for each group",
        "stddev" => "standard deviation of each group",
        "stdvar" => "variance of each group",
        "count" => "how many series each group has",
        "count_values" => "how many series have the same value, which becomes a label",
        "bottomk" => "the lowest series of each group",
        "topk" => "the highest series of each group",
        "quantile" => "quantile of each group",
        _ => return None,
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::{parser, support};

    #[test]
    fn every_function_that_can_be_evaluated_has_a_line_of_help() {
        let words = words();
        let known = |name: &str| words.iter().any(|word| word.name == name);
        for function in FUNCTIONS.iter().filter(|function| !function.experimental) {
            let arguments: Vec<&str> = function
                .args
                .iter()
                .map(|kind| match kind {
                    ValueType::Scalar => "1",
                    ValueType::String => "\"a\"",
                    ValueType::Vector => "up",
                    ValueType::Matrix => "up[5m]",
                })
                .collect();
            let text = format!("{}({})", function.name, arguments.join(", "));
            let expr = parser::parse(&text).unwrap();
            assert_eq!(
                known(function.name),
                support::check(&expr).is_ok(),
                "{text}"
            );
        }
        assert!(known("sum") && known("offset") && !known("limitk"));
        let names: std::collections::BTreeSet<_> = words.iter().map(|word| word.name).collect();
        assert_eq!(names.len(), words.len(), "each word once");
    }

    #[test]
    fn forms_say_what_goes_where() {
        let words = words();
        let form = |name: &str| {
            let word = words.iter().find(|word| word.name == name).unwrap();
            word.form.clone()
        };
        assert_eq!(form("rate"), "rate(range vector)");
        assert_eq!(form("clamp"), "clamp(instant vector, number, number)");
        assert_eq!(form("topk"), "topk by (labels) (count, instant vector)");
    }
}
