//! A phone's packets beside its signalling: watched as soon as it has a session, and again when it has another one.

use crate::client::Client;
use basalt_control_api::gateway::v1 as api;
use basalt_control_api::gateway::v1::seen_packet::Point;
use std::time::Duration;
use tokio::time::Instant;
use tonic::Streaming;

/// Octets of each frame: the headers in the tunnel.
const SNAP: u32 = 96;
/// Packets that are taken within a second.
const MOST: u32 = 100;
const SECOND: Duration = Duration::from_secs(1);
/// Between two looks whether the phone has a session.
const LOOK: Duration = Duration::from_millis(200);

/// See the module.
pub(super) struct UserPlane {
    /// Whose; nobody's where packets are not wanted.
    imsi: Option<String>,
    seen: Option<Streaming<api::SeenPacket>>,
    /// When it is tried the next time to watch.
    due: Instant,
    /// Why it could not be watched the last time.
    why: Option<String>,
    second: Instant,
    within: u32,
    taken: u64,
    left_out: u64,
}

impl UserPlane {
    pub(super) fn new(imsi: Option<String>) -> Self {
        let now = Instant::now();
        Self { imsi, seen: None, due: now, why: None, second: now, within: 0, taken: 0, left_out: 0 }
    }

    /// The next packet that is taken; never ends where none are wanted. May be given up at any point and asked again.
    pub(super) async fn next(&mut self, client: &mut Client) -> api::SeenPacket {
        let Some(imsi) = self.imsi.clone() else { return std::future::pending().await };
        loop {
            let Some(seen) = &mut self.seen else {
                tokio::time::sleep_until(self.due).await;
                self.due = Instant::now() + LOOK;
                match client.watch(api::WatchPacketsRequest { imsi: imsi.clone(), snap: SNAP }).await {
                    Ok(seen) => self.seen = Some(seen),
                    Err(error) => self.why = Some(error.to_string()),
                }
                continue;
            };
            // However it ended, the phone may have another session.
            let Ok(Some(packet)) = seen.message().await else {
                self.seen = None;
                continue;
            };
            let in_tunnel = matches!(packet.point(), Point::RadioIn | Point::RadioOut | Point::UplinkDropped);
            if in_tunnel && self.may_take(Instant::now()) {
                return packet;
            }
        }
    }

    fn may_take(&mut self, now: Instant) -> bool {
        if now.duration_since(self.second) >= SECOND {
            (self.second, self.within) = (now, 0);
        }
        self.within += 1;
        let may = self.within <= MOST;
        *(if may { &mut self.taken } else { &mut self.left_out }) += 1;
        may
    }

    /// What became of it, where packets were wanted.
    pub(super) fn words(&self) -> Option<String> {
        self.imsi.as_ref()?;
        Some(match (&self.why, self.taken, self.left_out) {
            (Some(why), 0, 0) => format!("no packets: {why}"),
            (_, taken, 0) => format!("{taken} packets of the phone are with them"),
            (_, taken, left_out) => {
                format!("{taken} packets of the phone are with them, {left_out} beyond {MOST} a second are not")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_packets_a_second_are_taken_and_the_others_counted() {
        let mut plane = UserPlane::new(Some("001010000000001".to_owned()));
        let now = Instant::now();
        let taken = |plane: &mut UserPlane, at| (0..150).filter(|_| plane.may_take(at)).count();
        assert_eq!((taken(&mut plane, now), taken(&mut plane, now + SECOND)), (100, 100));
        assert!(plane.words().unwrap().contains("200 packets of the phone are with them, 100 beyond"));
        assert_eq!(UserPlane::new(None).words(), None);
    }
}
