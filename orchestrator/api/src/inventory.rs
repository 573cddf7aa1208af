//! Gateways and base stations as TM Forum has them (TMF639 Resource Inventory Management 4.0): a thin view of the objects.

use crate::gate::{Answer, Call};
use crate::{Problem, gateways, select};
use orchestrator_db::{GatewayState, Object, Query, Sort, Target};
use orchestrator_model::Kind;
use serde_json::{Value, json};

/// What is a resource, and what it is called.
const KINDS: [(Kind, &str); 2] = [(Kind::Gateway, "gateway"), (Kind::Enodeb, "baseStation")];

/// Resources of a network: gateways in order of names, then base stations; `offset` and `limit`.
pub(crate) async fn list(call: &Call) -> Result<Answer, Problem> {
    let number = |name: &str| call.parameter(name).map_or(Ok(0_usize), str::parse);
    let mut skip = number("offset").map_err(|_| Problem::bad("offset is a number"))?;
    let limit = select::limit(call)? as usize;
    let mut all = Vec::new();
    for (kind, category) in KINDS {
        if call.parameter("category").is_some_and(|wanted| wanted != category) {
            continue;
        }
        let total = usize::try_from(call.state.db.count(kind, &call.network).await?).unwrap_or(0);
        if skip >= total {
            skip -= total;
            continue;
        }
        let mut query = Query { sort: Sort::Name, limit: 1000, ..Query::default() };
        while all.len() < limit {
            let page = call.state.db.objects(kind, &call.network, &query).await?;
            query.after = page.items.last().map(|last| (last.changed_at, last.name.clone()));
            for object in page.items {
                if skip > 0 {
                    skip -= 1;
                } else if all.len() < limit {
                    all.push(resource(call, kind, category, &object).await?);
                }
            }
            if !page.more {
                break;
            }
        }
    }
    Answer::ok(all)
}

/// One resource, by the name of its object.
pub(crate) async fn read(call: &Call) -> Result<Answer, Problem> {
    for (kind, category) in KINDS {
        let target = Target { kind, network: call.network.clone(), name: call.name.clone() };
        if let Some(object) = call.state.db.object(&target).await? {
            return Answer::ok(resource(call, kind, category, &object).await?);
        }
    }
    Err(Problem::not_found())
}

async fn resource(call: &Call, kind: Kind, category: &str, object: &Object) -> Result<Value, Problem> {
    let state = match kind {
        Kind::Gateway => call.state.db.gateway_state(&call.network, &object.name).await?,
        _ => None,
    };
    Ok(shown(&call.network, category, object, state.as_ref(), call.now))
}

fn shown(network: &str, category: &str, object: &Object, state: Option<&GatewayState>, now: i64) -> Value {
    let connected = state.is_some_and(|state| gateways::is_connected(state, now));
    let mut told = json!({
        "@type": "PhysicalResource",
        "@baseType": "Resource",
        "id": object.name,
        "href": format!("{}/networks/{network}/tmf-api/resourceInventoryManagement/v4/resource/{}", crate::routes::PREFIX, object.name),
        "name": object.body["title"].as_str().filter(|title| !title.is_empty()).unwrap_or(&object.name),
        "category": category,
        "resourceVersion": object.revision.to_string(),
        "administrativeState": "unlocked",
        "resourceCharacteristic": characteristics(&object.body),
    });
    if let Some(state) = state {
        told["operationalState"] = if connected { "enable" } else { "disable" }.into();
        told["resourceStatus"] = if connected { "available" } else { "unknown" }.into();
        told["resourceCharacteristic"].as_array_mut().into_iter().for_each(|list| {
            list.push(json!({"name": "softwareVersion", "value": state.state["version"]}));
            list.push(json!({"name": "lastHeard", "value": orchestrator_telemetry::message::rfc3339(state.seen_at)}));
        });
    }
    if let (Some(latitude), Some(longitude)) =
        (object.body["place"]["latitude"].as_f64(), object.body["place"]["longitude"].as_f64())
    {
        told["place"] =
            json!({"@type": "GeographicLocation", "role": "installation", "name": format!("{latitude},{longitude}")});
    }
    told
}

/// What of a body is plain.
fn characteristics(body: &Value) -> Vec<Value> {
    let plain = body
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_object() && !value.is_array() && !value.is_null());
    plain.map(|(name, value)| json!({"name": name, "value": value})).collect()
}
