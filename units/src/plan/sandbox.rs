//! tmp
use super::Plan;
use crate::execution::Sandbox;
use crate::spec::Spec;
pub(super) fn apply(_p: &mut Plan, _s: &Sandbox, _spec: &Spec) {}
