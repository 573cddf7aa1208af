//! Releases of programs, and their rollouts to tiers.

use crate::gate::{Answer, Call};
use crate::token::new_secret;
use crate::{Problem, select};
use basalt_release::{Description, Digester, LARGEST, is_word, unhex};
use orchestrator_db::{Release, RolloutRow, Target};
use orchestrator_model::{Kind, Rollout, RolloutAct, RolloutPlan};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// A release that is made known; its program follows in pieces.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReleaseRequest {
    /// The program: `agwd`.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._+-]{0,39}$")]
    product: String,
    /// Its version, as it tells it.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
    version: String,
    /// Processor and system, such as `x86_64-linux`.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
    platform: String,
    /// Where it is offered, such as `stable` or `beta`.
    #[serde(default = "stable")]
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$", default = "stable")]
    channel: String,
    /// Octets of the program.
    #[schema(minimum = 1, maximum = 268_435_456)]
    size: u64,
    /// SHA-256 of the program, hexadecimal.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
    /// Ed25519 over product, version, platform, size and digest, hexadecimal: `basalt release add` makes it. Gateways check it against
    /// keys that they were given on their own machines.
    #[schema(pattern = "^[0-9a-f]{128}$")]
    signature: String,
}

fn stable() -> String {
    "stable".to_owned()
}

/// What a rollout is to do.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RolloutActRequest {
    /// What.
    pub(crate) act: RolloutAct,
}

/// Seconds in which a release has to come at the rate that is wanted.
const FETCH_TIME: u64 = 12 * 3600;

pub(crate) async fn create(call: &Call) -> Result<Answer, Problem> {
    let request: ReleaseRequest = call.read()?;
    let words = [
        ("/product", &request.product),
        ("/version", &request.version),
        ("/platform", &request.platform),
        ("/channel", &request.channel),
    ];
    for (path, word) in words {
        // A `+` is for no address.
        if !is_word(word) || word.contains('+') {
            return Err(Problem::field(path, "is no word", "1 to 40 letters, digits, dots, dashes and underscores"));
        }
    }
    if !(1..=LARGEST).contains(&request.size) {
        return Err(Problem::field("/size", "is out of range", "1 to 268435456 octets"));
    }
    let lower = |text: &str| !text.bytes().any(|octet| octet.is_ascii_uppercase());
    let sha256 = unhex(&request.sha256).filter(|_| lower(&request.sha256));
    let sha256 = sha256.ok_or_else(|| Problem::field("/sha256", "is no digest", "64 hexadecimal digits"))?;
    if unhex::<64>(&request.signature).is_none() || !lower(&request.signature) {
        return Err(Problem::field("/signature", "is no signature", "128 hexadecimal digits"));
    }
    let description = Description {
        product: request.product.clone(),
        version: request.version.clone(),
        platform: request.platform.clone(),
        size: request.size,
        sha256,
    };
    let release = Release {
        name: description.name(),
        product: request.product,
        version: request.version,
        platform: request.platform,
        channel: request.channel,
        size: i64::try_from(request.size).unwrap_or(i64::MAX),
        sha256: request.sha256,
        signature: request.signature,
        created_by: call.caller()?.name.clone(),
        created_at: call.now,
        received: 0,
        complete: false,
    };
    if !call.state.db.put_release(&release).await? {
        // The same again goes on where it was left.
        let known = find(call, &release.name).await?;
        let same = (&known.sha256, &known.signature, &known.channel);
        if same != (&release.sha256, &release.signature, &release.channel) {
            return Err(Problem::new(409, "exists", "there is another release of this product, version and platform"));
        }
        return Answer::ok(shown(&known));
    }
    Answer::with(201, shown(&release))
}

pub(crate) async fn list(call: &Call) -> Result<Answer, Problem> {
    let mut items = call.state.db.releases().await?;
    if let Some(channel) = call.parameter("channel") {
        items.retain(|release| release.channel == channel);
    }
    Answer::ok(json!({ "items": items.iter().map(shown).collect::<Vec<_>>() }))
}

pub(crate) async fn read(call: &Call) -> Result<Answer, Problem> {
    Answer::ok(shown(&find(call, &call.name).await?))
}

