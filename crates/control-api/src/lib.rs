//! The only language between the access gateway, the federation gateway, the orchestrator and the `basalt` command.
//!
//! Each package is versioned in its name (`basalt.gateway.v1`); within a version, fields are only added. An old version keeps
//! compiling for as long as any released gateway speaks it.
//!
//! What it deliberately is not: a transport. Sockets, TLS and authentication belong to the daemons.

/// What a gateway answers to those who operate it.
pub mod gateway {
    /// First version.
    #[allow(clippy::all, clippy::pedantic, missing_docs, reason = "generated from the .proto, which is documented")]
    pub mod v1 {
        tonic::include_proto!("basalt.gateway.v1");
    }
}

/// Where the gateway's control socket is unless configured otherwise.
pub const DEFAULT_CONTROL_SOCKET: &str = "/run/basalt/agwd.sock";
