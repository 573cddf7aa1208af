//! What the gateway answers to each request.

use super::{Shared, State};
use basalt_control_api::gateway::v1 as api;
use basalt_control_api::gateway::v1::gateway_server::Gateway;
use std::ops::Bound::{Excluded, Unbounded};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

pub struct Fake(pub Shared);

type Answer<T> = Result<Response<T>, Status>;

impl Fake {
    fn with<T>(&self, f: impl FnOnce(&mut State) -> Result<T, Status>) -> Answer<T> {
        f(&mut self.0.lock().unwrap()).map(Response::new)
    }

    fn command(&self, imsi: &str, words: String) -> Answer<api::CommandResponse> {
        self.with(|state| {
            if !imsi.is_empty() && !state.ues.iter().any(|ue| ue.imsi == imsi) {
                return Err(Status::not_found("there is no such phone, session or base station"));
            }
            state.commands.push(words);
            Ok(api::CommandResponse {})
        })
    }
}

#[tonic::async_trait]
impl Gateway for Fake {
    async fn get_status(&self, _: Request<api::GetStatusRequest>) -> Answer<api::GatewayStatus> {
        self.with(|state| {
            Ok(api::GatewayStatus { subscribers: state.subscribers.len() as u64, ..state.status.clone() })
        })
    }

    async fn diagnose(&self, request: Request<api::DiagnoseRequest>) -> Answer<api::Diagnosis> {
        let imsi = request.into_inner().imsi;
        self.with(|state| {
            let mut findings = state.findings.clone();
            if !imsi.is_empty() {
                findings.push(api::Finding {
                    check: "phone-downlink".to_owned(),
                    level: api::finding::Level::Error.into(),
                    found: "0 packets to the phone, 40 from it".to_owned(),
                    cause: "its packets go out, and none comes back".to_owned(),
                    fix: "see default-route and forward-filter".to_owned(),
                });
            }
            Ok(api::Diagnosis { findings })
        })
    }

    async fn add_subscriber(&self, request: Request<api::AddSubscriberRequest>) -> Answer<api::Subscriber> {
        let request = request.into_inner();
        self.with(|state| {
            let duplicate = request.subscriber.as_ref().is_some_and(|s| state.subscribers.contains_key(&s.imsi));
            let subscriber = check(state, &request).map_err(|words| {
                if duplicate { Status::already_exists(words) } else { Status::invalid_argument(words) }
            })?;
            keep(state, subscriber.clone(), request.keys);
            Ok(subscriber)
        })
    }

    async fn import_subscribers(
        &self,
        request: Request<Streaming<api::ImportSubscribersRequest>>,
    ) -> Answer<api::ImportSubscribersResponse> {
        let mut stream = request.into_inner();
        let (mut rows, mut messages, mut dry_run) = (Vec::new(), 0, false);
        while let Some(message) = stream.message().await? {
            dry_run = if messages == 0 { message.dry_run } else { dry_run };
            messages += 1;
            rows.extend(message.rows);
        }
        self.with(|state| {
            state.import_messages = messages;
            let mut answer = api::ImportSubscribersResponse::default();
            let mut kept = Vec::new();
            for (row, request) in (1..).zip(rows) {
                match check(state, &request) {
                    Ok(subscriber) => {
                        let known = state.subscribers.contains_key(&subscriber.imsi);
                        answer.imported += u32::from(!known);
                        answer.replaced += u32::from(known);
                        kept.push((subscriber, request.keys));
                    }
                    Err(message) => answer.errors.push(api::RowError { row, message }),
                }
            }
            if !dry_run && answer.errors.is_empty() {
                kept.into_iter().for_each(|(subscriber, keys)| keep(state, subscriber, keys));
            }
            Ok(answer)
        })
    }

