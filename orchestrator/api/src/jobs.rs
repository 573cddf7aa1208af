//! Long work that goes on behind its answer: an import as a job that tells how far it is.

use crate::gate::{Answer, Call};
use crate::token::new_secret;
use crate::{Problem, import, select};
use orchestrator_db::Job;
use orchestrator_model::Kind;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Jobs of this process at a time: each holds its rows in memory.
static AT_ONCE: Semaphore = Semaphore::const_new(4);
/// Between two words of a job that runs, and after how long without one it is lost, milliseconds.
const BEAT: Duration = Duration::from_secs(2);
const LOST: i64 = 60_000;

/// Begins an import and tells by which name it is asked for.
pub(crate) async fn begin(call: &Call, kind: Kind) -> Result<Answer, Problem> {
    let place = AT_ONCE.try_acquire();
    let place = place.map_err(|_| Problem::new(429, "too-many-jobs", "some imports run already: try again later"))?;
    let id = new_secret().map_err(|_| Problem::new(503, "no-randomness", "the system has no randomness"))?;
    let job = Job {
        id: id.chars().take(24).collect(),
        what: format!("import {}", kind.collection()),
        created_by: call.caller()?.name.clone(),
        created_at: call.now,
        changed_at: call.now,
        state: "running".to_owned(),
        percent: 0,
        result: Value::Null,
    };
    call.state.db.put_job(&call.network, &job).await?;
    let answer = Answer::with(202, shown(&job, call.now))?;
    let mut call = call.clone();
    // The answer of this request is the job, not what comes of it.
    call.replay = None;
    tokio::spawn(async move {
        run(&call, kind, job).await;
        drop(place);
    });
    Ok(answer)
}

async fn run(call: &Call, kind: Kind, mut job: Job) {
    let percent = Arc::new(AtomicUsize::new(0));
    let beats = async {
        let mut beat = tokio::time::interval(BEAT);
        loop {
            beat.tick().await;
            job.percent = i64::try_from(percent.load(Ordering::Relaxed)).unwrap_or(0);
            tell(call, &mut job).await;
        }
    };
    // Side by side: a word waits for the database, which the work may hold, and the work has to go on meanwhile.
    let result = tokio::select! {
        result = import::work(call, kind, &percent) => result,
        () = beats => return,
    };
    (job.state, job.result) = match result {
        Ok(answer) => ("done".to_owned(), answer.body.unwrap_or_default()),
        Err(problem) => ("failed".to_owned(), json!(problem)),
    };
    job.percent = 100;
    tell(call, &mut job).await;
}

async fn tell(call: &Call, job: &mut Job) {
    job.changed_at = crate::gate::now();
    if let Err(error) = call.state.db.put_job(&call.network, job).await {
        tracing::warn!(%error, job = job.id, "how far a job is could not be written down");
    }
}

pub(crate) async fn list(call: &Call) -> Result<Answer, Problem> {
    let jobs = call.state.db.jobs(&call.network, select::limit(call)?).await?;
    Answer::ok(json!({"items": jobs.iter().map(|job| shown(job, call.now)).collect::<Vec<_>>()}))
}

pub(crate) async fn read(call: &Call) -> Result<Answer, Problem> {
    let job = call.state.db.job(&call.network, &call.name).await?.ok_or_else(Problem::not_found)?;
    Answer::ok(shown(&job, call.now))
}

fn shown(job: &Job, now: i64) -> Value {
    // Its process ended. Whether its one transaction was the last that it did, the objects tell: all are there, or none.
    let lost = job.state == "running" && job.changed_at + LOST < now;
    json!({
        "id": job.id,
        "what": job.what,
        "created_by": job.created_by,
        "created_at": job.created_at,
        "changed_at": job.changed_at,
        "state": if lost { "lost" } else { job.state.as_str() },
        "percent": job.percent,
        "result": job.result,
    })
}
