//! Changes of objects that reach some gateways first: checked here as any change is, then kept for whoever lets them go on.

use crate::gate::{Answer, Call};
use crate::releases::RolloutActRequest;
use crate::token::new_secret;
use crate::{Problem, objects, select};
use orchestrator_db::{Change, Error, Object, Precondition, Refusal, RolloutRow, Target};
use orchestrator_model::{ConfigRollout, ConfigRolloutPlan, ConfigStage, FieldError, Kind, StagedChange};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// Changes of one rollout.
const CHANGES: usize = 100;
/// Whom alarms go to and the like is no gateway's matter: there is nothing to stage.
const NOT_STAGED: [Kind; 6] =
    [Kind::Tenant, Kind::AlertRule, Kind::AlertReceiver, Kind::Silence, Kind::Acknowledgement, Kind::Webhook];

/// Changes that are to reach some gateways first.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigRolloutRequest {
    /// What becomes of which objects, 1 to 100 of them; checked as a whole.
    #[schema(min_items = 1, max_items = 100)]
    changes: Vec<ConfigChange>,
    /// Gateways of this tier come first; without one, all are alike. The others follow: objects are of the whole network.
    #[serde(default)]
    tier: Option<String>,
    /// Per cent of those gateways that go first, at least one: 1 to 100; 10, when absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    canary_percent: Option<u32>,
    /// Minutes that those are looked at before the others follow, 0 to 10080; 30, when absent.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 10_080)]
    soak_minutes: Option<u32>,
    /// Gateways that are given it at a time, 1 to 1000; 10, when absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    at_once: Option<u32>,
    /// Gateways that may fail before it is halted, 0 to 1000; 0, when absent.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1000)]
    most_failures: Option<u32>,
    /// When it is halted, gateways go back to what they had; otherwise it is paused. True, when absent.
    #[serde(default)]
    roll_back: Option<bool>,
}

/// What becomes of one object.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigChange {
    /// Its collection, such as `apns`; `networks` for the network itself.
    #[schema(pattern = "^[a-z-]{1,40}$")]
    kind: String,
    /// Its name.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
    name: String,
    /// Its whole new body, without secrets; null deletes it.
    body: Value,
}

impl ConfigRolloutRequest {
    fn plan(&self) -> ConfigRolloutPlan {
        ConfigRolloutPlan {
            tier: self.tier.clone(),
            canary_percent: self.canary_percent.unwrap_or(10),
            soak_minutes: self.soak_minutes.unwrap_or(30),
            at_once: self.at_once.unwrap_or(10),
            most_failures: self.most_failures.unwrap_or(0),
            roll_back: self.roll_back.unwrap_or(true),
        }
    }
}

pub(crate) async fn create(call: &Call) -> Result<Answer, Problem> {
    let request: ConfigRolloutRequest = call.read()?;
    let plan = request.plan();
    plan.check().map_err(Problem::fields)?;
    if let Some(tier) = &plan.tier {
        let tier = Target { kind: Kind::Tier, network: call.network.clone(), name: tier.clone() };
        if call.state.db.object(&tier).await?.is_none() {
            return Err(Problem::field("/tier", "does not exist", "the name of a tier of this network"));
        }
    }
    let (changes, staged) = changes(call, request.changes).await?;
    let who = call.caller()?.name.clone();
    if let Err(error) = call.state.db.rehearse(&who, call.now, &changes).await {
        return Err(placed(error, &changes));
    }
    let id = new_secret().map_err(|_| Problem::new(503, "no-randomness", "the system has no randomness"))?;
    let rollout = ConfigRollout::new(plan, staged);
    let row = RolloutRow {
        id: id.chars().filter(char::is_ascii_alphanumeric).take(16).collect(),
        network: call.network.clone(),
        created_at: call.now,
        created_by: who,
        changed_at: call.now,
        active: true,
        body: text(&rollout)?,
        revision: 1,
    };
    if let Some((kind, name)) = call.state.db.put_config_rollout(&row).await? {
        let detail = format!("another staged change that is not done is about {kind}/{name}");
        return Err(Problem::new(409, "in-use", detail));
    }
    Answer::with(201, shown(&row, &rollout))
}

