//! The syntax tree of PromQL: the complete grammar of Prometheus 3, each node with its span.
//!
//! The parser checks types, so a tree that exists is well-typed: an evaluator need not doubt its arguments.
//! <https://prometheus.io/docs/prometheus/latest/querying/basics/>

use std::ops::Range;

use crate::model::matcher::Matcher;

/// Bytes of the query text.
pub type Span = Range<usize>;

/// An expression and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// Where it stands in the query.
    pub span: Span,
    /// What it is.
    pub kind: ExprKind,
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `1.5`, `0x1f`, `Inf`, and durations as numbers of seconds (`5m`).
    Number(f64),
    /// `"text"`, escapes resolved.
    String(String),
    /// `metric{label="value"}`, an instant vector.
    Selector(Selector),
    /// `metric[5m]`, a range vector.
    Matrix {
        /// What is read.
        selector: Selector,
        /// How far back.
        range: DurationExpr,
    },
    /// `expr[1h:5m]`, a range vector.
    Subquery {
        /// What is evaluated at each step.
        expr: Box<Expr>,
        /// How far back.
        range: DurationExpr,
        /// The step; the default subquery step where absent.
        step: Option<DurationExpr>,
        /// `offset` and `@`.
        at: TimeModifiers,
    },
    /// `name(arguments)`.
    Call {
        /// The function.
        function: &'static Function,
        /// Its arguments, as many and of the types it takes.
        args: Vec<Expr>,
    },
    /// `sum by (label) (expr)`.
    Aggregate(Aggregate),
    /// `left op right`.
    Binary(Box<Binary>),
    /// `-expr`, `+expr`.
    Unary {
        /// Whether the sign is a minus.
        negate: bool,
        /// What it stands before.
        expr: Box<Expr>,
    },
    /// `(expr)`.
    Paren(Box<Expr>),
    /// `step()`, `range()`, `start()`, `end()` where an expression takes them as numbers (experimental).
    QueryTime(QueryTime),
}

/// The four types of PromQL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ValueType {
    /// A number.
    Scalar,
    /// Text.
    String,
    /// One value a series.
    Vector,
    /// Samples over a time a series.
    Matrix,
}

impl ValueType {
    /// As Prometheus's messages name it.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
        }
    }
}

/// What is selected from the store, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// All matchers, the metric name's `__name__` among them.
    pub matchers: Vec<Matcher>,
    /// `offset` and `@`.
    pub at: TimeModifiers,
    /// `anchored` or `smoothed` (experimental).
    pub extension: Option<Extension>,
}

/// Experimental treatment of a range's edges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extension {
    /// `anchored`
    Anchored,
    /// `smoothed`
    Smoothed,
}

/// `offset` and `@`; both may be given, in either order.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct TimeModifiers {
    /// How far the evaluation is moved into the past; negative into the future.
    pub offset: Option<DurationExpr>,
    /// The fixed time of evaluation.
    pub at: Option<AtModifier>,
}

/// What follows an `@`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AtModifier {
    /// A time in milliseconds since the epoch.
    Timestamp(i64),
    /// `@ start()`
    Start,
    /// `@ end()`
    End,
}

/// A duration: usually a literal; arithmetic on durations is experimental in Prometheus.
#[derive(Clone, Debug, PartialEq)]
pub struct DurationExpr {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: DurationKind,
}

/// The kinds of durations.
#[derive(Clone, Debug, PartialEq)]
pub enum DurationKind {
    /// Milliseconds; may be negative in an offset.
    Millis(i64),
    /// `step()` or `range()` (experimental).
    Query(QueryTime),
    /// `-d`, `+d` (experimental).
    Unary {
        /// Whether the sign is a minus.
        negate: bool,
        /// What it stands before.
        expr: Box<DurationExpr>,
    },
    /// `a + b`, `a - b`, `a * b`, `a / b`, `a % b`, `a ^ b` (experimental); operands in seconds.
    Binary {
        /// The operator, one of the six arithmetic ones.
        op: BinaryOp,
        /// Left operand.
        left: Box<DurationExpr>,
        /// Right operand.
        right: Box<DurationExpr>,
    },
    /// `min_of(a, b)`, `max_of(a, b)` (experimental).
    Pick {
        /// Whether the larger one is taken.
        larger: bool,
        /// First operand.
        left: Box<DurationExpr>,
        /// Second operand.
        right: Box<DurationExpr>,
    },
}

/// Properties of the running query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QueryTime {
    /// The query's step; zero for instant queries.
    Step,
    /// The query's end minus its start.
    Range,
    /// The query's start.
    Start,
    /// The query's end.
    End,
}

/// `op [by|without (labels)] ([param,] expr)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// The operator.
    pub op: AggregateOp,
    /// What is aggregated: an instant vector.
    pub expr: Box<Expr>,
    /// The parameter of `topk`, `bottomk`, `limitk`, `limit_ratio`, `quantile` (scalar) and `count_values` (string).
    pub param: Option<Box<Expr>>,
    /// Label names, as written.
    pub labels: Vec<String>,
    /// `without` rather than `by`.
    pub without: bool,
}

