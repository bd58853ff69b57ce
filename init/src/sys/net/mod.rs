//! Network interfaces, addresses and routes.

mod interface;

pub use interface::raise_interface;
