//! The types of PromQL: proves that a parsed tree is well-typed, with Prometheus's rules and words.
//!
//! Checks from left to right and innermost first; stops at the first fault. Settles what only types can decide:
//! operations with a scalar have no matching.

use super::ast::{
    Aggregate, AggregateOp, Binary, BinaryOp, Cardinality, Expr, ExprKind, Function, FunctionId,
    Span, ValueType, VectorMatching,
};
use super::functions;
use crate::model::matcher::Matcher;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeFault {
    /// The faulty part.
    pub span: Span,
    /// What is wrong with it.
    pub message: String,
}

type Checked<T> = Result<T, TypeFault>;

/// The type of a well-typed expression.
pub fn type_of(expr: &Expr) -> ValueType {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::QueryTime(_) => ValueType::Scalar,
        ExprKind::String(_) => ValueType::String,
        ExprKind::Selector(_) | ExprKind::Aggregate(_) => ValueType::Vector,
        ExprKind::Matrix { .. } | ExprKind::Subquery { .. } => ValueType::Matrix,
        ExprKind::Call { function, .. } => function.returns,
        ExprKind::Binary(binary) => match (type_of(&binary.left), type_of(&binary.right)) {
            (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
            _ => ValueType::Vector,
        },
        ExprKind::Unary { expr, .. } | ExprKind::Paren(expr) => type_of(expr),
    }
}

/// Checks a tree.
///
/// # Errors
/// The first fault.
pub fn check(expr: &mut Expr) -> Checked<ValueType> {
    let span = expr.span.clone();
    match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::QueryTime(_) => Ok(ValueType::Scalar),
        ExprKind::String(_) => Ok(ValueType::String),
        ExprKind::Paren(inner) => check(inner),
        ExprKind::Selector(selector) => {
            check_matchers(&selector.matchers).map_err(|message| fault(&span, message))?;
            Ok(ValueType::Vector)
        }
        ExprKind::Matrix { selector, .. } => {
            check_matchers(&selector.matchers).map_err(|message| fault(&span, message))?;
            Ok(ValueType::Matrix)
        }
        ExprKind::Subquery { expr, .. } => match check(expr)? {
            ValueType::Vector => Ok(ValueType::Matrix),
            other => Err(fault(
                &span,
                format!(
                    "subquery is only allowed on instant vector, got {} instead",
                    other.describe()
                ),
            )),
        },
        ExprKind::Unary { expr, .. } => match check(expr)? {
            kind @ (ValueType::Scalar | ValueType::Vector) => Ok(kind),
            other => Err(fault(
                &span,
                format!(
                    "unary expression only allowed on expressions of type scalar or instant vector, got {:?}",
                    other.describe()
                ),
            )),
        },
        ExprKind::Call { function, args } => {
            check_call(&span, function, args)?;
            Ok(function.returns)
        }
        ExprKind::Aggregate(aggregate) => {
            check_aggregate(aggregate)?;
            Ok(ValueType::Vector)
        }
        ExprKind::Binary(binary) => check_binary(&span, binary),
    }
}

/// Checks that a selector does not select everything by accident.
///
/// # Errors
/// What is wrong, where every matcher accepts the empty value.
pub fn check_matchers(matchers: &[Matcher]) -> Result<(), &'static str> {
    match matchers.iter().all(Matcher::matches_empty) {
        true => Err("vector selector must contain at least one non-empty matcher"),
        false => Ok(()),
    }
}

fn check_call(span: &Span, function: &Function, args: &mut [Expr]) -> Checked<()> {
    let (fewest, most) = functions::arity(function);
    let wanted = match most {
        Some(most) if most == fewest => (args.len() != fewest).then(|| fewest.to_string()),
        _ if args.len() < fewest => Some(format!("at least {fewest}")),
        Some(most) if args.len() > most => Some(format!("at most {most}")),
        _ => None,
    };
    if let Some(wanted) = wanted {
        let message = format!(
            "expected {wanted} argument(s) in call to {:?}, got {}",
            function.name,
            args.len()
        );
        return Err(fault(span, message));
    }
    for (position, argument) in args.iter_mut().enumerate() {
        if function.id == FunctionId::Info && position == 1 {
            check_label_selector(argument)?;
            continue;
        }
        let wanted = functions::argument_type(function, position);
        expect_type(argument, wanted, || {
            format!("call to function {:?}", function.name)
        })?;
    }
    Ok(())
}

/// The second argument of `info` looks like a selector, but selects labels: it may accept the empty value. That no name
/// stands before its braces is the parser's to check.
fn check_label_selector(argument: &mut Expr) -> Checked<()> {
    if matches!(argument.kind, ExprKind::Selector(_)) {
        return Ok(());
    }
    expect_type(argument, ValueType::Vector, || {
        "call to function \"info\"".to_owned()
    })?;
    Err(fault(&argument.span, "expected label selectors only"))
}

