//! The signatures of all PromQL functions, experimental ones included.
//!
//! Facts from Prometheus 3.14 (`promql/parser/functions.go`,
//! <https://prometheus.io/docs/prometheus/latest/querying/functions/>). What a function computes is the evaluator's.

use super::ast::FunctionId as Id;
use super::ast::ValueType::{self, Matrix, Scalar, String, Vector};
use super::ast::{AggregateOp, Function, FunctionId};

/// Every function, sorted by name.
pub static FUNCTIONS: [Function; 90] = [
    f(Id::Abs, "abs", &[Vector], Vector),
    f(Id::Absent, "absent", &[Vector], Vector),
    f(Id::AbsentOverTime, "absent_over_time", &[Matrix], Vector),
    f(Id::Acos, "acos", &[Vector], Vector),
    f(Id::Acosh, "acosh", &[Vector], Vector),
    f(Id::Asin, "asin", &[Vector], Vector),
    f(Id::Asinh, "asinh", &[Vector], Vector),
    f(Id::Atan, "atan", &[Vector], Vector),
    f(Id::Atanh, "atanh", &[Vector], Vector),
    f(Id::AvgOverTime, "avg_over_time", &[Matrix], Vector),
    f(Id::Ceil, "ceil", &[Vector], Vector),
    f(Id::Changes, "changes", &[Matrix], Vector),
    f(Id::Clamp, "clamp", &[Vector, Scalar, Scalar], Vector),
    f(Id::ClampMax, "clamp_max", &[Vector, Scalar], Vector),
    f(Id::ClampMin, "clamp_min", &[Vector, Scalar], Vector),
    f(Id::Cos, "cos", &[Vector], Vector),
    f(Id::Cosh, "cosh", &[Vector], Vector),
    f(Id::CountOverTime, "count_over_time", &[Matrix], Vector),
    f(Id::DayOfMonth, "day_of_month", &[Vector], Vector).optional(1),
    f(Id::DayOfWeek, "day_of_week", &[Vector], Vector).optional(1),
    f(Id::DayOfYear, "day_of_year", &[Vector], Vector).optional(1),
    f(Id::DaysInMonth, "days_in_month", &[Vector], Vector).optional(1),
    f(Id::Deg, "deg", &[Vector], Vector),
    f(Id::Delta, "delta", &[Matrix], Vector),
    f(Id::Deriv, "deriv", &[Matrix], Vector),
    f(
        Id::DoubleExponentialSmoothing,
        "double_exponential_smoothing",
        &[Matrix, Scalar, Scalar],
        Vector,
    )
    .experimental(),
    f(Id::End, "end", &[], Scalar).experimental(),
    f(Id::Exp, "exp", &[Vector], Vector),
    f(Id::FirstOverTime, "first_over_time", &[Matrix], Vector).experimental(),
    f(Id::Floor, "floor", &[Vector], Vector),
    f(Id::HistogramAvg, "histogram_avg", &[Vector], Vector),
    f(Id::HistogramCount, "histogram_count", &[Vector], Vector),
    f(
        Id::HistogramFraction,
        "histogram_fraction",
        &[Scalar, Scalar, Vector],
        Vector,
    ),
    f(
        Id::HistogramQuantile,
        "histogram_quantile",
        &[Scalar, Vector],
        Vector,
    ),
    f(
        Id::HistogramQuantiles,
        "histogram_quantiles",
        &[Vector, String, Scalar, Scalar],
        Vector,
    )
    .optional(9)
    .experimental(),
    f(Id::HistogramStddev, "histogram_stddev", &[Vector], Vector),
    f(Id::HistogramStdvar, "histogram_stdvar", &[Vector], Vector),
    f(Id::HistogramSum, "histogram_sum", &[Vector], Vector),
    f(Id::Hour, "hour", &[Vector], Vector).optional(1),
    f(Id::Idelta, "idelta", &[Matrix], Vector),
    f(Id::Increase, "increase", &[Matrix], Vector),
    f(Id::Info, "info", &[Vector, Vector], Vector)
        .optional(1)
        .experimental(),
    f(Id::Irate, "irate", &[Matrix], Vector),
    f(
        Id::LabelJoin,
        "label_join",
        &[Vector, String, String, String],
        Vector,
    )
    .repeating(),
    f(
        Id::LabelReplace,
        "label_replace",
        &[Vector, String, String, String, String],
        Vector,
    ),
    f(Id::LastOverTime, "last_over_time", &[Matrix], Vector),
    f(Id::Ln, "ln", &[Vector], Vector),
    f(Id::Log10, "log10", &[Vector], Vector),
    f(Id::Log2, "log2", &[Vector], Vector),
    f(Id::MadOverTime, "mad_over_time", &[Matrix], Vector).experimental(),
    f(Id::MaxOf, "max_of", &[Scalar, Scalar], Scalar).experimental(),
    f(Id::MaxOverTime, "max_over_time", &[Matrix], Vector),
    f(Id::MinOf, "min_of", &[Scalar, Scalar], Scalar).experimental(),
    f(Id::MinOverTime, "min_over_time", &[Matrix], Vector),
    f(Id::Minute, "minute", &[Vector], Vector).optional(1),
    f(Id::Month, "month", &[Vector], Vector).optional(1),
    f(Id::Pi, "pi", &[], Scalar),
    f(
        Id::PredictLinear,
        "predict_linear",
        &[Matrix, Scalar],
        Vector,
    ),
    f(Id::PresentOverTime, "present_over_time", &[Matrix], Vector),
    f(
        Id::QuantileOverTime,
        "quantile_over_time",
        &[Scalar, Matrix],
        Vector,
    ),
    f(Id::Rad, "rad", &[Vector], Vector),
    f(Id::Range, "range", &[], Scalar).experimental(),
    f(Id::Rate, "rate", &[Matrix], Vector),
    f(Id::Resets, "resets", &[Matrix], Vector),
    f(Id::Round, "round", &[Vector, Scalar], Vector).optional(1),
    f(Id::Scalar, "scalar", &[Vector], Scalar),
    f(Id::Sgn, "sgn", &[Vector], Vector),
    f(Id::Sin, "sin", &[Vector], Vector),
    f(Id::Sinh, "sinh", &[Vector], Vector),
    f(Id::Sort, "sort", &[Vector], Vector),
    f(Id::SortByLabel, "sort_by_label", &[Vector, String], Vector)
        .repeating()
        .experimental(),
    f(
        Id::SortByLabelDesc,
        "sort_by_label_desc",
        &[Vector, String],
        Vector,
    )
    .repeating()
    .experimental(),
    f(Id::SortDesc, "sort_desc", &[Vector], Vector),
    f(Id::Sqrt, "sqrt", &[Vector], Vector),
    f(Id::Start, "start", &[], Scalar).experimental(),
    f(Id::StartTimestamp, "start_timestamp", &[Vector], Vector).experimental(),
    f(Id::StddevOverTime, "stddev_over_time", &[Matrix], Vector),
    f(Id::StdvarOverTime, "stdvar_over_time", &[Matrix], Vector),
    f(Id::Step, "step", &[], Scalar).experimental(),
    f(Id::SumOverTime, "sum_over_time", &[Matrix], Vector),
    f(Id::Tan, "tan", &[Vector], Vector),
    f(Id::Tanh, "tanh", &[Vector], Vector),
    f(Id::Time, "time", &[], Scalar),
    f(Id::Timestamp, "timestamp", &[Vector], Vector),
    f(
        Id::TsOfFirstOverTime,
        "ts_of_first_over_time",
        &[Matrix],
        Vector,
    )
    .experimental(),
    f(
        Id::TsOfLastOverTime,
        "ts_of_last_over_time",
        &[Matrix],
        Vector,
    )
    .experimental(),
    f(
        Id::TsOfMaxOverTime,
        "ts_of_max_over_time",
        &[Matrix],
        Vector,
    )
    .experimental(),
    f(
        Id::TsOfMinOverTime,
        "ts_of_min_over_time",
        &[Matrix],
        Vector,
    )
    .experimental(),
    f(Id::Vector, "vector", &[Scalar], Vector),
    f(Id::Year, "year", &[Vector], Vector).optional(1),
];