pub(crate) async fn delete(call: &Call) -> Result<Answer, Problem> {
    let gone = call.state.db.delete_release(&call.name).await?;
    if gone { Ok(Answer::nothing()) } else { Err(Problem::not_found()) }
}

/// The next piece of a program. One that is there already changes nothing; the answer tells how far it is.
pub(crate) async fn put_data(call: &Call) -> Result<Answer, Problem> {
    let release = find(call, &call.name).await?;
    let place = call.parameter("place").map_or(Ok(0), str::parse).ok().filter(|place: &i64| *place >= 0);
    let place = place.ok_or_else(|| Problem::bad("place is a number of octets"))?;
    if release.complete {
        return Answer::ok(shown(&release));
    }
    if call.body.is_empty() || place.saturating_add(i64::try_from(call.body.len()).unwrap_or(i64::MAX)) > release.size {
        return Err(Problem::new(422, "wrong-size", format!("the program has {} octets", release.size)));
    }
    let received = call.state.db.put_release_data(&release.name, place, &call.body).await?;
    if received == Some(release.size) {
        let right = digest(call, &release).await? == release.sha256;
        call.state.db.settle_release(&release.name, right).await?;
        if !right {
            let detail = "what came has another digest; all of it is forgotten: send it again";
            return Err(Problem::new(422, "wrong-digest", detail));
        }
    }
    Answer::ok(shown(&find(call, &call.name).await?))
}

async fn digest(call: &Call, release: &Release) -> Result<String, Problem> {
    let (mut digest, mut place) = (Digester::default(), 0);
    while place < release.size {
        let octets = call.state.db.release_data(&release.name, place).await?;
        if octets.is_empty() {
            break;
        }
        digest.update(&octets);
        place += i64::try_from(octets.len()).unwrap_or(i64::MAX);
    }
    Ok(basalt_release::hex(&digest.finish()))
}

async fn find(call: &Call, name: &str) -> Result<Release, Problem> {
    call.state.db.release(name).await?.ok_or_else(Problem::not_found)
}

fn shown(release: &Release) -> Value {
    json!({
        "name": release.name,
        "product": release.product,
        "version": release.version,
        "platform": release.platform,
        "channel": release.channel,
        "size": release.size,
        "sha256": release.sha256,
        "signature": release.signature,
        "created_by": release.created_by,
        "created_at": release.created_at,
        "received": release.received,
        "complete": release.complete,
    })
}

/// What a command `upgrade` says to a gateway: `release` names one, and all else about it is filled in.
pub(crate) async fn arguments(call: &Call, wanted: Map<String, Value>) -> Result<Map<String, Value>, Problem> {
    const OWN: [&str; 5] = ["release", "rate", "downgrade", "trial_seconds", "well_seconds"];
    if wanted.get("back").and_then(Value::as_bool) == Some(true) {
        return Ok(wanted);
    }
    if let Some(other) = wanted.keys().find(|name| !OWN.contains(&name.as_str())) {
        let allowed = "release, rate, downgrade, trial_seconds, well_seconds; or back";
        return Err(Problem::field(&format!("/arguments/{other}"), "is not known", allowed));
    }
    let name = wanted.get("release").and_then(Value::as_str).unwrap_or_default();
    let release = whole(call, name, "/arguments/release").await?;
    fast_enough("/arguments/rate", wanted.get("rate").and_then(Value::as_u64).unwrap_or_default(), &release)?;
    let mut all = release.arguments();
    all.extend(wanted);
    Ok(all)
}

/// A gateway gives up a fetch after a day: a rate by which a release does not come in half of that is a mistake.
fn fast_enough(path: &str, rate: u64, release: &Release) -> Result<(), Problem> {
    let least = u64::try_from(release.size).unwrap_or(0).div_ceil(FETCH_TIME);
    if rate == 0 || rate >= least {
        return Ok(());
    }
    Err(Problem::field(
        path,
        "is too small: the release would not come within half a day",
        &format!("0, or {least} and more"),
    ))
}

