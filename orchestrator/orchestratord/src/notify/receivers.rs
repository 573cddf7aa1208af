//! Receivers of alarms: what is queued for one is sent in the form that its channel takes.

use super::smtp::Smtp;
use super::{Client, Post, signature};
use anyhow::{Context, Result, ensure};
use basalt_security::SealingKey;
use orchestrator_db::{Delivery, Object, Target};
use orchestrator_model::{AlertReceiver, Kind, ReceiverChannel};
use orchestrator_telemetry::message::Notice;
use std::collections::BTreeMap;

/// Who is told, with its secret.
pub(super) struct To {
    receiver: AlertReceiver,
    secret: String,
}

/// The receiver of a delivery, from its object.
pub(super) fn open(key: &SealingKey, network: &str, object: &Object) -> Result<To> {
    let receiver: AlertReceiver = serde_json::from_value(object.body.clone())?;
    let place =
        Target { kind: Kind::AlertReceiver, network: network.to_owned(), name: object.name.clone() }.to_string();
    let secrets: BTreeMap<String, String> = match &object.sealed {
        None => BTreeMap::new(),
        Some(sealed) => {
            let opened = key.open_named(&place, sealed).map_err(|_| anyhow::anyhow!("the key does not open"))?;
            serde_json::from_slice(opened.expose())?
        }
    };
    let secret = secrets.get("secret").cloned().unwrap_or_default();
    Ok(To { receiver, secret })
}

/// Sends one delivery.
pub(super) async fn send(client: &Client, smtp: Option<&Smtp>, to: &To, delivery: &Delivery) -> Result<()> {
    let notice: Notice = serde_json::from_str(&delivery.body).context("what was queued cannot be read")?;
    let channel = to.receiver.channel;
    if channel == ReceiverChannel::Email {
        let smtp = smtp.context("mail needs a server: [smtp] in the settings of the orchestrator")?;
        let mail = notice.mail(smtp.from(), &to.receiver.target, &delivery.id, crate::now());
        return smtp.send(&to.receiver.target, &mail).await;
    }
    let body = notice.body(channel, &to.secret).to_string();
    let mut headers = Vec::new();
    if channel == ReceiverChannel::Webhook {
        let at = crate::now() / 1000;
        ensure!(!to.secret.is_empty(), "the receiver has no key");
        headers.push(("basalt-delivery", delivery.id.clone()));
        headers.push(("basalt-event", delivery.kind.clone()));
        headers.push(("basalt-signature", format!("t={at},v1={}", signature(&to.secret, at, &body))));
    }
    let post = Post { url: &to.receiver.target, form: "application/json", headers: &headers, body: body.into_bytes() };
    let status = client.status(post).await?;
    ensure!((200..300).contains(&status), "it answered {status}");
    Ok(())
}
