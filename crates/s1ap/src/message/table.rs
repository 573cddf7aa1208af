//! The table form that messages are written in: one line per IE with its identifier, criticality and presence.

/// Defines messages: `Name = Kind procedure criticality "ASN.1 name" { IEs in the order of the standard }`.
///
/// An IE is `id criticality presence field: Type`, where the presence is
/// - `required`: mandatory with criticality reject, a `Type`;
/// - `mandatory`: mandatory with criticality ignore, an `Option<Type>` that senders fill in;
/// - `optional`: an `Option<Type>`;
/// - `(required id criticality)`, `(mandatory id criticality)`, `(optional id criticality)`: a list of single containers of that
///   IE, a `Vec<Type>`; only the first may not be empty.
macro_rules! messages {
    ($(
        $(#[$doc:meta])*
        $name:ident = $kind:ident $code:literal $criticality:ident $asn1:literal {
            $($(#[$fdoc:meta])* $id:literal $ie_criticality:ident $presence:tt $field:ident: $type:ty,)*
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            $($(#[$fdoc])* pub $field: $crate::message::table::field_type!($presence $type),)*
            /// IEs that have no field, known to the standard or not.
            pub other_ies: Vec<$crate::message::OtherIe>,
        }

        impl $name {
            /// Code of its procedure.
            pub const PROCEDURE_CODE: u8 = $code;
            /// Which message of the procedure it is.
            pub const KIND: $crate::value::TriggeringMessage = $crate::value::TriggeringMessage::$kind;
            /// Name that the standard's ASN.1 gives it.
            pub const NAME: &'static str = $asn1;

            $crate::message::table::constructor!($name [] [] $($presence $field: $type,)*);

            /// The UE association ids that the message has outside of lists.
            #[must_use]
            #[allow(unused_mut, reason = "not every message has ids")]
            pub fn ue_ids(&self) -> $crate::value::UeIds {
                let mut ids = $crate::value::UeIds::default();
                $($crate::message::table::note_id!(ids $field $presence self.$field);)*
                ids
            }
        }
    )*};
}
pub(super) use messages;

/// The Rust type of a field.
macro_rules! field_type {
    (required $type:ty) => { $type };
    (mandatory $type:ty) => { Option<$type> };
    (optional $type:ty) => { Option<$type> };
    (($presence:ident $id:literal $criticality:ident) $type:ty) => { Vec<$type> };
}
pub(super) use field_type;

/// `new`, which takes the mandatory IEs.
macro_rules! constructor {
    ($name:ident [$($param:ident: $ptype:ty,)*] [$($init:ident: $value:expr,)*]) => {
        /// The message with its mandatory IEs, and no other.
        #[must_use]
        #[allow(clippy::too_many_arguments, clippy::new_without_default, reason = "as many as the standard makes mandatory")]
        pub const fn new($($param: $ptype),*) -> Self {
            Self { $($init: $value,)* other_ies: Vec::new() }
        }
    };
    ($name:ident [$($params:tt)*] [$($inits:tt)*] required $field:ident: $type:ty, $($rest:tt)*) => {
        $crate::message::table::constructor!($name [$($params)* $field: $type,] [$($inits)* $field: $field,] $($rest)*);
    };
    ($name:ident [$($params:tt)*] [$($inits:tt)*] mandatory $field:ident: $type:ty, $($rest:tt)*) => {
        $crate::message::table::constructor!($name [$($params)* $field: $type,] [$($inits)* $field: Some($field),] $($rest)*);
    };
    ($name:ident [$($params:tt)*] [$($inits:tt)*] optional $field:ident: $type:ty, $($rest:tt)*) => {
        $crate::message::table::constructor!($name [$($params)*] [$($inits)* $field: None,] $($rest)*);
    };
    ($name:ident [$($params:tt)*] [$($inits:tt)*] (optional $id:literal $criticality:ident) $field:ident: $type:ty, $($rest:tt)*) => {
        $crate::message::table::constructor!($name [$($params)*] [$($inits)* $field: Vec::new(),] $($rest)*);
    };
    ($name:ident [$($params:tt)*] [$($inits:tt)*] ($presence:ident $id:literal $criticality:ident) $field:ident: $type:ty, $($rest:tt)*) => {
        $crate::message::table::constructor!($name [$($params)* $field: Vec<$type>,] [$($inits)* $field: $field,] $($rest)*);
    };
}
pub(super) use constructor;

/// Notes a UE association id, for the fields that hold one.
macro_rules! note_id {
    ($ids:ident mme_ue_id required $value:expr) => {
        $ids.mme = Some($value)
    };
    ($ids:ident source_mme_ue_id required $value:expr) => {
        $ids.mme = Some($value)
    };
    ($ids:ident mme_ue_id $presence:ident $value:expr) => {
        $ids.mme = $value
    };
    ($ids:ident enb_ue_id required $value:expr) => {
        $ids.enb = Some($value)
    };
    ($ids:ident enb_ue_id $presence:ident $value:expr) => {
        $ids.enb = $value
    };
    ($ids:ident ue_s1ap_ids required $value:expr) => {
        $ids = $value.into()
    };
    ($ids:ident $field:ident $presence:tt $value:expr) => {};
}
pub(super) use note_id;
