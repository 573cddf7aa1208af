//! What replicas have to do with each other: where gateways find them, and who of them acts where one must.

use crate::fleet::{Fleet, now};
use orchestrator_db::{Error, GatewayEvent};
use std::time::Duration;

/// Between two words of a replica that it is there.
const WORD: Duration = Duration::from_secs(5);
/// A replica that was not heard of for so long is not told to gateways any more, milliseconds. Long: one that is away costs a gateway
/// a try, one that is not known costs it the orchestrator.
const FORGOTTEN: i64 = 24 * 3_600_000;
/// Places told to gateways.
const PLACES: usize = 16;
/// Between two looks at certificates.
const LOOK: Duration = Duration::from_secs(60);
/// Gateways renew with a third of the life left, which is a day. One with less than this has not managed to; milliseconds.
const LATE: i64 = 12 * 3_600_000;
/// Alarms that any replica may raise have this epoch: told twice, they are kept once.
const EPOCH: i64 = -1;

impl Fleet {
    /// Says that this replica is there, where gateways find it (`HOST:PORT`, or several with commas between), and tells gateways where
    /// all replicas are. Until dropped.
    pub async fn announce(&self, address: &str) {
        loop {
            match self.db.replicas(address, now(), now() - FORGOTTEN).await {
                Ok(all) => {
                    let mut places: Vec<String> = all.iter().flat_map(|it| it.split(',')).map(str::to_owned).collect();
                    places.sort_unstable();
                    places.dedup();
                    places.truncate(PLACES);
                    self.places.send_if_modified(|told| {
                        let new = *told != places;
                        *told = places;
                        new
                    });
                }
                Err(error) => tracing::warn!(%error, "other replicas cannot be seen now"),
            }
            tokio::time::sleep(WORD).await;
        }
    }

    /// Raises alarms about gateways whose certificate runs out, where this replica is the one that acts. Until dropped.
    pub async fn watch_certificates(&self) {
        loop {
            if let Err(error) = self.look_at_certificates().await {
                tracing::warn!(%error, "certificates cannot be looked at now");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn look_at_certificates(&self) -> Result<(), Error> {
        if !self.db.leads().await? {
            return Ok(());
        }
        let now = now();
        for (network, gateway, ends) in self.db.expiring(now - LATE, now + LATE).await? {
            let hours = (ends - now) / 3_600_000;
            let when = if ends > now { format!("runs out in {hours} hours") } else { "has run out".to_owned() };
            let words = format!(
                "the certificate of {gateway} {when}: it has not come to renew it. It goes on by itself, and shows its device key \
                 when it comes back"
            );
            let event = GatewayEvent {
                id: 0,
                gateway,
                epoch: EPOCH,
                // One of each certificate.
                number: ends,
                at: now,
                kind: "certificate-expiring".to_owned(),
                alarm: true,
                imsi: String::new(),
                words,
                facts: serde_json::json!({ "expires_at": ends }).to_string(),
            };
            self.db.put_gateway_events(&network, &[event]).await?;
        }
        Ok(())
    }
}
