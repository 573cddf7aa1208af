//! Any request of the REST interface.

use clap::Args;
use std::path::PathBuf;

/// A request of the REST interface.
#[derive(Args)]
pub(crate) struct AnyRequest {
    /// GET, POST, PUT, PATCH or DELETE
    #[arg(ignore_case = true, value_parser = ["GET", "POST", "PUT", "PATCH", "DELETE"])]
    pub(crate) method: String,
    /// Such as /networks/site/apns/internet; /api/v1 before it may be left out
    pub(crate) path: String,
    /// What is sent; - reads it from standard input
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Media type of what is sent [default: application/json, of PATCH application/merge-patch+json]
    #[arg(long = "type", value_name = "TYPE", requires = "file")]
    pub(crate) form: Option<String>,
    /// Only if the object still has this revision
    #[arg(long, value_name = "REVISION")]
    pub(crate) if_match: Option<u64>,
}
