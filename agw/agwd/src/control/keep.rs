//! Subscribers that are given, changed and deleted by hand or by an orchestrator: checked, sealed, and used once they are durable.

use crate::gateway::Gateway;
use crate::{convert, storage, subscribers};
use agw_subscribers::StoredSubscriber;
use agw_types::{ConfigDelta, Input, SubscriberState};
use basalt_control_api::gateway::v1 as api;
use basalt_ids::Imsi;
use basalt_store::Batch;
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// More octets than a subscriber's record has without its name and with a few access points.
const RECORD: usize = 384;

/// A subscriber, checked and sealed.
pub struct Prepared {
    wanted: subscribers::Wanted,
    pub(super) stored: StoredSubscriber,
}

impl Prepared {
    /// Whether it is what is kept already: the same keys, and the same of everything else.
    pub fn is_same(&self, former: &StoredSubscriber) -> bool {
        let (k, opc) = (former.k.clone(), former.opc.clone());
        self.wanted.same_keys && StoredSubscriber { k, opc, ..self.stored.clone() } == *former
    }
}

/// Checks and seals a subscriber.
///
/// # Errors
/// What is wrong and what to do.
pub fn prepare(
    gateway: &Gateway,
    request: &api::AddSubscriberRequest,
    former: Option<&StoredSubscriber>,
) -> Result<Prepared, String> {
    let wanted = subscribers::read(request, former, &gateway.sealing, &gateway.effective.gateway.apns)?;
    subscribers::apart(&wanted.subscriber.profile, gateway.stored.values())?;
    let mut nonces = [[0; 24]; 2];
    for nonce in &mut nonces {
        getrandom::fill(nonce).map_err(|error| format!("the system gives no random numbers: {error}"))?;
    }
    let stored = StoredSubscriber::seal(&wanted.subscriber, &wanted.credentials, &gateway.sealing, nonces);
    Ok(Prepared { wanted, stored })
}

/// Keeps subscribers that were given by hand; they are used, and `done` is called, when they are durable.
pub(super) fn keep(gateway: &mut Gateway, prepared: Vec<Prepared>, done: impl FnOnce() + Send + 'static) {
    let mut batch = Batch::new();
    for one in &prepared {
        gateway.managed.changed_by_hand(one.stored.imsi(), &mut batch);
    }
    keep_with(gateway, batch, prepared, |_| done());
}

/// Keeps subscribers together with what `batch` holds; they are used, and `done` is called, when all is durable.
pub fn keep_with(
    gateway: &mut Gateway,
    mut batch: Batch,
    prepared: Vec<Prepared>,
    done: impl FnOnce(&mut Gateway) + Send + 'static,
) {
    for one in &prepared {
        storage::put_subscriber(&mut batch, &one.stored);
    }
    gateway.save(
        batch,
        Box::new(move |gateway| {
            for Prepared { wanted, stored } in prepared {
                let imsi = stored.imsi();
                for apn in &stored.profile.apns {
                    if let Some(address) = apn.static_address() {
                        gateway.core.reserve_address(imsi, &apn.apn, address);
                    }
                }
                let suspended = stored.state == SubscriberState::Suspended;
                gateway.stored.insert(imsi, stored);
                gateway.core.subscribers_mut().insert(wanted.subscriber, wanted.same_keys);
                let change =
                    if suspended { ConfigDelta::SubscriberGone { imsi } } else { ConfigDelta::Subscriber { imsi } };
                gateway.step(Input::Config(Box::new(change)));
            }
            done(gateway);
        }),
    );
}

pub(super) fn import(
    gateway: &mut Gateway,
    rows: &[api::AddSubscriberRequest],
    dry_run: bool,
    done: oneshot::Sender<Option<api::ImportSubscribersResponse>>,
) {
    let mut response = api::ImportSubscribersResponse::default();
    let mut prepared = Vec::with_capacity(rows.len());
    let mut seen: BTreeMap<Imsi, u32> = BTreeMap::new();
    for (row, request) in (1_u32..).zip(rows) {
        let imsi = request.subscriber.as_ref().and_then(|s| s.imsi.parse::<Imsi>().ok());
        let former = imsi.and_then(|imsi| gateway.stored.get(&imsi));
        let outcome = match imsi.and_then(|imsi| seen.insert(imsi, row)) {
            Some(first) => Err(format!("the same IMSI is in row {first}; remove one of them")),
            None => prepare(gateway, request, former).and_then(|one| {
                let others = prepared.iter().map(|other: &Prepared| &other.stored);
                subscribers::apart(&one.stored.profile, others).map(|()| one)
            }),
        };
        match outcome {
            Ok(one) => {
                response.imported += u32::from(former.is_none());
                response.replaced += u32::from(former.is_some());
                prepared.push(one);
            }
            Err(message) => response.errors.push(api::RowError { row, message }),
        }
    }
    if !response.errors.is_empty() {
        (response.imported, response.replaced) = (0, 0);
    }
    if dry_run || !response.errors.is_empty() || prepared.is_empty() {
        let _ = done.send(Some(response));
        return;
    }
    // Names are the only part of a record whose length a client chooses.
    let octets: usize = prepared.iter().map(|one| RECORD + one.stored.name.len()).sum();
    if octets > storage::LARGEST_BATCH {
        let _ = done.send(None);
        return;
    }
    keep(gateway, prepared, move || {
        let _ = done.send(Some(response));
    });
}

pub(super) fn set_state(
    gateway: &mut Gateway,
    imsi: Imsi,
    state: SubscriberState,
    done: oneshot::Sender<Option<api::Subscriber>>,
) {
    let Some(stored) = gateway.stored.get_mut(&imsi) else {
        let _ = done.send(None);
        return;
    };
    stored.state = state;
    let shown = subscribers::show(stored);
    let mut batch = Batch::new();
    storage::put_subscriber(&mut batch, stored);
    gateway.managed.changed_by_hand(imsi, &mut batch);
    gateway.save(
        batch,
        Box::new(move |gateway| {
            gateway.core.subscribers_mut().set_state(imsi, state);
            let change = match state {
                SubscriberState::Active => ConfigDelta::Subscriber { imsi },
                SubscriberState::Suspended => ConfigDelta::SubscriberGone { imsi },
            };
            gateway.step(Input::Config(Box::new(change)));
            let _ = done.send(Some(shown));
        }),
    );
}

pub(super) fn delete(gateway: &mut Gateway, imsi: Imsi, done: oneshot::Sender<Option<bool>>) {
    if gateway.stored.remove(&imsi).is_none() {
        let _ = done.send(None);
        return;
    }
    let was_attached = convert::is_attached(gateway, imsi);
    let mut batch = Batch::new();
    storage::delete_subscriber(&mut batch, imsi);
    gateway.managed.changed_by_hand(imsi, &mut batch);
    gateway.save(
        batch,
        Box::new(move |gateway| {
            gateway.core.subscribers_mut().remove(imsi);
            gateway.step(Input::Config(Box::new(ConfigDelta::SubscriberGone { imsi })));
            let _ = done.send(Some(was_attached));
        }),
    );
}
