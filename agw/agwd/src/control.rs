//! The control API: gRPC over a Unix socket that only this user and group can open.
//!
//! Requests become jobs for the gateway's loop, so that every answer is of one moment.

mod asked;
mod keep;
mod rules;

use crate::gateway::{Gateway, Job};
use crate::{calls, cloud, convert, diagnose, packets, subscribers, usage};
use agw_types::{Command, SubscriberState};
use anyhow::Context as _;
use basalt_control_api::gateway::v1 as api;
use basalt_control_api::gateway::v1::gateway_server::{Gateway as Service, GatewayServer};
use basalt_ids::{Ebi, Imsi};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::pin::Pin;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{BroadcastStream, ReceiverStream, UnixListenerStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use asked::show_event;
pub use keep::{Prepared, keep_with, prepare};
use keep::{delete, import, keep, set_state};

/// Serves until the process ends.
///
/// # Errors
/// When the socket cannot be made.
pub async fn serve(socket: &Path, jobs: mpsc::Sender<Job>) -> anyhow::Result<()> {
    if UnixStream::connect(socket).await.is_ok() {
        anyhow::bail!("another agwd serves on {}: stop it first, or set another run_dir", socket.display());
    }
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot replace {}", socket.display()));
        }
        _ => {}
    }
    let listener = UnixListener::bind(socket).with_context(|| format!("cannot serve on {}", socket.display()))?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o660))
        .with_context(|| format!("cannot protect {}", socket.display()))?;
    let service = GatewayServer::new(Control { jobs }).max_decoding_message_size(MESSAGE);
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(async move {
        if let Err(error) = server.serve_with_incoming(UnixListenerStream::new(listener)).await {
            tracing::error!(%error, "the control API ended");
        }
    });
    Ok(())
}

/// Largest request, octets: some thousand subscribers of an import.
const MESSAGE: usize = 16 << 20;
/// Most subscribers of one import.
const IMPORT: usize = 1_000_000;
const PAGE: u32 = 250;
const MAX_PAGE: u32 = 1_000;

#[derive(Debug, Clone)]
struct Control {
    jobs: mpsc::Sender<Job>,
}

fn imsi(text: &str) -> Result<Imsi, Status> {
    subscribers::imsi(text).map_err(Status::invalid_argument)
}

fn after(text: &str) -> Result<Option<Imsi>, Status> {
    if text.is_empty() { Ok(None) } else { imsi(text).map(Some) }
}

fn page_size(asked: u32) -> usize {
    let size = if asked == 0 { PAGE } else { asked.min(MAX_PAGE) };
    size as usize
}

fn never_seen(imsi: Imsi, subscribed: bool) -> String {
    if subscribed {
        format!("phone {imsi} has not tried to attach yet; it is in the subscriber list")
    } else {
        format!("phone {imsi} has not tried to attach, and is not in the subscriber list")
    }
}

fn not_subscribed(imsi: Imsi) -> Status {
    Status::not_found(format!("there is no subscriber {imsi}; see `basalt subscriber list`"))
}

/// Reads a plan.
fn plan_of(imsi: Imsi, plan: api::DataPlan) -> Result<usage::StoredPlan, Status> {
    let term = match plan.term() {
        api::PlanTerm::Session => usage::StoredTerm::Session,
        api::PlanTerm::Day => usage::StoredTerm::Day,
        api::PlanTerm::Month => usage::StoredTerm::Month,
        api::PlanTerm::Unspecified => return Err(Status::invalid_argument("say session, day or month")),
    };
    let slow = (plan.slow != 0).then_some(plan.slow);
    Ok(usage::StoredPlan { imsi, octets: plan.octets, term, slow, extra: 0, extra_for: 0 })
}

type Packets = Pin<Box<dyn Stream<Item = Result<api::SeenPacket, Status>> + Send>>;
type Calls = Pin<Box<dyn Stream<Item = Result<api::TracedCalls, Status>> + Send>>;
type Events = Pin<Box<dyn Stream<Item = Result<api::Event, Status>> + Send>>;

