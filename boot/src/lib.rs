//! Makes what boots.
