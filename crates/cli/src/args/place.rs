//! Whom commands are for: a gateway here, a context, an orchestrator.

use crate::contexts::{Contexts, key_of};
use crate::error::{Error, Result};
use clap::Args;
use std::path::PathBuf;

/// Whom commands are for.
#[derive(Args)]
pub(crate) struct Where {
    /// A gateway's control socket; the context's, or that of this machine's gateway
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "BASALT_SOCKET",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) socket: Option<PathBuf>,
    /// Context to use: see `basalt context`
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "BASALT_CONTEXT",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) context: Option<String>,
    /// An orchestrator's REST interface
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "BASALT_ORCHESTRATOR",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) orchestrator: Option<String>,
    /// Network of the orchestrator
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "BASALT_NETWORK",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) network: Option<String>,
    /// API key or session for the orchestrator; better given by the environment or a context
    #[arg(
        long,
        global = true,
        value_name = "KEY",
        env = "BASALT_API_KEY",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) api_key: Option<String>,
    /// File with the API key
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "BASALT_API_KEY_FILE",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) api_key_file: Option<PathBuf>,
    /// File of authorities (PEM) that an orchestrator's certificate must come from; the system's, when absent
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "BASALT_CA",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) ca: Option<PathBuf>,
    /// File of contexts, in place of basalt/contexts.toml in the user's configuration folder
    #[arg(long, global = true, value_name = "FILE", env = "BASALT_CONTEXTS", hide_env_values = true, hide = true)]
    pub(crate) contexts: Option<PathBuf>,
}

impl Where {
    /// The API key that is said, or that a file holds which is.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn api_key(&self) -> Result<Option<String>> {
        match (&self.api_key, &self.api_key_file) {
            (None, Some(file)) => key_of(file).map(Some),
            (key, _) => Ok(key.clone()),
        }
    }

    /// The file of contexts.
    ///
    /// # Errors
    /// It was not named, and the user has no home.
    pub(crate) fn contexts_path(&self) -> Result<PathBuf> {
        self.contexts.clone().or_else(Contexts::usual_path).ok_or_else(|| {
            Error::usage("there is no home folder for the file of contexts", "name one by BASALT_CONTEXTS")
        })
    }
}
