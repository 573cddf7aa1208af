//! Operators' own rules: PromQL over what gateways told last.
//!
//! What is understood: selectors with matchers, numbers, arithmetic, comparisons (also `bool`), `and`, `or`, `unless` with `on` and
//! `ignoring`, `sum`, `avg`, `min`, `max` and `count` with `by` and `without`, and the functions `rate`, `increase` (over at most five
//! minutes), `abs`, `ceil`, `floor`, `round`, `clamp_min`, `clamp_max`, `absent`, `vector`, `scalar` and `time`. The rest of the
//! language is for a metrics server behind the query proxy, and is refused here by its name.

use crate::sample::Name;
use crate::watched::{Samples, WINDOW, Watched, grown};
use promql_parser::label::Matchers;
use promql_parser::parser::{
    AggregateExpr, BinModifier, BinaryExpr, Call, Expr, LabelModifier, MatrixSelector, VectorMatchCardinality,
    VectorSelector,
};
use std::collections::{BTreeMap, BTreeSet};

/// Characters of an expression; parentheses and operators in it: what is deeper could exhaust the stack.
const CHARACTERS: usize = 4096;
const DEPTH: usize = 64;
/// Elements of a result.
const ELEMENTS: usize = 100_000;

/// A value with its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    /// Without the metric's name.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// What an expression is evaluated over.
pub struct World<'a> {
    /// Milliseconds since 1970.
    pub now: i64,
    /// The label `network`.
    pub network: &'a str,
    /// Gateways by name.
    pub gateways: Vec<(&'a str, &'a Watched)>,
}

/// An expression that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression(Expr);

enum Value {
    Scalar(f64),
    Vector(Vec<Element>),
}

/// Reads PromQL within bounds.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn read(text: &str) -> Result<Expr, String> {
    if text.len() > CHARACTERS {
        return Err(format!("is longer than {CHARACTERS} characters"));
    }
    let count = |of: &[char]| text.chars().filter(|letter| of.contains(letter)).count();
    let words = text.split_whitespace().filter(|word| matches!(*word, "and" | "or" | "unless" | "atan2")).count();
    if count(&['(', '[']) > DEPTH || count(&['+', '-', '*', '/', '%', '^', '<', '>', '=', '!']) + words > 4 * DEPTH {
        return Err("is too deep: use fewer parentheses and operators".to_owned());
    }
    promql_parser::parser::parse(text)
}

impl Expression {
    /// Reads an expression and sees that all of it is understood.
    ///
    /// # Errors
    /// What is wrong or not understood, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expression = read(text)?;
        // What is not understood is refused whatever the world is.
        let nobody = World { now: 0, network: "", gateways: Vec::new() };
        match evaluate(&expression, &nobody)? {
            Value::Vector(_) => Ok(Self(expression)),
            Value::Scalar(_) => Err("is a number and no condition over metrics".to_owned()),
        }
    }

    /// Whether it needs former samples.
    #[must_use]
    pub fn needs_past(text: &str) -> bool {
        text.contains('[')
    }

    /// What holds.
    ///
    /// # Errors
    /// Two sides do not fit each other, or there is too much of it.
    pub fn evaluate(&self, world: &World<'_>) -> Result<Vec<Element>, String> {
        match evaluate(&self.0, world)? {
            Value::Vector(elements) => Ok(elements),
            Value::Scalar(_) => Ok(Vec::new()),
        }
    }
}

fn evaluate(expression: &Expr, world: &World<'_>) -> Result<Value, String> {
    match expression {
        Expr::NumberLiteral(number) => Ok(Value::Scalar(number.val)),
        Expr::Paren(inner) => evaluate(&inner.expr, world),
        Expr::Unary(inner) => Ok(map(evaluate(&inner.expr, world)?, |value| -value)),
        Expr::VectorSelector(selector) => select(selector, world).map(Value::Vector),
        Expr::Binary(binary) => two(binary, world),
        Expr::Aggregate(aggregate) => gather(aggregate, world).map(Value::Vector),
        Expr::Call(call) => function(call, world),
        Expr::MatrixSelector(_) => Err("a range is only for rate and increase".to_owned()),
        Expr::Subquery(_) => Err("subqueries are not understood here".to_owned()),
        Expr::StringLiteral(_) | Expr::Extension(_) => Err("a text is no condition".to_owned()),
    }
}

