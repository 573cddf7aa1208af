//! What an operator hears without having asked for it: base stations that are gone, a gateway that is killed.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{GATEWAY, Managed};

/// An alarm is raised so soon after its cause.
const SOON: Duration = Duration::from_secs(10);

impl Managed {
    /// The only base station goes, then the gateway; and all is well again when they are back.
    pub(super) fn alarmed(&mut self) -> Result<()> {
        let subject = self.orchestrator.wait_for(GATEWAY, "it has a base station", |seen| station(seen).is_some())?;
        let subject = station(&subject).unwrap_or_default();
        let gone = Instant::now();
        self.radio.call(|io| io.disconnect_enb(0))?;
        self.raised("base-station-gone", &subject, gone)?;
        self.raised("all-base-stations-gone", "", gone)?;
        self.radio.call(|io| io.connect_enb(0))?;
        self.orchestrator.wait_for_alarm("base-station-gone", &subject, false)?;

        let killed = Instant::now();
        self.network.gateway.kill()?;
        self.raised("gateway-offline", "", killed)?;
        self.network.gateway.launch()?;
        self.orchestrator.wait_for_alarm("gateway-offline", "", false)?;
        self.say("both are back, and their alarms have ended");
        Ok(())
    }

    fn raised(&self, rule: &str, subject: &str, cause: Instant) -> Result<()> {
        self.orchestrator.wait_for_alarm(rule, subject, true)?;
        let took = cause.elapsed();
        ensure!(took <= SOON, "{rule} was raised {took:.1?} after its cause, later than {SOON:?}");
        self.say(&format!("alarm {rule}: {:.1} s after its cause", took.as_secs_f64()));
        Ok(())
    }
}

/// The base station that a gateway tells of.
fn station(seen: &Value) -> Option<String> {
    seen["state"]["enbs"][0]["id"].as_str().map(str::to_owned)
}
