//! Counters that are counted elsewhere.

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, MetricFamily, MetricType};
use prometheus::{IntGauge, IntGaugeVec, Opts};

/// Counters whose values are read where they are counted (the data plane's maps, the journal), and set here before each scrape. What
/// reads them sees counters: `rate()` and whoever checks names against types depend on it.
#[derive(Debug, Clone)]
pub struct Totals(IntGaugeVec);

impl Totals {
    /// None yet.
    ///
    /// # Errors
    /// The name or a label is none.
    pub(super) fn new(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<Self> {
        IntGaugeVec::new(Opts::new(name, help), labels).map(Self)
    }

    /// The one with these labels, to be set.
    pub fn with_label_values(&self, values: &[&str]) -> IntGauge {
        self.0.with_label_values(values)
    }
}

impl Collector for Totals {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.0.collect();
        for family in &mut families {
            family.set_field_type(MetricType::COUNTER);
            for metric in family.mut_metric() {
                let mut counter = Counter::default();
                counter.set_value(metric.get_gauge().get_value());
                metric.set_counter(counter);
            }
        }
        families
    }
}