#[tonic::async_trait]
impl Service for Control {
    async fn get_status(&self, _: Request<api::GetStatusRequest>) -> Result<Response<api::GatewayStatus>, Status> {
        self.run(convert::status).await.map(Response::new)
    }

    async fn diagnose(&self, request: Request<api::DiagnoseRequest>) -> Result<Response<api::Diagnosis>, Status> {
        let imsi = after(&request.into_inner().imsi)?;
        let (wanted, own) = self.run(move |gateway| diagnose::look(gateway, imsi)).await?;
        // Not on the gateway's thread: no phone waits for a look at the machine.
        let diagnosis = tokio::task::spawn_blocking(move || diagnose::diagnosis(&wanted, own)).await;
        diagnosis.map(Response::new).map_err(|error| Status::internal(format!("the diagnosis ended early: {error}")))
    }

    async fn add_subscriber(
        &self,
        request: Request<api::AddSubscriberRequest>,
    ) -> Result<Response<api::Subscriber>, Status> {
        let request = request.into_inner();
        let exists = self
            .later(move |gateway, done| {
                let imsi = request.subscriber.as_ref().and_then(|s| s.imsi.parse::<Imsi>().ok());
                let former = imsi.and_then(|imsi| gateway.stored.get(&imsi)).cloned();
                match prepare(gateway, &request, former.as_ref()) {
                    Ok(prepared) => {
                        let shown = subscribers::show(&prepared.stored);
                        keep(gateway, vec![prepared], move || {
                            let _ = done.send(Ok(shown));
                        });
                    }
                    Err(reason) => {
                        let duplicate = former.is_some() && !request.replace;
                        let _ = done.send(Err((duplicate, reason)));
                    }
                }
            })
            .await?;
        exists.map(Response::new).map_err(|(duplicate, reason)| {
            if duplicate { Status::already_exists(reason) } else { Status::invalid_argument(reason) }
        })
    }

    async fn import_subscribers(
        &self,
        request: Request<Streaming<api::ImportSubscribersRequest>>,
    ) -> Result<Response<api::ImportSubscribersResponse>, Status> {
        let mut stream = request.into_inner();
        let mut rows = Vec::new();
        let mut dry_run = None;
        while let Some(message) = stream.message().await? {
            dry_run.get_or_insert(message.dry_run);
            rows.extend(message.rows);
            if rows.len() > IMPORT {
                return Err(Status::resource_exhausted(format!(
                    "one import has at most {IMPORT} rows; split the file"
                )));
            }
        }
        let imported = self.later(move |gateway, done| import(gateway, &rows, dry_run.unwrap_or(false), done)).await?;
        imported.map(Response::new).ok_or_else(|| {
            Status::resource_exhausted("one import becomes durable as a whole and this one is too long: split the file")
        })
    }

    async fn list_subscribers(
        &self,
        request: Request<api::ListSubscribersRequest>,
    ) -> Result<Response<api::ListSubscribersResponse>, Status> {
        let request = request.into_inner();
        let (after, size) = (after(&request.after)?, page_size(request.page_size));
        let page = self
            .run(move |gateway| {
                let page = convert::page(&gateway.stored, after, size);
                page.into_iter().map(|(_, stored)| subscribers::show(stored)).collect::<Vec<_>>()
            })
            .await?;
        let next =
            if page.len() == size { page.last().map(|s| s.imsi.clone()).unwrap_or_default() } else { String::new() };
        Ok(Response::new(api::ListSubscribersResponse { subscribers: page, next }))
    }

    async fn get_subscriber(
        &self,
        request: Request<api::GetSubscriberRequest>,
    ) -> Result<Response<api::Subscriber>, Status> {
        let imsi = imsi(&request.into_inner().imsi)?;
        let found = self.run(move |gateway| gateway.stored.get(&imsi).map(subscribers::show)).await?;
        found.map(Response::new).ok_or_else(|| not_subscribed(imsi))
    }

    async fn set_subscriber_state(
        &self,
        request: Request<api::SetSubscriberStateRequest>,
    ) -> Result<Response<api::Subscriber>, Status> {
        let request = request.into_inner();
        let imsi = imsi(&request.imsi)?;
        let state = match request.state() {
            api::SubscriberState::Active => SubscriberState::Active,
            api::SubscriberState::Suspended => SubscriberState::Suspended,
            api::SubscriberState::Unspecified => return Err(Status::invalid_argument("say active or suspended")),
        };
        let found = self.later(move |gateway, done| set_state(gateway, imsi, state, done)).await?;
        found.map(Response::new).ok_or_else(|| not_subscribed(imsi))
    }

