//! Providers of identity as the settings name them, and the way to them.

use crate::notify::Client;
use crate::settings::Settings;
use anyhow::{Context, Result, ensure};
use orchestrator_api::{Fetch, FetchRequest, Fetched, GroupGrant, Oidc, Provider};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// A provider in the file of settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderFile {
    name: String,
    /// For people; the name, when absent.
    #[serde(default)]
    title: String,
    issuer: String,
    client_id: String,
    /// A file with our secret: it stands in no settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name_claim: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    groups_claim: Option<String>,
    /// Its users are this tenant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    grants: Vec<GroupGrant>,
}

/// All of them.
///
/// # Errors
/// One that cannot be used, by name.
pub(crate) fn open(settings: &Settings) -> Result<Oidc> {
    if settings.oidc.is_empty() {
        return Ok(Oidc::default());
    }
    let url = settings.public_url.as_deref().context("oidc needs public_url, such as https://core.example.net")?;
    let url = url.trim_end_matches('/');
    ensure!(url.starts_with("https://") || url.starts_with("http://"), "public_url is https://HOST");
    let providers = settings.oidc.iter().map(|it| read(it).with_context(|| format!("[[oidc]] {}", it.name)));
    let providers: Vec<Provider> = providers.collect::<Result<_>>()?;
    let mut names: Vec<&str> = providers.iter().map(|it| it.name.as_str()).collect();
    names.sort_unstable();
    ensure!(names.windows(2).all(|pair| pair[0] != pair[1]), "two of [[oidc]] have the same name");
    let client = Arc::new(Client::new(settings.oidc_allow()?)?);
    let fetch: Fetch = Arc::new(move |request: FetchRequest| -> Fetched {
        let client = Arc::clone(&client);
        Box::pin(async move { client.fetch(&request).await.map_err(|error| format!("{}: {error:#}", request.url)) })
    });
    Ok(Oidc::new(providers, url.to_owned(), fetch))
}

fn read(file: &ProviderFile) -> Result<Provider> {
    let secret = file.client_secret_file.as_ref().map(|path| {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok::<_, anyhow::Error>(text.trim().to_owned())
    });
    let usual = Provider::default();
    let title = if file.title.is_empty() { &file.name } else { &file.title };
    let provider = Provider {
        name: file.name.clone(),
        title: title.clone(),
        issuer: file.issuer.clone(),
        client_id: file.client_id.clone(),
        client_secret: secret.transpose()?,
        scopes: file.scopes.clone().unwrap_or(usual.scopes),
        name_claim: file.name_claim.clone().unwrap_or(usual.name_claim),
        groups_claim: file.groups_claim.clone().unwrap_or(usual.groups_claim),
        tenant: file.tenant.clone(),
        grants: file.grants.clone(),
    };
    provider.check().map_err(|why| anyhow::anyhow!(why))?;
    Ok(provider)
}
