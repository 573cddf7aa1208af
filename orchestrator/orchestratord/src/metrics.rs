//! Metrics of the daemon itself, in Prometheus' text form.

use crate::watching::Watching;
use axum::http::header;
use axum::response::IntoResponse;
use orchestrator_api::Counters;
use std::fmt::Write;
use std::sync::atomic::Ordering;

/// The answer of `/metrics`. Nothing in it speaks of a person or a tenant.
pub(crate) fn answer(counters: &Counters, gateways: usize, watching: &Watching) -> impl IntoResponse + use<> {
    let text = text(counters, gateways) + &of_watching(&watching.figures());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

/// What the watch tells of itself: name, form, help, value.
fn of_watching(figures: &[(&str, &str, &str, u64)]) -> String {
    let mut text = String::new();
    for (name, form, help, value) in figures {
        let name = format!("basalt_orchestrator_{name}");
        // Writing into a text does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {form}\n{name} {value}");
    }
    text
}

fn text(counters: &Counters, gateways: usize) -> String {
    let mut text = "# HELP basalt_orchestrator_answers_total Answers of the REST interface.\n\
                    # TYPE basalt_orchestrator_answers_total counter\n"
        .to_owned();
    for (class, count) in (1..).zip(&counters.answers) {
        let count = count.load(Ordering::Relaxed);
        // Writing into a text does not fail.
        let _ = writeln!(text, "basalt_orchestrator_answers_total{{class=\"{class}xx\"}} {count}");
    }
    let failed = counters.failed_logins.load(Ordering::Relaxed);
    let _ = write!(
        text,
        "# HELP basalt_orchestrator_failed_logins_total Logins that failed.\n\
         # TYPE basalt_orchestrator_failed_logins_total counter\n\
         basalt_orchestrator_failed_logins_total {failed}\n\
         # HELP basalt_orchestrator_connected_gateways Gateways that talk to this replica.\n\
         # TYPE basalt_orchestrator_connected_gateways gauge\n\
         basalt_orchestrator_connected_gateways {gateways}\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_has_help_type_and_values() {
        let counters = Counters::default();
        counters.answers[1].fetch_add(3, Ordering::Relaxed);
        let text = text(&counters, 4);
        assert!(text.contains("basalt_orchestrator_answers_total{class=\"2xx\"} 3\n"));
        assert_eq!(text.lines().filter(|line| line.starts_with("# TYPE")).count(), 3);
        assert!(text.ends_with("basalt_orchestrator_connected_gateways 4\n"));
        let more = of_watching(&[("alarms", "gauge", "Alarms that hold.", 3)]);
        assert!(more.starts_with("# HELP basalt_orchestrator_alarms Alarms") && more.ends_with("_alarms 3\n"));
    }
}