async fn whole(call: &Call, name: &str, path: &str) -> Result<Release, Problem> {
    let release = call.state.db.release(name).await?.filter(|release| release.complete);
    release.ok_or_else(|| Problem::field(path, "does not exist, or is not complete", "the name of a release"))
}

pub(crate) async fn create_rollout(call: &Call) -> Result<Answer, Problem> {
    let plan: RolloutPlan = call.read()?;
    plan.check().map_err(Problem::fields)?;
    let tier = Target { kind: Kind::Tier, network: call.network.clone(), name: plan.tier.clone() };
    if call.state.db.object(&tier).await?.is_none() {
        return Err(Problem::field("/tier", "does not exist", "the name of a tier of this network"));
    }
    let release = whole(call, &plan.release, "/release").await?;
    fast_enough("/rate", u64::from(plan.rate), &release)?;
    let id = new_secret().map_err(|_| Problem::new(503, "no-randomness", "the system has no randomness"))?;
    let rollout = Rollout::new(plan, release.version);
    let row = RolloutRow {
        id: id.chars().filter(char::is_ascii_alphanumeric).take(16).collect(),
        network: call.network.clone(),
        created_at: call.now,
        created_by: call.caller()?.name.clone(),
        changed_at: call.now,
        active: true,
        body: text(&rollout)?,
        revision: 1,
    };
    if !call.state.db.put_rollout(&row).await? {
        return Err(Problem::new(409, "in-use", "another rollout to this tier is not done"));
    }
    Answer::with(201, shown_rollout(&row, &rollout))
}

pub(crate) async fn list_rollouts(call: &Call) -> Result<Answer, Problem> {
    let rows = call.state.db.rollouts(&call.network, select::limit(call)?).await?;
    let items = rows.iter().map(|row| Ok(shown_rollout(row, &of(row)?))).collect::<Result<Vec<_>, Problem>>()?;
    Answer::ok(json!({ "items": items }))
}

pub(crate) async fn rollout(call: &Call) -> Result<Answer, Problem> {
    let row = call.state.db.rollout(&call.network, &call.name).await?.ok_or_else(Problem::not_found)?;
    Answer::ok(shown_rollout(&row, &of(&row)?))
}

pub(crate) async fn act(call: &Call) -> Result<Answer, Problem> {
    let request: RolloutActRequest = call.read()?;
    // It may go on by itself just now: then it is looked at again.
    for _ in 0..8 {
        let mut row = call.state.db.rollout(&call.network, &call.name).await?.ok_or_else(Problem::not_found)?;
        let mut rollout = of(&row)?;
        if !rollout.act(request.act, &call.caller()?.name, call.now) {
            return Err(Problem::new(409, "not-now", "a rollout that is so cannot do that"));
        }
        (row.changed_at, row.active, row.body) = (call.now, rollout.is_active(), text(&rollout)?);
        if call.state.db.change_rollout(&row).await? {
            return Answer::ok(shown_rollout(&row, &rollout));
        }
    }
    Err(Problem::new(503, "busy", "the rollout changes all the time; try again"))
}

fn of(row: &RolloutRow) -> Result<Rollout, Problem> {
    serde_json::from_str(&row.body).map_err(|_| Problem::new(500, "internal", "a rollout is damaged"))
}

fn text(rollout: &Rollout) -> Result<String, Problem> {
    serde_json::to_string(rollout).map_err(|_| Problem::new(500, "internal", "the rollout has no form"))
}

fn shown_rollout(row: &RolloutRow, rollout: &Rollout) -> Value {
    let (stage, soak_until) = match rollout.stage {
        orchestrator_model::Stage::Canary => ("canary", None),
        orchestrator_model::Stage::Soak(until) => ("soak", Some(until)),
        orchestrator_model::Stage::Rest => ("rest", None),
    };
    let gateways = rollout.gateways.iter().map(|(name, it)| {
        json!({
            "gateway": name, "step": it.step, "canary": it.canary, "upgraded": it.upgraded,
            "command": (!it.command.is_empty()).then_some(&it.command), "at": it.at, "words": it.words,
        })
    });
    json!({
        "id": row.id,
        "plan": rollout.plan,
        "version": rollout.version,
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
