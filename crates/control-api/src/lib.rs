//! The only language between the access gateway, the federation gateway, the orchestrator and the `basalt` command.
//!
//! Each package is versioned in its name (`basalt.gateway.v1`); within a version, fields are only added. An old version keeps
//! compiling for as long as any released gateway speaks it.
//!
//! What it deliberately is not: a transport. Sockets, TLS and authentication belong to the daemons.

pub mod codec;

/// What a gateway answers to those who operate it.
pub mod gateway {
    /// First version.
    #[allow(clippy::all, clippy::pedantic, missing_docs, reason = "generated from the .proto, which is documented")]
    pub mod v1 {
        tonic::include_proto!("basalt.gateway.v1");
    }
}

/// What a gateway and the orchestrator say to each other.
pub mod orchestrator {
    mod token;

    use sha2::{Digest, Sha256};
    pub use token::{JoinToken, WrongToken, is_place};

    /// The name that the orchestrator's certificate has for gateways with a certificate.
    pub const SERVER_NAME: &str = "orchestrator.basalt";
    /// The name that it has for those that enrol.
    pub const ENROLMENT_NAME: &str = "enrol.orchestrator.basalt";
    /// The name that it has for other replicas of it, by which they know each other.
    pub const REPLICA_NAME: &str = "replica.orchestrator.basalt";
    /// The name in the certificate of a gateway or federation gateway, by which those that joined the same orchestrator know each other.
    /// It is a name of DNS whatever the objects are called.
    #[must_use]
    pub fn member_name(network: &str, gateway: &str) -> String {
        let text = [b"basalt member v1" as &[u8], network.as_bytes(), gateway.as_bytes()].join(&0);
        let digest = Sha256::digest(text);
        let hex: String = digest.iter().take(16).map(|octet| format!("{octet:02x}")).collect();
        format!("{hex}.member.basalt")
    }

    /// The port it listens on for gateways unless configured otherwise.
    pub const DEFAULT_PORT: u16 = 8481;

    /// First version.
    #[allow(clippy::all, clippy::pedantic, missing_docs, reason = "generated from the .proto, which is documented")]
    pub mod v1 {
        use core::fmt;

        tonic::include_proto!("basalt.orchestrator.v1");

        impl fmt::Debug for Put {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("Put").field("collection", &self.collection).finish_non_exhaustive()
            }
        }

        impl fmt::Debug for EnrolRequest {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("EnrolRequest").field("gateway", &self.gateway).finish_non_exhaustive()
            }
        }

        /// What is signed when a gateway enrols. `secret_digest` is the SHA-256 of the token's secret.
        #[must_use]
        pub fn enrolment_text(secret_digest: &[u8]) -> Vec<u8> {
            [b"basalt enrol v1\0", secret_digest].concat()
        }

        /// What is signed when a gateway re-enrols.
        #[must_use]
        pub fn re_enrolment_text(network: &str, gateway: &str, challenge: &[u8]) -> Vec<u8> {
            let parts = [b"basalt re-enrol v1" as &[u8], network.as_bytes(), gateway.as_bytes(), challenge];
            parts.join(&0)
        }
    }
}

/// What gateways and federation gateways say to each other.
pub mod federation {
    /// The port on which a federation gateway listens for gateways unless configured otherwise.
    pub const DEFAULT_PORT: u16 = 8482;
    /// Where a federation gateway's control socket is unless configured otherwise.
    pub const DEFAULT_CONTROL_SOCKET: &str = "/run/basalt/fegd.sock";

    /// First version.
    #[allow(clippy::all, clippy::pedantic, missing_docs, reason = "generated from the .proto, which is documented")]
    pub mod v1 {
        use core::fmt;

        tonic::include_proto!("basalt.federation.v1");

        impl fmt::Debug for Vector {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("Vector(…)")
            }
        }

        impl fmt::Debug for JoinRequest {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JoinRequest(…)")
            }
        }
    }
}

/// Where the gateway's control socket is unless configured otherwise.
pub const DEFAULT_CONTROL_SOCKET: &str = "/run/basalt/agwd.sock";