/// Aggregation operators.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AggregateOp {
    /// `sum`
    Sum,
    /// `avg`
    Avg,
    /// `min`
    Min,
    /// `max`
    Max,
    /// `group`
    Group,
    /// `stddev`
    Stddev,
    /// `stdvar`
    Stdvar,
    /// `count`
    Count,
    /// `count_values`
    CountValues,
    /// `bottomk`
    Bottomk,
    /// `topk`
    Topk,
    /// `quantile`
    Quantile,
    /// `limitk` (experimental)
    Limitk,
    /// `limit_ratio` (experimental)
    LimitRatio,
}

/// `left op right` with everything around the operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// Left operand.
    pub left: Expr,
    /// Right operand.
    pub right: Expr,
    /// `bool` after a comparison.
    pub return_bool: bool,
    /// How series of two vectors find each other; the default for scalars too.
    pub matching: VectorMatching,
}

/// How series of two vectors find each other.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct VectorMatching {
    /// One-to-one and so on.
    pub cardinality: Cardinality,
    /// `on (labels)` rather than `ignoring (labels)`.
    pub on: bool,
    /// Labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// Labels of `group_left` or `group_right`, copied from the "one" side.
    pub include: Vec<String>,
    /// `fill(v)` or `fill_left(v)` (experimental): value for series missing on the left.
    pub fill_left: Option<f64>,
    /// `fill(v)` or `fill_right(v)` (experimental): value for series missing on the right.
    pub fill_right: Option<f64>,
}

/// Which side may have several series for one of the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Cardinality {
    /// Neither.
    #[default]
    OneToOne,
    /// The left: `group_left`.
    ManyToOne,
    /// The right: `group_right`.
    OneToMany,
    /// Both: `and`, `or`, `unless`.
    ManyToMany,
}

/// Binary operators.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^`
    Pow,
    /// `atan2`
    Atan2,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `>`
    Gt,
    /// `<`
    Lt,
    /// `>=`
    Ge,
    /// `<=`
    Le,
    /// `and`
    And,
    /// `or`
    Or,
    /// `unless`
    Unless,
    /// `</` (experimental, native histograms)
    TrimUpper,
    /// `>/` (experimental, native histograms)
    TrimLower,
}

impl BinaryOp {
    /// `== != > < >= <=`
    pub fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Eq | Self::Ne | Self::Gt | Self::Lt | Self::Ge | Self::Le
        )
    }

    /// `and or unless`
    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }
}

/// A function of PromQL: what it is called and what it takes. The table of all functions lives beside the evaluator's.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Which one.
    pub id: FunctionId,
    /// As written in a query.
    pub name: &'static str,
    /// Types of its arguments; see `variadic` for how many may be left out or repeated.
    pub args: &'static [ValueType],
    /// 0: exactly `args`. Else the last of `args` may be left out or repeat: at most n times for n > 0, without bound
    /// for -1.
    pub variadic: i8,
    /// What it returns.
    pub returns: ValueType,
    /// Behind `promql-experimental-functions` in Prometheus.
    pub experimental: bool,
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// The functions of Prometheus 3, in the order of its documentation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(
    missing_docs,
    reason = "each is the function of its name, in snake case"
)]
pub enum FunctionId {
    Abs,
    Absent,
    AbsentOverTime,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    AvgOverTime,
    Ceil,
    Changes,
    Clamp,
    ClampMax,
    ClampMin,
    Cos,
    Cosh,
    CountOverTime,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    DaysInMonth,
    Deg,
    Delta,
    Deriv,
    DoubleExponentialSmoothing,
    End,
    Exp,
    FirstOverTime,
    Floor,
    HistogramAvg,
    HistogramCount,
    HistogramFraction,
    HistogramQuantile,
    HistogramQuantiles,
    HistogramStddev,
    HistogramStdvar,
    HistogramSum,
    Hour,
    Idelta,
    Increase,
    Info,
    Irate,
    LabelJoin,
    LabelReplace,
    LastOverTime,
    Ln,
    Log10,
    Log2,
    MadOverTime,
    MaxOf,
    MaxOverTime,
    MinOf,
    MinOverTime,
    Minute,
    Month,
    Pi,
    PredictLinear,
    PresentOverTime,
    QuantileOverTime,
    Rad,
    Range,
    Rate,
    Resets,
    Round,
    Scalar,
    Sgn,
    Sin,
    Sinh,
    Sort,
    SortByLabel,
    SortByLabelDesc,
    SortDesc,
    Sqrt,
    Start,
    StartTimestamp,
    StddevOverTime,
    StdvarOverTime,
    Step,
    SumOverTime,
    Tan,
    Tanh,
    Time,
    Timestamp,
    TsOfFirstOverTime,
    TsOfLastOverTime,
    TsOfMaxOverTime,
    TsOfMinOverTime,
    Vector,
    Year,
}