    async fn list_subscribers(
        &self,
        request: Request<api::ListSubscribersRequest>,
    ) -> Answer<api::ListSubscribersResponse> {
        let request = request.into_inner();
        self.with(|state| {
            let rest = state.subscribers.range((Excluded(request.after.clone()), Unbounded)).map(|(_, s)| s.clone());
            let (subscribers, next) = page(rest, |s| s.imsi.clone(), request.page_size, state.page);
            Ok(api::ListSubscribersResponse { subscribers, next })
        })
    }

    async fn get_subscriber(&self, request: Request<api::GetSubscriberRequest>) -> Answer<api::Subscriber> {
        let imsi = request.into_inner().imsi;
        self.with(|state| state.subscribers.get(&imsi).cloned().ok_or_else(|| unknown(&imsi)))
    }

    async fn set_subscriber_state(&self, request: Request<api::SetSubscriberStateRequest>) -> Answer<api::Subscriber> {
        let request = request.into_inner();
        self.with(|state| {
            let subscriber = state.subscribers.get_mut(&request.imsi).ok_or_else(|| unknown(&request.imsi))?;
            subscriber.state = request.state;
            Ok(subscriber.clone())
        })
    }

    async fn delete_subscriber(
        &self,
        request: Request<api::DeleteSubscriberRequest>,
    ) -> Answer<api::DeleteSubscriberResponse> {
        let imsi = request.into_inner().imsi;
        self.with(|state| {
            state.subscribers.remove(&imsi).ok_or_else(|| unknown(&imsi))?;
            Ok(api::DeleteSubscriberResponse { was_attached: state.ues.iter().any(|ue| ue.imsi == imsi) })
        })
    }

    async fn join_orchestrator(&self, request: Request<api::JoinOrchestratorRequest>) -> Answer<api::OrchestratorLink> {
        match request.into_inner().token.starts_with("bgt1.") {
            true => Ok(Response::new(link())),
            false => Err(Status::failed_precondition("this is no token for a gateway")),
        }
    }

    async fn get_orchestrator_link(
        &self,
        _: Request<api::GetOrchestratorLinkRequest>,
    ) -> Answer<api::OrchestratorLink> {
        Ok(Response::new(link()))
    }

    async fn list_ues(&self, request: Request<api::ListUesRequest>) -> Answer<api::ListUesResponse> {
        let request = request.into_inner();
        self.with(|state| {
            let rest = state.ues.iter().filter(|ue| ue.imsi > request.after).cloned();
            let (ues, next) = page(rest, |ue| ue.imsi.clone(), request.page_size, state.page);
            Ok(api::ListUesResponse { ues, next })
        })
    }

    async fn get_ue(&self, request: Request<api::GetUeRequest>) -> Answer<api::Ue> {
        let imsi = request.into_inner().imsi;
        self.with(|state| {
            let found = state.ues.iter().find(|ue| ue.imsi == imsi).cloned();
            found.ok_or_else(|| {
                Status::not_found(format!("phone {imsi} was not seen since the gateway's records began"))
            })
        })
    }

    async fn list_enbs(&self, _: Request<api::ListEnbsRequest>) -> Answer<api::ListEnbsResponse> {
        self.with(|state| Ok(api::ListEnbsResponse { enbs: state.enbs.clone() }))
    }

    async fn list_sessions(&self, request: Request<api::ListSessionsRequest>) -> Answer<api::ListSessionsResponse> {
        let request = request.into_inner();
        self.with(|state| {
            let rest = state.ues.iter().flat_map(|ue| ue.sessions.clone()).filter(|s| s.imsi > request.after);
            let (sessions, next) = page(rest, |s| s.imsi.clone(), request.page_size, state.page);
            Ok(api::ListSessionsResponse { sessions, next })
        })
    }

    async fn set_rule(&self, request: Request<api::SetRuleRequest>) -> Answer<api::CommandResponse> {
        let api::SetRuleRequest { imsi, apn, rule, .. } = request.into_inner();
        self.with(|state| {
            let rule = rule.ok_or_else(|| Status::invalid_argument("the request has no rule"))?;
            let status = api::RuleStatus {
                apn: if apn.is_empty() { "internet".to_owned() } else { apn },
                ebi: if rule.qci == 0 { 5 } else { 6 },
                rule: Some(rule),
                state: "active".to_owned(),
                ..Default::default()
            };
            state.rules.push((imsi, status));
            Ok(api::CommandResponse {})
        })
    }

