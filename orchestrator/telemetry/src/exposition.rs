//! What a metrics server is shown: samples of many gateways in Prometheus' text form, each family together.

use crate::sample::{Name, escaped};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Families by name.
#[derive(Debug, Default)]
pub struct Families(BTreeMap<String, String>);

/// The labels that are ours: whatever a gateway says of them is not shown.
const OURS: [&str; 2] = ["network", "gateway"];

impl Families {
    /// Adds a sample of a gateway; one that is in no proper form is left out.
    pub fn add(&mut self, (network, gateway): (&str, &str), name: &str, value: f64) {
        let Some(name) = Name::parse(name) else { return };
        let labels = name.labels.iter().filter(|(label, _)| !OURS.contains(label));
        self.put(name.metric, (network, gateway), labels.map(|(label, value)| (*label, value.as_ref())), value);
    }

    fn put<'a>(
        &mut self,
        metric: &str,
        (network, gateway): (&str, &str),
        labels: impl Iterator<Item = (&'a str, &'a str)>,
        value: f64,
    ) {
        let lines = self.0.entry(metric.to_owned()).or_default();
        // Writing into a text does not fail.
        let _ = write!(lines, "{metric}{{network=\"{network}\",gateway=\"{gateway}\"");
        for (label, value) in labels {
            let _ = write!(lines, ",{label}=\"{}\"", escaped(value));
        }
        let _ = writeln!(lines, "}} {}", number(value));
    }

    /// The text. Sum and count of histograms are shown as a summary without quantiles.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.0.values().map(|lines| lines.len() + 120).sum());
        let mut summary = None;
        for (metric, lines) in &self.0 {
            let base = ["_count", "_sum"].iter().find_map(|end| metric.strip_suffix(end));
            let base =
                base.filter(|base| ["_count", "_sum"].iter().all(|end| self.0.contains_key(&format!("{base}{end}"))));
            let (name, form) = match base {
                Some(base) if summary == Some(base) => ("", ""),
                Some(base) => (base, "summary"),
                None if metric.ends_with("_total") => (metric.as_str(), "counter"),
                None => (metric.as_str(), "gauge"),
            };
            summary = base.or(summary);
            if !name.is_empty() {
                let _ = writeln!(text, "# HELP {name} As gateways tell it.\n# TYPE {name} {form}");
            }
            text.push_str(lines);
        }
        text
    }
}

/// As the text form has it.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_stand_together_and_nobody_takes_our_labels() {
        let mut families = Families::default();
        for gateway in ["g1", "g2"] {
            families.add(("lab", gateway), "t_total{why=\"a\\\"b\"}", 3.0);
            families.add(("lab", gateway), "d_seconds_sum", 0.5);
            families.add(("lab", gateway), "d_seconds_count", 2.0);
        }
        families.add(("lab", "g1"), "up{gateway=\"other\",network=\"x\"}", 1.0);
        families.add(("lab", "g1"), "not a name", 1.0);
        let wanted = "# HELP d_seconds As gateways tell it.\n# TYPE d_seconds summary\n\
             d_seconds_count{network=\"lab\",gateway=\"g1\"} 2\nd_seconds_count{network=\"lab\",gateway=\"g2\"} 2\n\
             d_seconds_sum{network=\"lab\",gateway=\"g1\"} 0.5\nd_seconds_sum{network=\"lab\",gateway=\"g2\"} 0.5\n\
             # HELP t_total As gateways tell it.\n# TYPE t_total counter\n\
             t_total{network=\"lab\",gateway=\"g1\",why=\"a\\\"b\"} 3\nt_total{network=\"lab\",gateway=\"g2\",why=\"a\\\"b\"} 3\n\
             # HELP up As gateways tell it.\n# TYPE up gauge\nup{network=\"lab\",gateway=\"g1\"} 1\n";
        assert_eq!(families.text(), wanted);
    }
}