    async fn delete_subscriber(
        &self,
        request: Request<api::DeleteSubscriberRequest>,
    ) -> Result<Response<api::DeleteSubscriberResponse>, Status> {
        let imsi = imsi(&request.into_inner().imsi)?;
        let found = self.later(move |gateway, done| delete(gateway, imsi, done)).await?;
        let was_attached = found.ok_or_else(|| not_subscribed(imsi))?;
        Ok(Response::new(api::DeleteSubscriberResponse { was_attached }))
    }

    async fn join_orchestrator(
        &self,
        request: Request<api::JoinOrchestratorRequest>,
    ) -> Result<Response<api::OrchestratorLink>, Status> {
        let token = request.into_inner().token;
        let status = cloud::join(self.link().await?, &token).await.map_err(Status::failed_precondition)?;
        self.shown_link(status).await
    }

    async fn get_orchestrator_link(
        &self,
        _: Request<api::GetOrchestratorLinkRequest>,
    ) -> Result<Response<api::OrchestratorLink>, Status> {
        let status = self.link().await?.status().borrow().clone();
        self.shown_link(status).await
    }

    async fn list_ues(&self, request: Request<api::ListUesRequest>) -> Result<Response<api::ListUesResponse>, Status> {
        let request = request.into_inner();
        let (after, size) = (after(&request.after)?, page_size(request.page_size));
        let (ues, next) = self.run(move |gateway| convert::ues(gateway, after, size)).await?;
        Ok(Response::new(api::ListUesResponse { ues, next }))
    }

    async fn get_ue(&self, request: Request<api::GetUeRequest>) -> Result<Response<api::Ue>, Status> {
        let imsi = imsi(&request.into_inner().imsi)?;
        let look =
            move |gateway: &mut Gateway| convert::ue(gateway, imsi).ok_or_else(|| gateway.stored.contains_key(&imsi));
        self.run(look).await?.map(Response::new).map_err(|subscribed| Status::not_found(never_seen(imsi, subscribed)))
    }

    async fn list_enbs(&self, _: Request<api::ListEnbsRequest>) -> Result<Response<api::ListEnbsResponse>, Status> {
        let enbs = self.run(|gateway| convert::enbs(gateway)).await?;
        Ok(Response::new(api::ListEnbsResponse { enbs }))
    }

    async fn list_sessions(
        &self,
        request: Request<api::ListSessionsRequest>,
    ) -> Result<Response<api::ListSessionsResponse>, Status> {
        let request = request.into_inner();
        let (after, size) = (after(&request.after)?, page_size(request.page_size));
        let (sessions, next) = self.run(move |gateway| convert::sessions(gateway, after, size)).await?;
        Ok(Response::new(api::ListSessionsResponse { sessions, next }))
    }

    async fn list_usage(
        &self,
        request: Request<api::ListUsageRequest>,
    ) -> Result<Response<api::ListUsageResponse>, Status> {
        let request = request.into_inner();
        let (after, size) = (after(&request.after)?, page_size(request.page_size));
        let (subscribers, next) = self.counted(move |gateway| usage::list(gateway, after, size)).await?;
        Ok(Response::new(api::ListUsageResponse { subscribers, next }))
    }

    async fn get_usage(
        &self,
        request: Request<api::GetUsageRequest>,
    ) -> Result<Response<api::SubscriberUsage>, Status> {
        let imsi = imsi(&request.into_inner().imsi)?;
        let found = self.counted(move |gateway| usage::of(gateway, imsi)).await?;
        let none = || Status::not_found(format!("subscriber {imsi} has used nothing, as far as is kept"));
        found.map(Response::new).ok_or_else(none)
    }