    async fn remove_rule(&self, request: Request<api::RemoveRuleRequest>) -> Answer<api::CommandResponse> {
        let api::RemoveRuleRequest { imsi, name, .. } = request.into_inner();
        self.with(|state| {
            let before = state.rules.len();
            let is = |status: &api::RuleStatus| status.rule.as_ref().is_some_and(|rule| rule.name == name);
            state.rules.retain(|(of, status)| *of != imsi || !is(status));
            if state.rules.len() == before {
                return Err(Status::not_found(format!(
                    "{imsi} has no rule `{name}` there; see `basalt rule list {imsi}`"
                )));
            }
            Ok(api::CommandResponse {})
        })
    }

    async fn list_rules(&self, request: Request<api::ListRulesRequest>) -> Answer<api::ListRulesResponse> {
        let imsi = request.into_inner().imsi;
        self.with(|state| {
            let rules = state.rules.iter().filter(|(of, _)| *of == imsi).map(|(_, status)| status.clone()).collect();
            Ok(api::ListRulesResponse { rules })
        })
    }

    async fn list_usage(&self, request: Request<api::ListUsageRequest>) -> Answer<api::ListUsageResponse> {
        let request = request.into_inner();
        self.with(|state| {
            let rest = state.usage.iter().filter(|usage| usage.imsi > request.after).cloned();
            let (subscribers, next) = page(rest, |usage| usage.imsi.clone(), request.page_size, state.page);
            Ok(api::ListUsageResponse { subscribers, next })
        })
    }

    async fn get_usage(&self, request: Request<api::GetUsageRequest>) -> Answer<api::SubscriberUsage> {
        let imsi = request.into_inner().imsi;
        self.with(|state| {
            let found = state.usage.iter().find(|usage| usage.imsi == imsi).cloned();
            found.ok_or_else(|| Status::not_found(format!("subscriber {imsi} has used nothing, as far as is kept")))
        })
    }

    async fn get_port_holder(&self, request: Request<api::GetPortHolderRequest>) -> Answer<api::PortHolder> {
        let api::GetPortHolderRequest { address, port, time } = request.into_inner();
        if address != "203.0.113.8" {
            return Err(Status::not_found(format!("nobody had port {port} of {address} then, as far as is kept")));
        }
        let (imsi, inside) = ("001010000000001".to_owned(), "10.45.0.2".to_owned());
        Ok(Response::new(api::PortHolder {
            imsi,
            inside,
            first_port: 1024,
            last_port: 1535,
            since: time - 60,
            until: 0,
        }))
    }

    async fn list_usage_records(
        &self,
        request: Request<api::ListUsageRecordsRequest>,
    ) -> Answer<api::ListUsageRecordsResponse> {
        let request = request.into_inner();
        self.with(|state| {
            let end = state.records.last().map_or(0, |record| record.cursor + 1);
            state.records.retain(|record| record.cursor >= request.acknowledged);
            let rest = state.records.iter().filter(|record| record.cursor >= request.from).cloned();
            let records: Vec<api::UsageRecord> = rest.take(request.page_size as usize).collect();
            let next = records.last().map_or(end, |record| record.cursor + 1);
            let first = state.records.first().map_or(end, |record| record.cursor);
            Ok(api::ListUsageRecordsResponse { records, next, first, end })
        })
    }

    async fn set_data_plan(&self, request: Request<api::SetDataPlanRequest>) -> Answer<api::SetDataPlanResponse> {
        let api::SetDataPlanRequest { imsi, plan } = request.into_inner();
        self.with(|state| {
            let found = state.usage.iter_mut().find(|usage| usage.imsi == imsi).ok_or_else(|| unknown(&imsi))?;
            found.plan = plan.map(|plan| api::DataPlan { remaining: plan.octets, ..plan });
            Ok(api::SetDataPlanResponse { plan: found.plan })
        })
    }

