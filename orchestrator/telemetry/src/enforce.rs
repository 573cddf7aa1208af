//! Queries for a metrics server, narrowed to what somebody may see: each selector gets the labels that it must have.

use crate::expression::read;
use promql_parser::label::{MatchOp, Matcher, Matchers};
use promql_parser::parser::{Expr, VectorSelector};

/// The query with a matcher for each label in all of its selectors. Matchers of these labels that are there already stay, and can only
/// narrow it further.
///
/// # Errors
/// It is no PromQL, too deep, or has a form that cannot be narrowed; in words.
pub fn enforce(query: &str, labels: &[(&str, &str)]) -> Result<String, String> {
    let mut expression = read(query)?;
    narrow(&mut expression, labels)?;
    let text = expression.to_string();
    // Whatever the text became, it is sent only if it reads as what was meant.
    let again = read(&text).map_err(|_| "cannot be written again".to_owned())?;
    if again.to_string() != text || !is_narrow(&again, labels) {
        return Err("cannot be narrowed to what you may see".to_owned());
    }
    Ok(text)
}

/// A selector as `match[]` of a metrics server takes it.
///
/// # Errors
/// As [`enforce`]; or it is no selector.
pub fn enforce_selector(selector: &str, labels: &[(&str, &str)]) -> Result<String, String> {
    match read(selector)? {
        Expr::VectorSelector(_) => enforce(selector, labels),
        _ => Err("is no selector".to_owned()),
    }
}

fn children(expression: &mut Expr) -> Result<Vec<&mut Expr>, String> {
    Ok(match expression {
        Expr::Aggregate(it) => {
            let param = it.param.as_mut().map(AsMut::as_mut);
            core::iter::once(it.expr.as_mut()).chain(param).collect()
        }
        Expr::Unary(it) => vec![it.expr.as_mut()],
        Expr::Binary(it) => vec![it.lhs.as_mut(), it.rhs.as_mut()],
        Expr::Paren(it) => vec![it.expr.as_mut()],
        Expr::Subquery(it) => vec![it.expr.as_mut()],
        Expr::Call(it) => it.args.args.iter_mut().map(AsMut::as_mut).collect(),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::VectorSelector(_) | Expr::MatrixSelector(_) => {
            Vec::new()
        }
        Expr::Extension(_) => return Err("has an unknown part".to_owned()),
    })
}

fn narrow(expression: &mut Expr, labels: &[(&str, &str)]) -> Result<(), String> {
    match expression {
        Expr::VectorSelector(selector) => selected(selector, labels),
        Expr::MatrixSelector(matrix) => selected(&mut matrix.vs, labels),
        other => children(other)?.into_iter().try_for_each(|child| narrow(child, labels)),
    }
}

fn selected(selector: &mut VectorSelector, labels: &[(&str, &str)]) -> Result<(), String> {
    if !selector.matchers.or_matchers.is_empty() {
        return Err("has `or` between matchers".to_owned());
    }
    let held = core::mem::replace(&mut selector.matchers, Matchers::empty());
    let more = labels.iter().map(|(label, value)| Matcher::new(MatchOp::Equal, label, value));
    selector.matchers = Matchers::new(held.matchers.into_iter().chain(more).collect());
    Ok(())
}

fn is_narrow(expression: &Expr, labels: &[(&str, &str)]) -> bool {
    let narrow = |selector: &VectorSelector| {
        selector.matchers.or_matchers.is_empty()
            && labels.iter().all(|(label, value)| {
                let has = |it: &Matcher| it.op == MatchOp::Equal && it.name == *label && it.value == *value;
                selector.matchers.matchers.iter().any(has)
            })
    };
    let mut copy = expression.clone();
    match &expression {
        Expr::VectorSelector(selector) => narrow(selector),
        Expr::MatrixSelector(matrix) => narrow(&matrix.vs),
        _ => children(&mut copy).is_ok_and(|children| children.into_iter().all(|child| is_narrow(child, labels))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_selector_is_narrowed() {
        let narrowed = |query: &str| {
            let text = enforce(query, &[("network", "lab")]);
            text.unwrap_or_else(|why| panic!("{query}: {why}"))
        };
        assert_eq!(narrowed("up"), "up{network=\"lab\"}");
        for query in [
            "sum by (gateway) (rate(a{b=\"c\"}[5m])) / on (gateway) d > 0.5 or absent(e)",
            "max_over_time(rate(a[1m])[10m:1m])",
            "histogram_quantile(0.9, sum by (le) (rate(a_bucket[5m] offset 1h)))",
            "topk(scalar(k), a)",
            "-a{network=\"other\"}",
            "quantile(scalar(q), a)",
        ] {
            assert!(narrowed(query).contains("network=\"lab\""), "{query}");
        }
        assert_eq!(narrowed("a + b").matches("network=\"lab\"").count(), 2);
        // Another's network stays beside one's own: nothing fits both.
        let both = narrowed("a{network=\"other\"}");
        assert!(both.contains("network=\"other\"") && both.contains("network=\"lab\""), "{both}");
    }

    #[test]
    fn nothing_gets_out() {
        for query in
            ["a{b=\"\\\"} or a{c=\\\"\"}", "a{b=\"x\\\\\"}", "a{b='\"}'}", "a{b=\"\u{7f}\\n\"}", "{__name__=~\".+\"}"]
        {
            if let Ok(text) = enforce(query, &[("network", "lab")]) {
                let again = read(&text).unwrap();
                assert!(is_narrow(&again, &[("network", "lab")]), "{query} became {text}");
            }
        }
        assert!(enforce("a{b=\"1\" or network=\"other\"}", &[("network", "lab")]).is_err());
        assert!(enforce("a{", &[("network", "lab")]).is_err());
        assert!(enforce_selector("a + b", &[("network", "lab")]).is_err());
        assert!(enforce_selector("{__name__=~\"a.*\"}", &[("network", "lab")]).unwrap().contains("network=\"lab\""));
    }
}