    async fn list_usage_records(
        &self,
        request: Request<api::ListUsageRecordsRequest>,
    ) -> Result<Response<api::ListUsageRecordsResponse>, Status> {
        let request = request.into_inner();
        let size = page_size(request.page_size);
        self.counted(move |gateway| usage::page(gateway, request.from, request.acknowledged, size))
            .await
            .map(Response::new)
    }

    async fn get_port_holder(
        &self,
        request: Request<api::GetPortHolderRequest>,
    ) -> Result<Response<api::PortHolder>, Status> {
        let api::GetPortHolderRequest { address, port, time } = request.into_inner();
        let outside: std::net::Ipv4Addr =
            address.parse().map_err(|_| Status::invalid_argument(format!("`{address}` is not an IPv4 address")))?;
        let port = u16::try_from(port).map_err(|_| Status::invalid_argument(format!("{port} is not a port")))?;
        let keep = self.run(|gateway| gateway.effective.translation.log.clone()).await?;
        let none = "this gateway does not translate addresses in blocks of ports: see [internet] mode = \"xdp-nat\"";
        let keep = keep.ok_or_else(|| Status::failed_precondition(none))?;
        // Files of days: not on the gateway's own thread.
        let search = move || agw_dataplane::blocklog::who_had(&keep.directory, outside, port, time);
        let found = tokio::task::spawn_blocking(search).await.map_err(|error| Status::internal(error.to_string()))?;
        let found = found.map_err(|error| Status::internal(format!("the log of port blocks: {error}")))?;
        let nobody = || Status::not_found(format!("nobody had port {port} of {outside} then, as far as is kept"));
        found.map(convert::port_holder).map(Response::new).ok_or_else(nobody)
    }

    async fn set_data_plan(
        &self,
        request: Request<api::SetDataPlanRequest>,
    ) -> Result<Response<api::SetDataPlanResponse>, Status> {
        let request = request.into_inner();
        let imsi = imsi(&request.imsi)?;
        let plan = request.plan.map(|plan| plan_of(imsi, plan)).transpose()?;
        let set = self.later(move |gateway, done| {
            if !gateway.stored.contains_key(&imsi) {
                let _ = done.send(None);
                return;
            }
            let answer = Box::new(move |gateway: &mut Gateway| {
                let _ = done.send(Some(usage::state(gateway, imsi)));
            });
            usage::set_plan(gateway, imsi, plan, answer);
        });
        let plan = set.await?.ok_or_else(|| not_subscribed(imsi))?;
        Ok(Response::new(api::SetDataPlanResponse { plan }))
    }

    async fn top_up(&self, request: Request<api::TopUpRequest>) -> Result<Response<api::SetDataPlanResponse>, Status> {
        let request = request.into_inner();
        let imsi = imsi(&request.imsi)?;
        let added = self.later(move |gateway, done| {
            if usage::state(gateway, imsi).is_none() {
                let _ = done.send(None);
                return;
            }
            let answer = Box::new(move |gateway: &mut Gateway| {
                let _ = done.send(Some(usage::state(gateway, imsi)));
            });
            usage::top_up(gateway, imsi, request.octets, answer);
        });
        let none = || Status::failed_precondition(format!("subscriber {imsi} has no data plan to add to"));
        let plan = added.await?.ok_or_else(none)?;
        Ok(Response::new(api::SetDataPlanResponse { plan }))
    }

    type WatchPacketsStream = Packets;

    async fn watch_packets(
        &self,
        request: Request<api::WatchPacketsRequest>,
    ) -> Result<Response<Self::WatchPacketsStream>, Status> {
        let request = request.into_inner();
        let imsi = imsi(&request.imsi)?;
        let until = tokio::time::Instant::now() + packets::PATIENCE;
        let seen = loop {
            let begin = self.run(move |gateway| packets::watch(gateway, imsi, request.snap)).await??;
            let begun = tokio::task::spawn_blocking(begin).await;
            match begun.map_err(|error| Status::internal(format!("the watch ended early: {error}")))? {
                Err(status)
                    if status.code() == tonic::Code::ResourceExhausted && tokio::time::Instant::now() < until =>
                {
                    tokio::time::sleep(packets::PATIENCE / 20).await;
                }
                other => break other?,
            }
        };
        Ok(Response::new(Box::pin(ReceiverStream::new(seen).map(|packet| Ok(packets::show(packet))))))
    }