    async fn top_up(&self, request: Request<api::TopUpRequest>) -> Answer<api::SetDataPlanResponse> {
        let api::TopUpRequest { imsi, octets } = request.into_inner();
        self.with(|state| {
            let plan = state.usage.iter_mut().find(|usage| usage.imsi == imsi).and_then(|usage| usage.plan.as_mut());
            let none = || Status::failed_precondition(format!("subscriber {imsi} has no data plan to add to"));
            let plan = plan.ok_or_else(none)?;
            plan.remaining += octets;
            Ok(api::SetDataPlanResponse { plan: Some(*plan) })
        })
    }

    type TraceCallStream = tokio_stream::Iter<std::vec::IntoIter<Result<api::TracedCalls, Status>>>;

    async fn trace_call(&self, request: Request<api::TraceCallRequest>) -> Answer<Self::TraceCallStream> {
        use basalt_calltrace::{Protocol, Record};
        let imsi = request.into_inner().imsi;
        // A detach: DETACH REQUEST with the IMSI, DETACH ACCEPT.
        let request = [0x07, 0x45, 0x01, 0x08, 0x09, 0x10, 0x10, 0, 0, 0, 0, 0x10];
        let said = [(1_000_000, false, request.to_vec()), (1_012_000, true, vec![0x07, 0x46])];
        let lines = said.map(|(at, sent, octets)| {
            let mut record = Record::new(at, Protocol::Nas, sent, octets);
            (record.node, record.imsi) = ("agw".to_owned(), Some(imsi.clone()));
            record.line()
        });
        let news = vec![Ok(api::TracedCalls { lines: lines.concat() })];
        Ok(Response::new(tokio_stream::iter(news)))
    }

    type WatchPacketsStream = std::pin::Pin<Box<dyn Stream<Item = Result<api::SeenPacket, Status>> + Send>>;

    async fn watch_packets(&self, request: Request<api::WatchPacketsRequest>) -> Answer<Self::WatchPacketsStream> {
        use api::seen_packet::Point;
        let request = request.into_inner();
        self.with(|state| {
            if !state.ues.iter().any(|ue| ue.imsi == request.imsi && !ue.sessions.is_empty()) {
                return Err(Status::not_found(format!("phone {} has no session to watch", request.imsi)));
            }
            let packet = |point: Point, interface: &str, reason: &str| api::SeenPacket {
                unix_nanos: 1_795_221_664_000_000_001,
                point: point.into(),
                interface: interface.to_owned(),
                length: 136,
                frame: vec![0xa5; 60],
                reason: reason.to_owned(),
            };
            let seen = vec![
                Ok(packet(Point::RadioIn, "s1u", "")),
                Ok(packet(Point::InternetOut, "sgi", "")),
                Ok(packet(Point::RadioIn, "s1u", "")),
                Ok(packet(Point::UplinkDropped, "s1u", "spoofed_source")),
            ];
            let seen = tokio_stream::iter(seen);
            let seen: Self::WatchPacketsStream =
                if state.watches_go_on { Box::pin(seen.chain(tokio_stream::pending())) } else { Box::pin(seen) };
            Ok(seen)
        })
    }

    async fn detach_ue(&self, request: Request<api::DetachUeRequest>) -> Answer<api::CommandResponse> {
        let api::DetachUeRequest { imsi, reattach } = request.into_inner();
        self.command(&imsi, format!("detach {imsi} reattach={reattach}"))
    }

    async fn page_ue(&self, request: Request<api::PageUeRequest>) -> Answer<api::CommandResponse> {
        let imsi = request.into_inner().imsi;
        self.command(&imsi, format!("page {imsi}"))
    }

