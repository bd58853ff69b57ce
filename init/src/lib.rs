//! Keelson's init: the node, and the shore it stands on.
#![deny(unsafe_code)]

pub mod build_id;
pub mod calendar_floor;
pub mod cmdline;
pub mod ctl;
pub mod dhcp;
pub mod difference;
pub mod door;
pub mod etcd;
pub mod identity;
pub mod limits;
pub mod lines;
pub mod logs;
pub mod machine;
pub mod modules;
pub mod mountinfo;
pub mod node;
pub mod notify;
pub mod oci;
pub mod paths;
pub mod shipped;
pub mod superblock;
#[allow(unsafe_code, reason = "the shore is where the kernel is")]
pub mod sys;
pub mod uevent;
pub mod vault;
pub mod volume;
pub mod watchdog;
pub mod wire;
pub mod work;