fn map(value: Value, with: impl Fn(f64) -> f64) -> Value {
    match value {
        Value::Scalar(value) => Value::Scalar(with(value)),
        Value::Vector(all) => {
            Value::Vector(all.into_iter().map(|it| Element { value: with(it.value), ..it }).collect())
        }
    }
}

/// The metric's name, and that nothing is asked for that is not kept.
fn metric(selector: &VectorSelector) -> Result<&str, String> {
    if selector.offset.is_some() || selector.at.is_some() {
        return Err("`offset` and `@` are not understood here".to_owned());
    }
    if !selector.matchers.or_matchers.is_empty() {
        return Err("`or` between matchers is not understood".to_owned());
    }
    selector.name.as_deref().ok_or_else(|| "a selector needs the name of a metric".to_owned())
}

fn select(selector: &VectorSelector, world: &World<'_>) -> Result<Vec<Element>, String> {
    let name = metric(selector)?;
    let mut all = Vec::new();
    for (gateway, watched) in &world.gateways {
        let connected = watched.is_connected(world.now);
        if name == "basalt_gateway_up" {
            let labels = labels_of(None, world.network, gateway);
            all.extend(fitting(&selector.matchers, labels, f64::from(u8::from(connected))));
        } else if connected {
            for (labels, value) in named(&watched.samples, name, world.network, gateway) {
                all.extend(fitting(&selector.matchers, labels, value));
            }
        }
        if all.len() > ELEMENTS {
            return Err(format!("{name} has too many values: say which"));
        }
    }
    Ok(all)
}

fn fitting(matchers: &Matchers, labels: BTreeMap<String, String>, value: f64) -> Option<Element> {
    let fits = matchers.matchers.iter().all(|it| it.is_match(labels.get(&it.name).map_or("", String::as_str)));
    fits.then_some(Element { labels, value })
}

fn labels_of(name: Option<&Name<'_>>, network: &str, gateway: &str) -> BTreeMap<String, String> {
    let mut labels = name.map(Name::to_map).unwrap_or_default();
    labels.insert("network".to_owned(), network.to_owned());
    labels.insert("gateway".to_owned(), gateway.to_owned());
    labels
}

/// Samples of a metric.
fn named<'a>(
    samples: &'a Samples,
    metric: &'a str,
    network: &'a str,
    gateway: &'a str,
) -> impl Iterator<Item = (BTreeMap<String, String>, f64)> + 'a {
    let first = samples.partition_point(|(name, _)| name.as_ref() < metric);
    let all = samples.iter().skip(first).take_while(move |(name, _)| name.starts_with(metric));
    all.filter_map(move |(name, value)| {
        let name = Name::parse(name).filter(|name| name.metric == metric)?;
        Some((labels_of(Some(&name), network, gateway), *value))
    })
}

fn range(matrix: &MatrixSelector, world: &World<'_>, per_second: bool) -> Result<Vec<Element>, String> {
    let name = metric(&matrix.vs)?;
    let span = i64::try_from(matrix.range.as_millis()).unwrap_or(i64::MAX);
    if !(60_000..=WINDOW).contains(&span) {
        return Err("a range is one to five minutes here".to_owned());
    }
    let mut all = Vec::new();
    for (gateway, watched) in world.gateways.iter().filter(|(_, it)| it.is_connected(world.now)) {
        let points = watched.past.iter().filter(|(at, _)| at + span >= world.now).map(|(at, samples)| (*at, samples));
        let points: Vec<(i64, &Samples)> = points.chain([(world.now, &watched.samples)]).collect();
        let [(first, oldest), .., (last, newest)] = &points[..] else { continue };
        #[allow(clippy::cast_precision_loss, reason = "some minutes")]
        let seconds = (last - first) as f64 / 1000.0;
        if seconds < 1.0 {
            continue;
        }
        let known: BTreeSet<&str> = oldest.iter().map(|(name, _)| name.as_ref()).collect();
        let held = newest.iter().filter(|(it, _)| it.starts_with(name) && known.contains(it.as_ref()));
        for (full, _) in held {
            let Some(parsed) = Name::parse(full).filter(|it| it.metric == name) else { continue };
            let values = points.iter().filter_map(|(_, samples)| value_of(samples, full)).collect::<Vec<_>>();
            let sum: f64 = values.windows(2).map(|pair| grown(pair[0], pair[1])).sum();
            let labels = labels_of(Some(&parsed), world.network, gateway);
            all.extend(fitting(&matrix.vs.matchers, labels, if per_second { sum / seconds } else { sum }));
        }
    }
    Ok(all)
}

