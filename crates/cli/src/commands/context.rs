//! Contexts: gateways and orchestrators by name.

use crate::args::{ContextCommand, Where};
use crate::contexts::{Context, Contexts};
use crate::error::{Error, Result};
use crate::kinds::plain;
use crate::output::Out;
use crate::rest::{self, Access, Rest};
use crate::table::Table;
use serde_json::json;
use std::io::Read;

/// Octets of a key or password from standard input.
const SECRET: u64 = 4096;

pub(super) async fn run(command: &ContextCommand, to: &Where, stdin: &mut dyn Read, out: &mut Out<'_>) -> Result<()> {
    let path = to.contexts_path()?;
    let mut contexts = Contexts::read(&path)?;
    match command {
        ContextCommand::List => return list(&contexts, out),
        ContextCommand::Use { name } => {
            contexts.take(Some(name))?;
            contexts.current = Some(name.clone());
        }
        ContextCommand::Add { name, api_key_from_stdin, user } => {
            let context = made(to, *api_key_from_stdin, user.as_deref(), stdin).await?;
            contexts.all.insert(plain(name)?.to_owned(), context);
            contexts.current = Some(name.clone());
        }
        ContextCommand::Remove { name } => {
            contexts.take(Some(name))?;
            contexts.all.remove(name);
            contexts.current.take_if(|current| current == name);
        }
    }
    contexts.write(&path)?;
    let words = match &contexts.current {
        Some(current) => format!("commands go to {current} now"),
        None => "commands go to this machine's gateway now".to_owned(),
    };
    out.note(&words)?;
    Ok(())
}

async fn made(to: &Where, key_from_stdin: bool, user: Option<&str>, stdin: &mut dyn Read) -> Result<Context> {
    let mut context = Context {
        orchestrator: to.orchestrator.clone(),
        network: to.network.clone(),
        api_key: to.api_key.clone(),
        api_key_file: to.api_key_file.as_deref().map(std::path::absolute).transpose()?,
        ca: to.ca.as_deref().map(std::path::absolute).transpose()?,
        socket: to.socket.clone(),
    };
    match (&context.orchestrator, &context.socket) {
        (None, Some(_)) => Ok(context),
        (Some(url), None) => {
            let nobody = Access { url, key: None, authorities: context.ca.as_deref() };
            if key_from_stdin {
                context.api_key = Some(secret(stdin)?);
            } else if let Some(user) = user {
                context.api_key = Some(rest::log_in(nobody, user, &secret(stdin)?).await?);
            }
            // An address or key that cannot be one is told now.
            let key = context.key()?;
            Rest::new(Access { key: key.as_deref(), ..nobody })?.ask("GET", "/me", None).await?;
            Ok(context)
        }
        _ => Err(Error::usage(
            "a context is an orchestrator or a gateway",
            "give --orchestrator https://HOST:8480 (with --network and --api-key or --user), or --socket PATH",
        )),
    }
}

fn secret(stdin: &mut dyn Read) -> Result<String> {
    let mut text = String::new();
    stdin.take(SECRET).read_to_string(&mut text)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn list(contexts: &Contexts, out: &mut Out<'_>) -> Result<()> {
    let current = |name: &String| contexts.current.as_ref() == Some(name);
    if out.is_json() {
        let all = contexts.all.iter().map(|(name, it)| {
            json!({"name": name, "current": current(name), "orchestrator": it.orchestrator, "network": it.network,
                   "socket": it.socket})
        });
        return Ok(out.json(&all.collect::<Vec<_>>())?);
    }
    let mut table = Table::new(&["NAME", "AT", "NETWORK"]);
    for (name, it) in &contexts.all {
        let socket = it.socket.as_ref().map(|socket| socket.display().to_string());
        let star = if current(name) { "*" } else { "" };
        let at = it.orchestrator.clone().or(socket).unwrap_or_default();
        table.row([format!("{name}{star}"), at, it.network.clone().unwrap_or_default()]);
    }
    let hint =
        "No contexts: commands go to this machine's gateway. `basalt context add NAME --orchestrator URL` makes one.";
    Ok(out.table(&table, hint)?)
}
