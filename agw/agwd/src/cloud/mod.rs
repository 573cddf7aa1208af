//! The daemon's side of the conversation with the orchestrator (`crates/cloud-link`): desired state into the subscriber list and the
//! store, reports out of the loop, commands.
//!
//! Who wins: what the orchestrator manages is as the orchestrator says, and goes before the file of this machine (see [`overlay()`]).
//! Subscribers that it does not know are the gateway's own and stay. A managed subscriber that is changed on the gateway stays so
//! while there is no link, and is put right when there is. Without a link the gateway goes on with all that it had, also after a
//! restart.

mod commands;
mod force;
mod managed;
pub mod outgoing;
mod overlay;
mod phones;
mod plan;
mod profile;
mod report;

pub use commands::ended as command_ended;
pub use force::{Retired, Wanted, carry_out};
pub use managed::{Managed, load};
pub use overlay::{Local, Overlaid, overlay};
pub use plan::{restore_rules, subscribe};

use crate::gateway::{Gateway, Job};
use anyhow::Context as _;
use basalt_cloud_link::{DeviceKey, Handle, Plan, Site, TcpDial};
use basalt_cloud_sync::{
    Command, Event, Identity, Input, Link, Memory, Page, Progress, Refusal, Settings, UsageRecord,
};
use basalt_sansio::SecureSeed;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Begins the conversation. A gateway that has not joined waits for a token.
///
/// # Errors
/// The device key cannot be read or made.
pub fn start(gateway: &mut Gateway, jobs: &mpsc::Sender<Job>, seed: SecureSeed) -> anyhow::Result<()> {
    let key = DeviceKey::load_or_create(&gateway.effective.state_dir.join("device.key"))?;
    let events = std::mem::take(&mut gateway.managed.events);
    let memory = Memory { identity: gateway.managed.identity().cloned(), held: gateway.managed.held(), events };
    let plan = Plan {
        settings: Settings::default(),
        memory,
        token: None,
        name: object_name(&gateway.effective.gateway.name),
        software: crate::version::version().to_owned(),
        key,
        seed,
    };
    let site = Arc::new(Loop { jobs: jobs.clone(), ledger: gateway.managed.ledger() });
    let handle = basalt_cloud_link::spawn(plan, site, Arc::new(TcpDial));
    let untold = std::mem::take(&mut gateway.managed.untold.events);
    report::start(handle.clone(), jobs.clone(), gateway.events.watch("", 0).1, untold);
    crate::slots::trial::watch(gateway, jobs, &handle);
    let before = std::mem::take(&mut gateway.managed.commands);
    for report in commands::begun_before(gateway, before) {
        // The queue is empty yet.
        let _ = handle.offer(Input::Progress(report));
    }
    if gateway.managed.draining {
        tracing::info!("this gateway is drained: it takes no new phones");
        managed::drain(gateway, true);
    }
    gateway.managed.attach(handle);
    gateway.managed.tell();
    Ok(())
}

/// The gateway's name as the orchestrator takes it.
fn object_name(name: &str) -> String {
    let allowed = |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '-' };
    let name: String = name.chars().take(64).map(allowed).collect();
    name.trim_matches(|letter: char| !letter.is_ascii_alphanumeric()).to_owned()
}

/// The gateway's loop, as the conversation sees it.
struct Loop {
    jobs: mpsc::Sender<Job>,
    ledger: u64,
}

impl Loop {
    /// Runs a job that answers when something is durable. Without an answer the daemon is ending, and so nothing is ever told.
    async fn later<T: Send + 'static>(&self, job: impl FnOnce(&mut Gateway, oneshot::Sender<T>) + Send + 'static) -> T {
        let (done, wait) = oneshot::channel();
        let job: Job = Box::new(move |gateway| job(gateway, done));
        if self.jobs.send(job).await.is_ok()
            && let Ok(answer) = wait.await
        {
            return answer;
        }
        core::future::pending().await
    }
}

#[async_trait::async_trait]
impl Site for Loop {
    async fn apply(&self, page: &Page) -> Vec<Refusal> {
        let page = page.clone();
        self.later(move |gateway, done| managed::apply(gateway, page, done)).await
    }

    async fn keep(&self, identity: &Identity) {
        let identity = identity.clone();
        self.later(move |gateway, done| managed::keep_identity(gateway, identity, done)).await;
    }

    async fn read_usage(&self, most: usize) -> (u64, Vec<UsageRecord>) {
        let records = self.later(move |gateway, done| {
            // Whoever asked may have gone.
            let _ = done.send(crate::usage::waiting(gateway, most));
        });
        (self.ledger, records.await)
    }

    async fn ack_usage(&self, ledger: u64, through: u64) {
        if ledger != self.ledger {
            return;
        }
        self.later(move |gateway, done| {
            // Numbers are cursors and one: all before the number's cursor and itself.
            crate::usage::page(gateway, 0, through, 0);
            let _ = done.send(());
        })
        .await;
    }

    async fn keep_events(&self, epoch: u64, events: &[Event], forget: u64) {
        let events = events.to_vec();
        self.later(move |gateway, done| outgoing::keep(gateway, epoch, events, forget, done)).await;
    }

    async fn run(&self, command: Command, progress: mpsc::Sender<Progress>) {
        commands::run(&self.jobs, command, progress).await;
    }

    fn tell(&self, link: &Link) {
        match link {
            Link::Up => tracing::info!("the orchestrator is connected"),
            Link::Certified(until) => tracing::info!(until, "the orchestrator gave a certificate"),
            Link::Down(why) => tracing::info!(why, "no link to the orchestrator; it is tried again"),
            Link::Refused(why) => tracing::warn!(why, "the orchestrator refuses this gateway; it is tried again"),
        }
    }
}

/// Joins with a token and waits a while for what comes of it; the status then.
///
/// # Errors
/// What is wrong with the token, or why the gateway did not join.
pub async fn join(handle: Handle, token: &str) -> Result<basalt_cloud_link::Status, String> {
    let token = token.parse::<basalt_control_api::orchestrator::JoinToken>().map_err(|error| error.to_string())?;
    let mut status = handle.status();
    let before = status.borrow_and_update().certified_until;
    handle.join(token).await;
    let joined = status.wait_for(|status| {
        let certified = status.certified_until != before && status.talking;
        certified || (!status.trouble.is_empty() && !status.talking)
    });
    let joined = tokio::time::timeout(std::time::Duration::from_secs(30), joined).await;
    match joined {
        Ok(Ok(status)) if status.talking => Ok(status.clone()),
        Ok(Ok(status)) => Err(status.trouble.clone()),
        Ok(Err(_)) => Err("agwd is stopping".to_owned()),
        Err(_) => Err("the orchestrator does not answer; it is tried again, `basalt gateway show` tells".to_owned()),
    }
}

/// A number for the ledger of usage, kept for ever: a gateway that lost its disk begins another.
///
/// # Errors
/// The system has no randomness.
pub fn ledger_number() -> anyhow::Result<u64> {
    let mut octets = [0; 8];
    getrandom::fill(&mut octets).map_err(|error| anyhow::anyhow!("{error}")).context("the ledger's number")?;
    Ok(u64::from_be_bytes(octets) | 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_one_that_objects_may_have() {
        assert_eq!(object_name("Mast on the hill/2"), "Mast-on-the-hill-2");
        assert_eq!(object_name("--x_"), "x");
    }
}
