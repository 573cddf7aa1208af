//! What was sent to webhooks, and a test of one.

use crate::gate::{Answer, Call};
use crate::token::new_secret;
use crate::{Problem, select};
use orchestrator_db::{Delivery, DeliveryState, Target};
use orchestrator_model::Kind;
use serde_json::json;

/// Deliveries of a webhook, the newest first; those that were given up stay to be seen.
pub(crate) async fn deliveries(call: &Call) -> Result<Answer, Problem> {
    webhook(call).await?;
    let state = state(call)?;
    let found = call.state.db.deliveries(&call.network, &call.name, state, select::limit(call)?).await?;
    Answer::ok(json!({"items": found.iter().map(shown).collect::<Vec<_>>()}))
}

/// How deliveries stand that are asked for.
pub(crate) fn state(call: &Call) -> Result<Option<DeliveryState>, Problem> {
    match call.parameter("state") {
        None => Ok(None),
        Some("pending") => Ok(Some(DeliveryState::Pending)),
        Some("delivered") => Ok(Some(DeliveryState::Delivered)),
        Some("dead") => Ok(Some(DeliveryState::Dead)),
        Some(_) => Err(Problem::bad("state is pending, delivered or dead")),
    }
}

/// Queues a delivery that says that it is a test.
pub(crate) async fn test(call: &Call) -> Result<Answer, Problem> {
    webhook(call).await?;
    let id = new_secret().map_err(|_| Problem::new(503, "no-randomness", "the system has no randomness"))?;
    let id: String = id.chars().take(24).collect();
    let body = json!({"network": call.network, "kind": "test", "at": call.now, "text": "This is a test."});
    let delivery = Delivery {
        event: format!("test/{id}"),
        id,
        network: call.network.clone(),
        webhook: call.name.clone(),
        kind: "test".to_owned(),
        body: body.to_string(),
        state: DeliveryState::Pending,
        attempts: 0,
        due_at: call.now,
        created_at: call.now,
        changed_at: call.now,
        trouble: String::new(),
    };
    call.state.db.enqueue(&call.network, std::slice::from_ref(&delivery), None).await?;
    Answer::with(202, shown(&delivery))
}

async fn webhook(call: &Call) -> Result<(), Problem> {
    let target = Target { kind: Kind::Webhook, network: call.network.clone(), name: call.name.clone() };
    call.state.db.object(&target).await?.map(|_| ()).ok_or_else(Problem::not_found)
}

/// A delivery as it is shown.
pub(crate) fn shown(it: &Delivery) -> serde_json::Value {
    json!({
        "id": it.id,
        "event": it.event,
        "kind": it.kind,
        "state": it.state.as_str(),
        "attempts": it.attempts,
        "due_at": it.due_at,
        "created_at": it.created_at,
        "changed_at": it.changed_at,
        "trouble": it.trouble,
    })
}
