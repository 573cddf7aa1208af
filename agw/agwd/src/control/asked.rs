//! What requests ask of the gateway's loop, and how its link and its events are told.

use super::Control;
use crate::events::EventLine;
use crate::gateway::{Gateway, Job};
use crate::usage;
use agw_types::{Command, OperatorReply};
use basalt_control_api::gateway::v1 as api;
use tokio::sync::oneshot;
use tonic::{Response, Status};

impl Control {
    /// Runs `job` on the gateway's loop and waits for its result.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Gateway) -> T + Send + 'static,
    ) -> Result<T, Status> {
        self.later(move |gateway, done| {
            // The client may have gone.
            let _ = done.send(job(gateway));
        })
        .await
    }

    /// Like `run`, for a result that comes when something is durable.
    pub(super) async fn later<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Gateway, oneshot::Sender<T>) + Send + 'static,
    ) -> Result<T, Status> {
        let (done, wait) = oneshot::channel();
        let job: Job = Box::new(move |gateway| job(gateway, done));
        self.jobs.send(job).await.map_err(|_| Status::unavailable("agwd is stopping"))?;
        wait.await.map_err(|_| Status::unavailable("agwd is stopping"))
    }

    /// Like `run`, with all counters read just before and what they say durable.
    pub(super) async fn counted<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Gateway) -> T + Send + 'static,
    ) -> Result<T, Status> {
        self.later(move |gateway, done| {
            let answer = Box::new(move |gateway: &mut Gateway| {
                // The client may have gone.
                let _ = done.send(job(gateway));
            });
            usage::collect(gateway, Some(answer));
        })
        .await
    }

    pub(super) async fn link(&self) -> Result<basalt_cloud_link::Handle, Status> {
        let link = self.run(|gateway| gateway.managed.link().cloned()).await?;
        link.ok_or_else(|| Status::unavailable("agwd is starting"))
    }

    pub(super) async fn command(&self, command: Command) -> Result<Response<api::CommandResponse>, Status> {
        let reply = self.run(move |gateway| gateway.command(command)).await?;
        match reply.await.map_err(|_| Status::unavailable("agwd is stopping"))? {
            OperatorReply::Started => Ok(Response::new(api::CommandResponse {})),
            OperatorReply::NotFound => Err(Status::not_found("there is no such phone, session or base station")),
            OperatorReply::Refused(reason) => Err(Status::failed_precondition(reason)),
        }
    }
}

impl Control {
    pub(super) async fn shown_link(
        &self,
        status: basalt_cloud_link::Status,
    ) -> Result<Response<api::OrchestratorLink>, Status> {
        self.run(move |gateway| show_link(gateway, &status)).await.map(Response::new)
    }
}

fn show_link(gateway: &Gateway, status: &basalt_cloud_link::Status) -> api::OrchestratorLink {
    let not_in_force =
        gateway.managed.not_in_force().take(basalt_cloud_sync::REFUSALS).map(|(key, reason)| api::NotInForce {
            collection: key.collection.clone(),
            name: key.name.clone(),
            reason: reason.to_owned(),
            pending: false,
        });
    let pending = gateway.managed.pending().map(|it| api::NotInForce {
        collection: it.key.collection,
        name: it.key.name,
        reason: it.reason,
        pending: true,
    });
    let (network, name) = status.identity.clone().unwrap_or_default();
    api::OrchestratorLink {
        network,
        gateway: name,
        connected: status.talking,
        trouble: if status.talking { String::new() } else { status.trouble.clone() },
        certified_until: status.certified_until,
        items: gateway.managed.items().len() as u64,
        not_in_force: not_in_force.chain(pending).collect(),
    }
}

pub(super) fn show_event(line: EventLine) -> api::Event {
    api::Event {
        unix_millis: line.unix_millis,
        kind: line.kind.to_owned(),
        imsi: line.imsi,
        enb: line.enb,
        text: line.text,
        json: line.json,
    }
}
