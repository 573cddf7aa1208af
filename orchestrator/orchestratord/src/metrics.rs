//! Metrics of the daemon itself, in Prometheus' text form.

use axum::http::header;
use axum::response::IntoResponse;
use orchestrator_api::Counters;
use std::fmt::Write;
use std::sync::atomic::Ordering;

/// The answer of `/metrics`. Nothing in it speaks of a person or a tenant.
pub(crate) fn answer(counters: &Counters, gateways: usize) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text(counters, gateways))
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
    }
}