    async fn deactivate_session(
        &self,
        request: Request<api::DeactivateSessionRequest>,
    ) -> Answer<api::CommandResponse> {
        let api::DeactivateSessionRequest { imsi, ebi } = request.into_inner();
        self.command(&imsi, format!("deactivate {imsi} {ebi}"))
    }

    async fn reset_enb(&self, request: Request<api::ResetEnbRequest>) -> Answer<api::CommandResponse> {
        self.command("", format!("reset {}", request.into_inner().id))
    }

    type WatchEventsStream = tokio_stream::Iter<std::vec::IntoIter<Result<api::Event, Status>>>;

    async fn watch_events(&self, request: Request<api::WatchEventsRequest>) -> Answer<Self::WatchEventsStream> {
        let request = request.into_inner();
        self.with(|state| {
            let mut events: Vec<_> = state
                .events
                .iter()
                .filter(|event| request.imsi.is_empty() || event.imsi == request.imsi)
                .cloned()
                .map(Ok)
                .collect();
            let past = events.len().saturating_sub(request.past as usize);
            Ok(tokio_stream::iter(events.split_off(past)))
        })
    }
}

fn unknown(imsi: &str) -> Status {
    Status::not_found(format!("there is no subscriber {imsi}; see `basalt subscriber list`"))
}

/// What a gateway says to one row, and what it keeps.
fn check(state: &State, request: &api::AddSubscriberRequest) -> Result<api::Subscriber, String> {
    let mut subscriber = request.subscriber.clone().unwrap_or_default();
    let known = state.subscribers.get(&subscriber.imsi);
    if known.is_some() && !request.replace {
        return Err(format!("{} is in the list already; --replace overwrites it", subscriber.imsi));
    }
    if known.is_none() && request.keys.is_none() {
        return Err("a new subscriber needs its keys".to_owned());
    }
    if subscriber.state == 0 {
        subscriber.state = known.map_or(1, |known| known.state);
    }
    if subscriber.apns.is_empty() {
        subscriber.apns.push(api::SubscribedApn { apn: "internet".to_owned(), ..Default::default() });
    }
    for apn in &mut subscriber.apns {
        if apn.apn == "nowhere" {
            return Err("the gateway has no access point `nowhere`; it has: internet, ims".to_owned());
        }
        apn.qci = if apn.qci == 0 { 9 } else { apn.qci };
        apn.priority = if apn.priority == 0 { 8 } else { apn.priority };
        apn.ambr_uplink = if apn.ambr_uplink == 0 { subscriber.ambr_uplink } else { apn.ambr_uplink };
        apn.ambr_downlink = if apn.ambr_downlink == 0 { subscriber.ambr_downlink } else { apn.ambr_downlink };
    }
    if subscriber.amf.is_empty() {
        subscriber.amf = "8000".to_owned();
    }
    Ok(subscriber)
}

fn keep(state: &mut State, subscriber: api::Subscriber, keys: Option<api::SimKeys>) {
    if let Some(keys) = keys {
        state.keys.insert(subscriber.imsi.clone(), keys);
    }
    state.subscribers.insert(subscriber.imsi.clone(), subscriber);
}

/// A page of what is left, and where the next one begins.
fn page<T>(rest: impl Iterator<Item = T>, id: impl Fn(&T) -> String, asked: u32, most: usize) -> (Vec<T>, String) {
    let size = (asked as usize).clamp(1, if most == 0 { usize::MAX } else { most });
    let page: Vec<T> = rest.take(size).collect();
    let next = if page.len() == size { page.last().map(id).unwrap_or_default() } else { String::new() };
    (page, next)
}

/// The link to an orchestrator.
fn link() -> api::OrchestratorLink {
    api::OrchestratorLink {
        network: "lab".to_owned(),
        gateway: "north".to_owned(),
        connected: true,
        trouble: String::new(),
        certified_until: 1_800_000_000,
        items: 12,
        not_in_force: Vec::new(),
    }
}