/// The function of a name; names are case-sensitive.
pub fn lookup(name: &str) -> Option<&'static Function> {
    FUNCTIONS
        .binary_search_by(|function| function.name.cmp(name))
        .ok()
        .map(|position| &FUNCTIONS[position])
}

/// The signature of a function.
pub fn by_id(id: FunctionId) -> &'static Function {
    FUNCTIONS
        .iter()
        .find(|function| function.id == id)
        .expect("the table holds every function, as its test proves")
}

/// The fewest and, where there is a bound, the most arguments a function takes.
pub fn arity(function: &Function) -> (usize, Option<usize>) {
    let types = function.args.len();
    match function.variadic {
        0 => (types, Some(types)),
        extra => (
            types - 1,
            usize::try_from(extra).ok().map(|extra| types - 1 + extra),
        ),
    }
}

/// The type of the argument at `position`; the last type stands for all that follow.
pub fn argument_type(function: &Function, position: usize) -> ValueType {
    let last = function.args.len().saturating_sub(1);
    function.args[position.min(last)]
}

/// The function or aggregation whose name is most like an unknown one, where one is close.
pub fn similar(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        // Renamed in Prometheus 3.
        "holt_winters" => return Some("double_exponential_smoothing"),
        // What other databases call it.
        "average" | "mean" => return Some("avg"),
        _ => {}
    }
    let functions = FUNCTIONS.iter().map(|function| function.name);
    let aggregations = AggregateOp::ALL.iter().map(|op| op.as_str());
    nearest(&lower, functions.chain(aggregations), 1).pop()
}

