//! A change that is given to gateways in stages: it is laid over what the gateway has, taken back, and given for good.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{GATEWAY, Managed, PLAN, SLOW};

impl Managed {
    /// A slower access point, in stages.
    pub(super) fn staged(&self) -> Result<()> {
        let rates = json!({"max_ul_bit_rate": PLAN, "max_dl_bit_rate": PLAN});
        let before = self.orchestrator.request("GET", "apns/internet", &Value::Null)?["body"].clone();
        let mut after = before.clone();
        after["ambr"] = rates;
        let change = json!([{"kind": "apns", "name": "internet", "body": after}]);

        let looked_at = self.begin(&json!({"changes": change, "canary_percent": 100, "soak_minutes": 60}))?;
        self.until("the gateway has the change", || Ok(self.session(0)?["ambr_downlink_bps"] == PLAN))?;
        let kept = self.orchestrator.request("GET", "apns/internet", &Value::Null)?;
        ensure!(kept["body"] == before, "the object itself has changed already: {kept}");
        self.orchestrator.request("POST", &format!("{looked_at}/act"), &json!({"act": "roll-back"}))?;
        self.until("the gateway has what it had", || Ok(self.session(0)?["ambr_downlink_bps"] == SLOW))?;
        self.reaches_state(&looked_at, "rolled-back")?;

        let for_good = self.begin(&json!({"changes": change, "canary_percent": 100, "soak_minutes": 0}))?;
        let done = self.reaches_state(&for_good, "done")?;
        ensure!(done["gateways"][0]["gateway"] == GATEWAY && done["gateways"][0]["step"] == "done", "{done}");
        let kept = self.orchestrator.request("GET", "apns/internet", &Value::Null)?;
        ensure!(kept["body"]["ambr"]["max_dl_bit_rate"] == PLAN, "the object itself has not changed: {kept}");
        ensure!(self.session(0)?["ambr_downlink_bps"] == PLAN, "phone 1 has its old rate: {}", self.session(0)?);
        self.reaches(0)?;

        self.orchestrator.put("apns/internet", &before)?;
        self.until("the former rate is back", || Ok(self.session(0)?["ambr_downlink_bps"] == SLOW))?;
        self.say(
            "in stages: phone 1 gets 1 Mbit/s, then what it had, and 1 Mbit/s for good; the object changes at the end",
        );
        Ok(())
    }

    /// Begins a staged change; its path.
    fn begin(&self, plan: &Value) -> Result<String> {
        let made = self.orchestrator.request("POST", "config-rollouts", plan)?;
        Ok(format!("config-rollouts/{}", made["id"].as_str().context("no id")?))
    }

    fn reaches_state(&self, path: &str, state: &str) -> Result<Value> {
        let mut seen = Value::Null;
        self.until(&format!("a staged change is {state}"), || {
            seen = self.orchestrator.request("GET", path, &Value::Null)?;
            Ok(seen["state"] == state)
        })
        .with_context(|| format!("{path} does not become {state}"))?;
        Ok(seen)
    }
}