/// The changes, as they would be made at once, and as they are kept.
async fn changes(call: &Call, wanted: Vec<ConfigChange>) -> Result<(Vec<Change>, Vec<StagedChange>), Problem> {
    if !(1..=CHANGES).contains(&wanted.len()) {
        return Err(Problem::field("/changes", "is empty or too long", "1 to 100 changes"));
    }
    let (mut changes, mut staged, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (index, it) in wanted.into_iter().enumerate() {
        let at = |field: &str| format!("/changes/{index}/{field}");
        let kind = Kind::from_collection(&it.kind).filter(|kind| !NOT_STAGED.contains(kind));
        let kind = kind.ok_or_else(|| Problem::field(&at("kind"), "is nothing that gateways have", "such as apns"))?;
        let network = if kind == Kind::Network { String::new() } else { call.network.clone() };
        if kind == Kind::Network && it.name != call.network {
            return Err(Problem::field(&at("name"), "is another network", "the network of the address"));
        }
        let target = Target { kind, network, name: it.name.clone() };
        if !seen.insert(target.clone()) {
            return Err(Problem::field(&at("name"), "is there twice", "each object once"));
        }
        let present = call.state.db.object(&target).await?;
        let change = match it.body {
            Value::Null => deletion(target, present.as_ref(), &at("body"))?,
            body => replacement(call, target, body, present.as_ref(), &at("body"))?,
        };
        if present.as_ref().map(|object| &object.body) == change.body.as_ref() {
            return Err(Problem::field(&at("body"), "changes nothing", "another body than the object has"));
        }
        staged.push(StagedChange {
            kind: it.kind,
            name: it.name,
            revision: present.as_ref().map(|object| object.revision),
            before: present.map(|object| object.body),
            after: change.body.clone(),
        });
        changes.push(change);
    }
    Ok((changes, staged))
}

fn deletion(target: Target, present: Option<&Object>, path: &str) -> Result<Change, Problem> {
    if matches!(target.kind, Kind::Network | Kind::Gateway) {
        return Err(Problem::field(path, "deletes what is staged to", "a body: delete networks and gateways at once"));
    }
    let Some(object) = present else {
        return Err(Problem::field(path, "deletes what does not exist", "the body of a new object"));
    };
    let precondition = Precondition::Revision(object.revision);
    Ok(Change { target, precondition, body: None, sealed: None, references: Vec::new() })
}

fn replacement(
    call: &Call,
    target: Target,
    body: Value,
    present: Option<&Object>,
    path: &str,
) -> Result<Change, Problem> {
    let under = |errors: Vec<FieldError>| {
        let moved = errors.into_iter().map(|it| FieldError { path: format!("{path}{}", it.path), ..it });
        Problem::fields(moved.collect())
    };
    if target.kind == Kind::Gateway && present.is_none() {
        return Err(Problem::field(path, "makes a gateway", "a gateway that exists: make new ones at once"));
    }
    let parsed = target.kind.parse_value(&target.name, body).map_err(under)?;
    if !parsed.secrets.is_empty() {
        return Err(Problem::field(path, "brings secrets", "a body without: secrets are changed at once"));
    }
    objects::may_own(call, target.kind, &parsed.body, present)?;
    let condition = present.map_or(Precondition::Absent, |object| Precondition::Revision(object.revision));
    let made = objects::change(call, target, parsed, present, condition);
    made.map(|(change, _)| change)
        .map_err(|problem| if problem.errors.is_empty() { problem } else { under(problem.errors) })
}

/// A refusal of the changes as a whole, with the place of the one that it is about.
fn placed(error: Error, changes: &[Change]) -> Problem {
    let Error::Refused(refusal) = error else { return error.into() };
    let place = |target: &Target| changes.iter().position(|change| change.target == *target);
    match *refusal {
        Refusal::Dangling { ref target, ref path, ref wanted } => {
            let path = place(target).map_or_else(|| path.clone(), |index| format!("/changes/{index}/body{path}"));
            Problem::field(&path, &format!("{wanted} does not exist"), "the name of one that exists")
        }
        other => other.into(),
    }
}

pub(crate) async fn list(call: &Call) -> Result<Answer, Problem> {
    let rows = call.state.db.config_rollouts(&call.network, select::limit(call)?).await?;
    let items = rows.iter().map(|row| Ok(shown(row, &of(row)?))).collect::<Result<Vec<_>, Problem>>()?;
    Answer::ok(json!({ "items": items }))
}

pub(crate) async fn read(call: &Call) -> Result<Answer, Problem> {
    let row = call.state.db.config_rollout(&call.network, &call.name).await?.ok_or_else(Problem::not_found)?;
    Answer::ok(shown(&row, &of(&row)?))
}

pub(crate) async fn act(call: &Call) -> Result<Answer, Problem> {
    let request: RolloutActRequest = call.read()?;
    // It may go on by itself just now: then it is looked at again.
    for _ in 0..8 {
        let row = call.state.db.config_rollout(&call.network, &call.name).await?.ok_or_else(Problem::not_found)?;
        let mut rollout = of(&row)?;
        if !rollout.act(request.act, &call.caller()?.name, call.now) {
            return Err(Problem::new(409, "not-now", "a staged change that is so cannot do that"));
        }
        let row = RolloutRow { changed_at: call.now, active: rollout.is_active(), body: text(&rollout)?, ..row };
        if call.state.db.change_config_rollout(&row).await? {
            return Answer::ok(shown(&row, &rollout));
        }
    }
    Err(Problem::new(503, "busy", "the staged change goes on all the time; try again"))
}

fn of(row: &RolloutRow) -> Result<ConfigRollout, Problem> {
    serde_json::from_str(&row.body).map_err(|_| Problem::new(500, "internal", "a staged change is damaged"))
}

fn text(rollout: &ConfigRollout) -> Result<String, Problem> {
    serde_json::to_string(rollout).map_err(|_| Problem::new(500, "internal", "the staged change has no form"))
}

fn shown(row: &RolloutRow, rollout: &ConfigRollout) -> Value {
    let (stage, soak_until) = match rollout.stage {
        ConfigStage::Canary => ("canary", None),
        ConfigStage::Soak(until) => ("soak", Some(until)),
        ConfigStage::Rest => ("rest", None),
        ConfigStage::Change => ("change", None),
    };
    let changes = rollout
        .changes
        .iter()
        .map(|it| json!({ "kind": it.kind, "name": it.name, "before": it.before, "after": it.after }));
    let gateways = rollout.gateways.iter().map(
        |(name, it)| json!({ "gateway": name, "canary": it.canary, "step": it.step, "at": it.at, "words": it.words }),
    );
    json!({
        "id": row.id,
        "plan": rollout.plan,
        "changes": changes.collect::<Vec<_>>(),
        "state": rollout.state,
        "stage": stage,
        "soak_until": soak_until,
        "words": rollout.words,
        "gateways": gateways.collect::<Vec<_>>(),
        "created_by": row.created_by,
        "created_at": row.created_at,
        "changed_at": row.changed_at,
    })
}