/// The names that are most like another, nearest first, at most so many; none where none is close.
pub fn nearest<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
    count: usize,
) -> Vec<&'a str> {
    let most = match name.len() {
        0..=3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    let mut near: Vec<(usize, bool, &str)> = known
        .into_iter()
        // Neither can be near where the lengths are not.
        .filter(|known| known.len().abs_diff(name.len()) <= most)
        .map(|known| (edit_distance(name, known), !known.starts_with(name), known))
        .filter(|(distance, _, _)| *distance <= most)
        .collect();
    // Of equally near ones rather that which goes on where the name stops.
    near.sort_unstable();
    near.truncate(count);
    near.into_iter().map(|(_, _, known)| known).collect()
}

/// How many letters must be put in, taken out, replaced or swapped with their neighbour.
fn edit_distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 120;
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

const fn f(
    id: FunctionId,
    name: &'static str,
    args: &'static [ValueType],
    returns: ValueType,
) -> Function {
    Function {
        id,
        name,
        args,
        variadic: 0,
        returns,
        experimental: false,
    }
}

impl Function {
    const fn optional(mut self, most: i8) -> Self {
        self.variadic = most;
        self
    }

    const fn repeating(mut self) -> Self {
        self.variadic = -1;
        self
    }

    const fn experimental(mut self) -> Self {
        self.experimental = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_name_and_id_leads_to_its_function() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        for function in &FUNCTIONS {
            assert_eq!(lookup(function.name), Some(function));
            assert_eq!(by_id(function.id).name, function.name);
            let id = format!("{:?}", function.id).to_lowercase();
            assert_eq!(id, function.name.replace('_', ""));
        }
        assert!(lookup("Rate").is_none() && lookup("").is_none());
        // `Year` is the last variant: as many entries as variants, and no id twice.
        assert_eq!(FUNCTIONS.len(), FunctionId::Year as usize + 1);
    }

    #[test]
    fn arities_are_prometheus_s() {
        let check = |name: &str, want| assert_eq!(arity(lookup(name).expect(name)), want, "{name}");
        check("time", (0, Some(0)));
        check("rate", (1, Some(1)));
        check("round", (1, Some(2)));
        check("hour", (0, Some(1)));
        check("label_join", (3, None));
        check("sort_by_label", (1, None));
        check("histogram_quantiles", (3, Some(12)));
    }

    #[test]
    fn unknown_names_lead_to_the_most_similar_function() {
        let check = |name: &str, want: Option<&str>| assert_eq!(similar(name), want, "{name}");
        check("rat", Some("rate"));
        check("Rate", Some("rate"));
        check("histogram_quantil", Some("histogram_quantile"));
        check("lable_replace", Some("label_replace"));
        check("holt_winters", Some("double_exponential_smoothing"));
        check("summ", Some("sum"));
        check("foo", None);
        check(&"x".repeat(1000), None);
    }
}
