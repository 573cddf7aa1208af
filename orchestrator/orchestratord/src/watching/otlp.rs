//! Events of all networks to a collector of OpenTelemetry, as log records (OTLP over gRPC).

use anyhow::Result;
use basalt_otlp::{Client, Failure, Log, Resource, Settings, Severity, masked};
use orchestrator_db::{GatewayEvent, Repository};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks, and after a failure.
const LOOK: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_secs(5);
/// Events of a look.
const EVENTS: u32 = 500;

/// Within the runtime.
///
/// # Errors
/// The collector's address or authority cannot be used.
pub(crate) fn client(settings: &Settings) -> Result<Client> {
    let instance = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let resource = Resource { service: "orchestratord", instance, version: env!("CARGO_PKG_VERSION") };
    Client::new(settings, resource).map_err(anyhow::Error::msg)
}

/// Tells what happens from now on, until dropped, while this replica is the one that acts.
pub(crate) async fn run(db: Arc<dyn Repository>, client: Client, identities: bool) {
    let mut mark: Option<i64> = None;
    loop {
        match look(db.as_ref(), &client, identities, mark).await {
            Ok(next) => {
                mark = next;
                tokio::time::sleep(LOOK).await;
            }
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "the collector cannot be told now");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Tells what is new; the last number that was told, `None` where another replica tells.
async fn look(db: &dyn Repository, client: &Client, identities: bool, mark: Option<i64>) -> Result<Option<i64>> {
    if !db.leads().await? {
        return Ok(None);
    }
    let Some(mark) = mark else { return Ok(Some(db.last_event().await?)) };
    let events = db.events_everywhere(mark, EVENTS).await?;
    let Some((_, last)) = events.last() else { return Ok(Some(mark)) };
    let next = last.id;
    let logs: Vec<Log> = events.iter().map(|(network, event)| log(network, event, identities)).collect();
    match client.logs(logs).await {
        Ok(0) => {}
        Ok(refused) => tracing::warn!(refused, "the collector refused events"),
        // The same again would be refused again.
        Err(failure @ Failure::Never(_)) => tracing::warn!(%failure, "events are not told"),
        Err(failure @ Failure::Later(_)) => return Err(failure.into()),
    }
    Ok(Some(next))
}

fn log(network: &str, event: &GatewayEvent, identities: bool) -> Log {
    let mut attributes = vec![
        ("basalt.network", network.into()),
        ("basalt.gateway", event.gateway.as_str().into()),
        ("basalt.event.id", basalt_otlp::Value::Number(event.id)),
    ];
    let mut words = event.words.clone();
    if !event.imsi.is_empty() {
        let shown = masked(&event.imsi, identities);
        words = words.replace(&event.imsi, &shown);
        attributes.push(("basalt.imsi", shown.into()));
    }
    Log {
        at: u64::try_from(event.at).unwrap_or_default().saturating_mul(1_000),
        severity: if event.alarm { Severity::Warn } else { Severity::Info },
        name: event.kind.clone(),
        words,
        attributes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_otlp::Value;

    #[test]
    fn an_event_is_a_log_record_without_whole_identities_unless_they_are_wanted() {
        let event = GatewayEvent {
            id: 7,
            gateway: "hill".to_owned(),
            epoch: 1,
            number: 1,
            at: 1_709_164_800_123,
            kind: "reject".to_owned(),
            alarm: true,
            imsi: "001010000000001".to_owned(),
            words: "001010000000001 was refused".to_owned(),
            facts: "{}".to_owned(),
        };
        let told = log("lab", &event, false);
        assert_eq!((told.at, told.severity, told.name.as_str()), (1_709_164_800_123_000, Severity::Warn, "reject"));
        assert!(!format!("{told:?}").contains("001010000000001"), "{told:?}");
        assert!(told.attributes.contains(&("basalt.network", Value::from("lab"))));
        assert_eq!(log("lab", &event, true).words, event.words);
    }
}
