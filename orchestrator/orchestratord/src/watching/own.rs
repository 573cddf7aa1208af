//! Operators' own rules.

use anyhow::Result;
use orchestrator_db::Repository;
use orchestrator_model::{AlertRule, Kind};
use orchestrator_telemetry::engine::Timing;
use orchestrator_telemetry::expression::{Expression, World};
use orchestrator_telemetry::rules::Finding;
use orchestrator_telemetry::watched::Watched;

/// So long a condition must be away, milliseconds.
pub(super) const CLEAR_AFTER: i64 = 30_000;
/// Findings of a rule: more of them are one fault.
const MOST: usize = 500;

/// A rule of a network.
pub(super) struct Own {
    pub(super) network: String,
    pub(super) timing: Timing,
    pub(super) receivers: Vec<String>,
    /// It needs former samples.
    pub(super) rates: bool,
    summary: String,
    expression: Expression,
}

/// All of them. One that cannot be read any more is left out, and told in the log.
pub(super) async fn read(db: &dyn Repository) -> Result<Vec<Own>> {
    let mut all = Vec::new();
    for (network, object) in db.objects_everywhere(Kind::AlertRule).await? {
        let Ok(rule) = serde_json::from_value::<AlertRule>(object.body) else { continue };
        let promql = rule.promql();
        match Expression::parse(&promql) {
            Ok(expression) => all.push(Own {
                timing: Timing {
                    rule: object.name,
                    severity: rule.severity,
                    after: 1000 * i64::from(rule.for_seconds),
                    clear_after: CLEAR_AFTER,
                },
                network,
                receivers: rule.receivers,
                rates: Expression::needs_past(&promql),
                summary: rule.summary,
                expression,
            }),
            Err(why) => tracing::debug!(network, rule = object.name, why, "a rule of before is not understood"),
        }
    }
    Ok(all)
}

/// What a rule finds: at which gateway (empty for the network), and what.
pub(super) fn evaluate(rule: &Own, gateways: Vec<(&str, &Watched)>, now: i64) -> Vec<(String, Finding)> {
    let world = World { now, network: &rule.network, gateways };
    let found = rule.expression.evaluate(&world).unwrap_or_else(|why| {
        tracing::debug!(network = rule.network, rule = rule.timing.rule, why, "a rule cannot be evaluated");
        Vec::new()
    });
    let findings = found.into_iter().take(MOST).map(|element| {
        let gateway = element.labels.get("gateway").cloned().unwrap_or_default();
        let others = element.labels.iter().filter(|(label, _)| !matches!(label.as_str(), "gateway" | "network"));
        let subject: Vec<String> = others.map(|(label, value)| format!("{label}={value}")).collect();
        let summary = if rule.summary.is_empty() { "the condition holds" } else { &rule.summary };
        let words = Some(format!("{summary} (value {})", element.value));
        (gateway, Finding { subject: subject.join(","), words })
    });
    findings.collect()
}
