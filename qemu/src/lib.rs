//! Boots it.
