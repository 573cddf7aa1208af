//! Between the values of the core and the messages on the wire. What came over the wire and cannot be read is left out: the
//! comparison of digests finds it again.

use basalt_cloud_sync::{Command, CommandState, Down, Page, Put, Up};
use basalt_control_api::orchestrator::v1 as api;
use basalt_control_api::orchestrator::v1::from_gateway::Message as ApiUp;
use basalt_control_api::orchestrator::v1::from_orchestrator::Message as ApiDown;
use basalt_desired::{Digest, ItemKey};

/// What is said of who speaks; the rest of a Hello is the core's.
pub(crate) struct Speaker<'a> {
    pub(crate) network: &'a str,
    pub(crate) gateway: &'a str,
    pub(crate) software: &'a str,
}

pub(crate) fn up(up: Up, speaker: &Speaker<'_>) -> api::FromGateway {
    let message = match up {
        Up::Hello { instance, root } => ApiUp::Hello(api::Hello {
            versions: vec![1],
            network: speaker.network.to_owned(),
            gateway: speaker.gateway.to_owned(),
            instance: instance.to_be_bytes().to_vec(),
            software: speaker.software.to_owned(),
            root: octets(root),
        }),
        Up::Buckets { comparison, buckets, last } => {
            let held = |(key, digest): (ItemKey, Digest)| api::Held {
                collection: key.collection,
                name: key.name,
                digest: octets(digest),
            };
            let bucket =
                |(index, items): (u32, Vec<_>)| api::Bucket { index, items: items.into_iter().map(held).collect() };
            ApiUp::Buckets(api::Buckets { comparison, buckets: buckets.into_iter().map(bucket).collect(), last })
        }
        Up::Applied { page, root, refusals } => {
            let refusals = refusals.into_iter().map(refusal).collect();
            ApiUp::Applied(api::Applied { page, root: octets(root), refusals })
        }
        Up::InForce { refused, pending } => {
            let refused = refused.into_iter().map(refusal).collect();
            ApiUp::InForce(api::InForce { refused, pending: pending.into_iter().map(refusal).collect() })
        }
        Up::Drifted { root } => ApiUp::Drifted(api::Drifted { root: octets(root) }),
        Up::CheckIn { at, state } => ApiUp::CheckIn(api::CheckIn { at, state }),
        Up::Events { epoch, events } => {
            let event = |it: basalt_cloud_sync::Event| api::Event {
                number: it.number,
                at: it.at,
                kind: it.kind,
                imsi: it.imsi,
                text: it.text,
                json: it.json,
            };
            ApiUp::Events(api::Events { epoch, events: events.into_iter().map(event).collect() })
        }
        Up::Metrics { at, values } => ApiUp::Metrics(api::Metrics { at, values: values.into_iter().collect() }),
        Up::Usage { ledger, records } => {
            ApiUp::Usage(api::Usage { ledger, records: records.into_iter().map(usage).collect() })
        }
        Up::Data { id, place, octets } => ApiUp::CommandData(api::CommandData { id, place, octets }),
        Up::Progress { number, progress } => {
            use api::command_progress::State;
            let state = match progress.state {
                CommandState::Running => State::Running,
                CommandState::Done => State::Done,
                CommandState::Failed => State::Failed,
                CommandState::NotSupported => State::NotSupported,
                CommandState::Interrupted => State::Interrupted,
            };
            let (id, percent, output) = (progress.id, progress.percent, progress.output);
            ApiUp::Progress(api::CommandProgress { id, state: state.into(), percent, output, number })
        }
        Up::Phones { whole, phones, gone } => {
            let phone = |it: basalt_cloud_sync::Phone| api::Phone {
                imsi: it.imsi,
                state: it.state,
                enb: it.enb,
                apns: it.apns,
                addresses: it.addresses,
                json: it.json,
            };
            ApiUp::Phones(api::Phones { whole, phones: phones.into_iter().map(phone).collect(), gone })
        }
        Up::Beat => ApiUp::Beat(api::Beat {}),
    };
    api::FromGateway { message: Some(message) }
}

fn refusal(it: basalt_cloud_sync::Refusal) -> api::Refusal {
    api::Refusal { collection: it.key.collection, name: it.key.name, reason: it.reason }
}

fn usage(it: basalt_cloud_sync::UsageRecord) -> api::UsageRecord {
    api::UsageRecord {
        number: it.number,
        session: it.session,
        epoch: it.epoch,
        sequence: it.sequence,
        imsi: it.imsi,
        apn: it.apn,
        from: it.from,
        to: it.to,
        uplink_bytes: it.uplink_bytes,
        downlink_bytes: it.downlink_bytes,
        uplink_packets: it.uplink_packets,
        downlink_packets: it.downlink_packets,
        last: it.last,
    }
}

/// `None` for what this version does not know.
pub(crate) fn down(message: api::FromOrchestrator) -> Option<Down> {
    Some(match message.message? {
        ApiDown::Welcome(it) => Down::Welcome { beat_seconds: it.beat_seconds, usage: (it.ledger, it.usage_through) },
        ApiDown::Compare(it) => {
            let buckets = it.buckets.iter().map(|octets| digest(octets)).collect::<Option<_>>()?;
            Down::Compare { comparison: it.comparison, buckets }
        }
        ApiDown::Page(it) => {
            let key = |it: api::Key| ItemKey { collection: it.collection, name: it.name };
            let puts = it.puts.into_iter().filter_map(put).collect();
            Down::Page(Page { number: it.number, puts, removes: it.removes.into_iter().map(key).collect() })
        }
        ApiDown::Received(it) => {
            let (events, usage) = ((it.epoch, it.events_through), (it.ledger, it.usage_through));
            Down::Received { events, usage, progress: it.progress_through, data: (it.command, it.data_through) }
        }
        ApiDown::Command(it) => {
            Down::Command(Command { id: it.id, kind: it.kind, arguments: it.arguments, expires_at: it.expires_at })
        }
        ApiDown::Beat(_) => Down::Beat,
        ApiDown::Addresses(it) => Down::Addresses(it.addresses),
        ApiDown::Goodbye(it) => Down::Goodbye { reason: it.reason, not_before_seconds: it.not_before_seconds },
    })
}

fn put(it: api::Put) -> Option<Put> {
    let key = ItemKey { collection: it.collection, name: it.name };
    Some(Put { key, digest: digest(&it.digest)?, body: it.body, secrets: it.secrets.into_iter().collect() })
}

fn digest(octets: &[u8]) -> Option<Digest> {
    octets.try_into().ok().map(Digest)
}

fn octets(digest: Digest) -> Vec<u8> {
    digest.0.to_vec()
}
