//! Network interfaces, addresses and routes.

mod advertisement;
mod interface;
mod link_socket;
mod netlink;
mod route;

pub use interface::raise_interface;
pub use link_socket::{AddressSocket, LinkSocket};
pub use netlink::{Netlink, Part};
pub use route::{Address, Link, MONITOR_GROUPS, Maker, News, Route};