fn value_of(samples: &Samples, name: &str) -> Option<f64> {
    let place = samples.binary_search_by(|(held, _)| held.as_ref().cmp(name)).ok()?;
    samples.get(place).map(|(_, value)| *value)
}

fn function(call: &Call, world: &World<'_>) -> Result<Value, String> {
    let args: Vec<&Expr> = call.args.args.iter().map(AsRef::as_ref).collect();
    let scalar = |at: usize| match args.get(at).map(|it| evaluate(it, world)).transpose()? {
        Some(Value::Scalar(value)) => Ok(value),
        _ => Err(format!("{} needs a number", call.func.name)),
    };
    let vector = |at: usize| match args.get(at).map(|it| evaluate(it, world)).transpose()? {
        Some(Value::Vector(all)) => Ok(all),
        _ => Err(format!("{} needs metrics", call.func.name)),
    };
    let each = |with: &dyn Fn(f64) -> f64| vector(0).map(|all| map(Value::Vector(all), with));
    #[allow(clippy::cast_precision_loss, reason = "seconds since 1970")]
    let seconds = world.now as f64 / 1000.0;
    match (call.func.name, &args[..]) {
        ("rate", [Expr::MatrixSelector(matrix)]) => range(matrix, world, true).map(Value::Vector),
        ("increase", [Expr::MatrixSelector(matrix)]) => range(matrix, world, false).map(Value::Vector),
        ("abs", _) => each(&f64::abs),
        ("ceil", _) => each(&f64::ceil),
        ("floor", _) => each(&f64::floor),
        ("round", [_]) => each(&f64::round),
        ("clamp_min", _) => scalar(1).and_then(|least| each(&|value| value.max(least))),
        ("clamp_max", _) => scalar(1).and_then(|most| each(&|value| value.min(most))),
        ("absent", _) => Ok(Value::Vector(if vector(0)?.is_empty() {
            vec![Element { labels: BTreeMap::new(), value: 1.0 }]
        } else {
            Vec::new()
        })),
        ("vector", _) => Ok(Value::Vector(vec![Element { labels: BTreeMap::new(), value: scalar(0)? }])),
        ("scalar", _) => Ok(Value::Scalar(match &vector(0)?[..] {
            [one] => one.value,
            _ => f64::NAN,
        })),
        ("time", _) => Ok(Value::Scalar(seconds)),
        (name, _) => Err(format!("the function {name} is not understood here")),
    }
}

