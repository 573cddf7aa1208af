//! Composes ran, mobility, session, policy and subscribers into one step.