fn check_aggregate(aggregate: &mut Aggregate) -> Checked<()> {
    expect_type(&mut aggregate.expr, ValueType::Vector, || {
        "aggregation expression".to_owned()
    })?;
    let Some(parameter) = &mut aggregate.param else {
        return Ok(());
    };
    let wanted = match aggregate.op {
        AggregateOp::CountValues => ValueType::String,
        _ => ValueType::Scalar,
    };
    expect_type(parameter, wanted, || "aggregation parameter".to_owned())?;
    match &without_parentheses(parameter).kind {
        // Any other text is a label name in UTF-8.
        ExprKind::String(label) if label.is_empty() => {
            Err(fault(&parameter.span, "invalid label name \"\""))
        }
        _ => Ok(()),
    }
}

fn check_binary(span: &Span, binary: &mut Binary) -> Checked<ValueType> {
    let left = check(&mut binary.left)?;
    let right = check(&mut binary.right)?;
    let between = binary.left.span.end..binary.right.span.start;
    let op = binary.op;
    if binary.return_bool && !op.is_comparison() {
        let message = "bool modifier can only be used on comparison operators";
        return Err(fault(&between, message));
    }
    for (kind, operand) in [(left, &binary.left), (right, &binary.right)] {
        if !matches!(kind, ValueType::Scalar | ValueType::Vector) {
            let message = format!(
                "binary expression must contain only scalar and instant vector types, got {}",
                kind.describe()
            );
            return Err(fault(&operand.span, message));
        }
    }
    let scalars = (left == ValueType::Scalar, right == ValueType::Scalar);
    if scalars == (true, true) && op.is_comparison() && !binary.return_bool {
        let message = "comparisons between scalars must use BOOL modifier";
        return Err(fault(&between, message));
    }
    check_matching(
        span,
        &between,
        op,
        scalars != (false, false),
        &mut binary.matching,
    )?;
    match scalars {
        (true, true) => Ok(ValueType::Scalar),
        _ => Ok(ValueType::Vector),
    }
}

fn check_matching(
    span: &Span,
    between: &Span,
    op: BinaryOp,
    with_scalar: bool,
    matching: &mut VectorMatching,
) -> Checked<()> {
    if let Some(label) = matching
        .labels
        .iter()
        .find(|label| matching.on && matching.include.contains(label))
    {
        let message = format!("label {label:?} must not occur in ON and GROUP clause at once");
        return Err(fault(between, message));
    }
    let fills = matching.fill_left.is_some() || matching.fill_right.is_some();
    if with_scalar {
        if op.is_set() {
            let message = format!(
                "set operator {:?} not allowed in binary scalar expression",
                op.as_str()
            );
            return Err(fault(span, message));
        }
        if !matching.labels.is_empty() {
            let message = "vector matching only allowed between instant vectors";
            return Err(fault(span, message));
        }
        if fills {
            let message = "filling in missing series only allowed between instant vectors";
            return Err(fault(span, message));
        }
        // `1 + on () m` is `1 + m`.
        *matching = VectorMatching::default();
        return Ok(());
    }
    if op.is_set() {
        if matching.cardinality != Cardinality::ManyToMany {
            let message = format!("no grouping allowed for {:?} operation", op.as_str());
            return Err(fault(span, message));
        }
        if fills {
            let message = "filling in missing series not allowed for set operators";
            return Err(fault(span, message));
        }
    }
    Ok(())
}

fn expect_type(
    expr: &mut Expr,
    wanted: ValueType,
    context: impl FnOnce() -> String,
) -> Checked<()> {
    let found = check(expr)?;
    if found == wanted {
        return Ok(());
    }
    let hint = match (wanted, found, &without_parentheses(expr).kind) {
        (ValueType::Matrix, ValueType::Vector, ExprKind::Selector(_)) => {
            "; add a range, such as [5m]"
        }
        (ValueType::Matrix, ValueType::Vector, _) => "; a subquery needs [range:step]",
        (ValueType::Vector, ValueType::Matrix, ExprKind::Matrix { .. }) => {
            "; wrap it in a function over time, such as rate"
        }
        (ValueType::Vector, ValueType::Scalar, _) => "; vector(…) makes a vector of a scalar",
        (ValueType::Scalar, ValueType::Vector, _) => "; scalar(…) makes a scalar of a vector",
        _ => "",
    };
    let message = format!(
        "expected type {} in {}, got {}{hint}",
        wanted.describe(),
        context(),
        found.describe(),
    );
    Err(fault(&expr.span, message))
}

fn without_parentheses(mut expr: &Expr) -> &Expr {
    while let ExprKind::Paren(inner) = &expr.kind {
        expr = inner;
    }
    expr
}

fn fault(span: &Span, message: impl Into<String>) -> TypeFault {
    TypeFault {
        span: span.clone(),
        message: message.into(),
    }
}