    type TraceCallStream = Calls;

    async fn trace_call(
        &self,
        request: Request<api::TraceCallRequest>,
    ) -> Result<Response<Self::TraceCallStream>, Status> {
        let request = request.into_inner();
        let octets = if request.octets == 0 { calls::WAITING } else { request.octets as usize };
        let whom = calls::Whom::of(&request.imsi, &request.enb).map_err(Status::invalid_argument)?;
        let begun = self.run(move |gateway| calls::begin(gateway, String::new(), whom, octets)).await?;
        let watch = begun.map_err(Status::resource_exhausted)?;
        let lines = tokio_stream::iter(std::iter::repeat(())).then(move |()| {
            let watch = watch.clone();
            async move { Ok(api::TracedCalls { lines: watch.next().await }) }
        });
        Ok(Response::new(Box::pin(lines)))
    }

    async fn detach_ue(
        &self,
        request: Request<api::DetachUeRequest>,
    ) -> Result<Response<api::CommandResponse>, Status> {
        let request = request.into_inner();
        self.command(Command::Detach { imsi: imsi(&request.imsi)?, reattach: request.reattach }).await
    }

    async fn page_ue(&self, request: Request<api::PageUeRequest>) -> Result<Response<api::CommandResponse>, Status> {
        self.command(Command::Page { imsi: imsi(&request.into_inner().imsi)? }).await
    }

    async fn deactivate_session(
        &self,
        request: Request<api::DeactivateSessionRequest>,
    ) -> Result<Response<api::CommandResponse>, Status> {
        let request = request.into_inner();
        let ebi = u8::try_from(request.ebi).ok().and_then(|value| Ebi::new(value).ok());
        let ebi = ebi.ok_or_else(|| Status::invalid_argument("a bearer identity is 5 to 15"))?;
        self.command(Command::Deactivate { imsi: imsi(&request.imsi)?, ebi }).await
    }

    async fn set_rule(&self, request: Request<api::SetRuleRequest>) -> Result<Response<api::CommandResponse>, Status> {
        rules::set(self, request.into_inner()).await.map(|()| Response::new(api::CommandResponse {}))
    }

    async fn remove_rule(
        &self,
        request: Request<api::RemoveRuleRequest>,
    ) -> Result<Response<api::CommandResponse>, Status> {
        rules::remove(self, request.into_inner()).await.map(|()| Response::new(api::CommandResponse {}))
    }

    async fn list_rules(
        &self,
        request: Request<api::ListRulesRequest>,
    ) -> Result<Response<api::ListRulesResponse>, Status> {
        rules::list(self, request.into_inner()).await.map(Response::new)
    }

    async fn reset_enb(
        &self,
        request: Request<api::ResetEnbRequest>,
    ) -> Result<Response<api::CommandResponse>, Status> {
        let wanted = request.into_inner().id;
        let shown = wanted.clone();
        let enb = self.run(move |gateway| convert::enb_named(gateway, &wanted)).await?;
        let enb = enb.ok_or_else(|| {
            Status::not_found(format!("no base station `{}` is connected; see `basalt get enbs`", shown.escape_debug()))
        })?;
        self.command(Command::ResetEnb { enb }).await
    }

    type WatchEventsStream = Events;

    async fn watch_events(
        &self,
        request: Request<api::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let request = request.into_inner();
        let wanted = request.imsi.clone();
        let count = request.past as usize;
        let (past, next) = self.run(move |gateway| gateway.events.watch(&wanted, count)).await?;
        let past = tokio_stream::iter(past.into_iter().map(|line| Ok(show_event(line))));
        if request.past_only {
            return Ok(Response::new(Box::pin(past)));
        }
        let imsi = request.imsi;
        let next = BroadcastStream::new(next).filter_map(move |line| match line {
            Ok(line) if imsi.is_empty() || line.imsi == imsi => Some(Ok(show_event(line))),
            Ok(_) => None,
            Err(error) => Some(Err(Status::data_loss(format!("this client is too slow: {error}")))),
        });
        Ok(Response::new(Box::pin(past.chain(next))))
    }
}
