//! Who may do what. One function decides: [`Caller::may`].

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How much somebody may do. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Read.
    Viewer,
    /// Change what lives in a network.
    Operator,
    /// Make and delete networks, read the audit log; with the scope of everything: users and tenants.
    Admin,
}

/// Where somebody may do it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// In the whole installation.
    Everything,
    /// In the networks of a tenant.
    Tenant(String),
    /// In one network.
    Network(String),
}

/// A role in a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// How much.
    pub role: Role,
    /// Where.
    pub scope: Scope,
}

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: anybody may ask.
    Nothing,
    /// To be somebody.
    Somebody,
    /// A role in the whole installation.
    Everywhere(Role),
    /// A role in the network that the address names. Where it does not exist: in the whole installation, or with the tenant
    /// that the body names.
    InNetwork(Role),
    /// A role in the whole of the tenant that the address names.
    InTenant(Role),
}

impl Need {
    /// As the OpenAPI document says it.
    #[must_use]
    pub fn words(self) -> String {
        let role = |role| match role {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        };
        match self {
            Self::Nothing => "open".to_owned(),
            Self::Somebody => "signed-in".to_owned(),
            Self::Everywhere(needed) => format!("everywhere:{}", role(needed)),
            Self::InNetwork(needed) => format!("network:{}", role(needed)),
            Self::InTenant(needed) => format!("tenant:{}", role(needed)),
        }
    }
}

/// Where something lies, for asking whether somebody may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// In the installation itself.
    Installation,
    /// With a tenant.
    Tenant(&'a str),
    /// In a network, of a tenant.
    Network {
        /// Its name.
        name: &'a str,
        /// Whose it is.
        tenant: &'a str,
    },
}

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub name: String,
    /// The token that was shown, by its id.
    pub token: String,
    /// What the user may.
    pub grants: Vec<Grant>,
    /// What the token may at most; `None` for a session, which may what its user may.
    pub limit: Option<Vec<Grant>>,
    /// Whose user it is; `None` for one of the installation. Outside of the tenant such a user may nothing, whatever he was
    /// granted: a network may change hands.
    pub tenant: Option<String>,
    /// What a page shows to write by cookie; `None` when a token was shown.
    pub proof: Option<String>,
}

impl Caller {
    /// Whether somebody may do something somewhere: the user may, and so may the token.
    #[must_use]
    pub fn may(&self, role: Role, place: Place<'_>) -> bool {
        let confined = self.tenant.as_ref().is_none_or(|own| match place {
            Place::Installation => false,
            Place::Tenant(tenant) | Place::Network { tenant, .. } => own == tenant,
        });
        confined
            && allows(&self.grants, role, place)
            && self.limit.as_ref().is_none_or(|limit| allows(limit, role, place))
    }

    /// Whether somebody may hand on a grant: only what he has himself.
    #[must_use]
    pub fn may_grant(&self, grant: &Grant) -> bool {
        let place = match &grant.scope {
            Scope::Everything => Place::Installation,
            Scope::Tenant(tenant) => Place::Tenant(tenant),
            // Of a network alone it is not known whose it is: the same grant, or everything.
            Scope::Network(name) => Place::Network { name, tenant: "" },
        };
        self.may(grant.role, place)
    }
}

fn allows(grants: &[Grant], role: Role, place: Place<'_>) -> bool {
    grants.iter().filter(|grant| grant.role >= role).any(|grant| match (&grant.scope, place) {
        (Scope::Everything, _) => true,
        (Scope::Tenant(own), Place::Tenant(tenant) | Place::Network { tenant, .. }) => own == tenant,
        (Scope::Network(own), Place::Network { name, .. }) => own == name,
        (Scope::Tenant(_) | Scope::Network(_), Place::Installation) | (Scope::Network(_), Place::Tenant(_)) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(role: Role, scope: Scope) -> Caller {
        let (name, token, grants) = ("ann".to_owned(), "t".to_owned(), vec![Grant { role, scope }]);
        Caller { name, token, grants, limit: None, tenant: None, proof: None }
    }

    #[test]
    fn a_scope_ends_where_it_ends() {
        let lab = Place::Network { name: "lab", tenant: "acme" };
        let everything = caller(Role::Admin, Scope::Everything);
        let tenant = caller(Role::Admin, Scope::Tenant("acme".to_owned()));
        let network = caller(Role::Operator, Scope::Network("lab".to_owned()));
        assert!([&everything, &tenant, &network].iter().all(|it| it.may(Role::Operator, lab)));
        assert!(everything.may(Role::Admin, Place::Installation));
        assert!(!tenant.may(Role::Viewer, Place::Installation) && tenant.may(Role::Admin, Place::Tenant("acme")));
        assert!(!tenant.may(Role::Viewer, Place::Network { name: "lab", tenant: "other" }));
        assert!(!network.may(Role::Admin, lab) && !network.may(Role::Viewer, Place::Tenant("acme")));
        assert!(!network.may(Role::Viewer, Place::Network { name: "lab2", tenant: "acme" }));
    }

    #[test]
    fn a_key_may_less_than_its_owner_and_never_more() {
        let lab = Place::Network { name: "lab", tenant: "acme" };
        let mut key = caller(Role::Admin, Scope::Everything);
        key.limit = Some(vec![Grant { role: Role::Viewer, scope: Scope::Network("lab".to_owned()) }]);
        assert!(
            key.may(Role::Viewer, lab) && !key.may(Role::Operator, lab) && !key.may(Role::Viewer, Place::Installation)
        );
        key.grants.clear();
        assert!(!key.may(Role::Viewer, lab), "the owner lost his right");
    }

    #[test]
    fn a_user_of_a_tenant_stays_there() {
        let mut user = caller(Role::Admin, Scope::Network("lab".to_owned()));
        user.grants.push(Grant { role: Role::Admin, scope: Scope::Everything });
        user.tenant = Some("acme".to_owned());
        assert!(user.may(Role::Admin, Place::Network { name: "lab", tenant: "acme" }));
        assert!(user.may(Role::Admin, Place::Tenant("acme")));
        assert!(!user.may(Role::Viewer, Place::Network { name: "lab", tenant: "sold" }));
        assert!(!user.may(Role::Viewer, Place::Tenant("sold")) && !user.may(Role::Viewer, Place::Installation));
    }

    #[test]
    fn nobody_hands_on_what_he_has_not() {
        let tenant = caller(Role::Operator, Scope::Tenant("acme".to_owned()));
        let grant = |role, scope| Grant { role, scope };
        assert!(tenant.may_grant(&grant(Role::Viewer, Scope::Tenant("acme".to_owned()))));
        assert!(!tenant.may_grant(&grant(Role::Admin, Scope::Tenant("acme".to_owned()))));
        assert!(!tenant.may_grant(&grant(Role::Viewer, Scope::Everything)));
        assert!(!tenant.may_grant(&grant(Role::Viewer, Scope::Network("lab".to_owned()))));
    }
}