fn gather(aggregate: &AggregateExpr, world: &World<'_>) -> Result<Vec<Element>, String> {
    let Value::Vector(all) = evaluate(&aggregate.expr, world)? else {
        return Err("only metrics can be summed".to_owned());
    };
    let op = aggregate.op.to_string();
    let mut groups: BTreeMap<BTreeMap<String, String>, Vec<f64>> = BTreeMap::new();
    for it in all {
        let key = match &aggregate.modifier {
            None => BTreeMap::new(),
            Some(LabelModifier::Include(by)) => keep(&it.labels, |label| by.labels.iter().any(|it| it == label)),
            Some(LabelModifier::Exclude(not)) => keep(&it.labels, |label| !not.labels.iter().any(|it| it == label)),
        };
        groups.entry(key).or_default().push(it.value);
    }
    let value = |values: &[f64]| -> Result<f64, String> {
        #[allow(clippy::cast_precision_loss, reason = "bounded by ELEMENTS")]
        let count = values.len() as f64;
        match op.as_str() {
            "sum" => Ok(values.iter().sum()),
            "avg" => Ok(values.iter().sum::<f64>() / count),
            "min" => Ok(values.iter().copied().fold(f64::INFINITY, f64::min)),
            "max" => Ok(values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            "count" => Ok(count),
            other => Err(format!("`{other}` is not understood here")),
        }
    };
    value(&[])?;
    groups.into_iter().map(|(labels, values)| Ok(Element { labels, value: value(&values)? })).collect()
}

fn keep(labels: &BTreeMap<String, String>, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    labels.iter().filter(|(label, _)| wanted(label)).map(|(label, value)| (label.clone(), value.clone())).collect()
}

fn two(binary: &BinaryExpr, world: &World<'_>) -> Result<Value, String> {
    let op = binary.op.to_string();
    let sides = (evaluate(&binary.lhs, world)?, evaluate(&binary.rhs, world)?);
    if matches!(op.as_str(), "and" | "or" | "unless") {
        let (Value::Vector(left), Value::Vector(right)) = sides else {
            return Err(format!("both sides of `{op}` are metrics"));
        };
        return Ok(Value::Vector(set(&op, left, right, binary.modifier.as_ref())));
    }
    let as_bool = binary.return_bool();
    let compute = |left: f64, right: f64| compute(&op, left, right);
    let kept = |held: f64, result: Computed| match result {
        Computed::Number(value) => Some(value),
        Computed::Truth(truth) if as_bool => Some(f64::from(u8::from(truth))),
        Computed::Truth(truth) => truth.then_some(held),
    };
    Ok(match sides {
        (Value::Scalar(left), Value::Scalar(right)) => match compute(left, right)? {
            Computed::Number(value) => Value::Scalar(value),
            Computed::Truth(truth) => Value::Scalar(f64::from(u8::from(truth))),
        },
        (Value::Vector(left), Value::Scalar(right)) => {
            let mut out = Vec::new();
            for it in left {
                out.extend(kept(it.value, compute(it.value, right)?).map(|value| Element { value, ..it }));
            }
            Value::Vector(out)
        }
        (Value::Scalar(left), Value::Vector(right)) => {
            let mut out = Vec::new();
            for it in right {
                out.extend(kept(it.value, compute(left, it.value)?).map(|value| Element { value, ..it }));
            }
            Value::Vector(out)
        }
        (Value::Vector(left), Value::Vector(right)) => {
            let modifier = binary.modifier.as_ref();
            if modifier.is_some_and(|it| !matches!(it.card, VectorMatchCardinality::OneToOne)) {
                return Err("group_left and group_right are not understood here".to_owned());
            }
            let mut others: BTreeMap<BTreeMap<String, String>, f64> = BTreeMap::new();
            for it in right {
                if others.insert(signature(&it.labels, modifier), it.value).is_some() {
                    return Err("several values on the right fit one on the left: add `on` or sum them".to_owned());
                }
            }
            let mut out = Vec::new();
            for it in left {
                let labels = signature(&it.labels, modifier);
                let Some(other) = others.get(&labels) else { continue };
                out.extend(kept(it.value, compute(it.value, *other)?).map(|value| Element { labels, value }));
            }
            Value::Vector(out)
        }
    })
}

enum Computed {
    Number(f64),
    Truth(bool),
}

#[allow(clippy::float_cmp, reason = "PromQL compares so")]
fn compute(op: &str, left: f64, right: f64) -> Result<Computed, String> {
    Ok(match op {
        "+" => Computed::Number(left + right),
        "-" => Computed::Number(left - right),
        "*" => Computed::Number(left * right),
        "/" => Computed::Number(left / right),
        "%" => Computed::Number(left % right),
        "^" => Computed::Number(left.powf(right)),
        "==" => Computed::Truth(left == right),
        "!=" => Computed::Truth(left != right),
        ">" => Computed::Truth(left > right),
        "<" => Computed::Truth(left < right),
        ">=" => Computed::Truth(left >= right),
        "<=" => Computed::Truth(left <= right),
        other => return Err(format!("`{other}` is not understood here")),
    })
}

fn signature(labels: &BTreeMap<String, String>, modifier: Option<&BinModifier>) -> BTreeMap<String, String> {
    match modifier.and_then(|it| it.matching.as_ref()) {
        None => labels.clone(),
        Some(LabelModifier::Include(on)) => keep(labels, |label| on.labels.iter().any(|it| it == label)),
        Some(LabelModifier::Exclude(not)) => keep(labels, |label| !not.labels.iter().any(|it| it == label)),
    }
}

fn set(op: &str, left: Vec<Element>, right: Vec<Element>, modifier: Option<&BinModifier>) -> Vec<Element> {
    let of = |all: &[Element]| all.iter().map(|it| signature(&it.labels, modifier)).collect::<BTreeSet<_>>();
    match op {
        "or" => {
            let have = of(&left);
            let more = right.into_iter().filter(|it| !have.contains(&signature(&it.labels, modifier)));
            left.into_iter().chain(more).collect()
        }
        _ => {
            let have = of(&right);
            left.into_iter().filter(|it| have.contains(&signature(&it.labels, modifier)) == (op == "and")).collect()
        }
    }
}

#[cfg(test)]
mod tests;
