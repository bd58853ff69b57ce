//! Makes what boots: a kernel, an initial root, a state disk and the images on it.
//!
//! Everything is fetched as packages of the host's distribution, unpacked without being installed,
//! and packed again in this process: no root, no loop devices, no foreign container engine. What
//! is made lies in [`cache::Cache`] and is made again only when its inputs change.

pub mod apt;
pub mod cache;
pub mod cpio;
pub mod debian;
pub mod demo;
pub mod elf;
mod fault;
pub mod gpt;
pub mod initramfs;
pub mod kernel;
pub mod modules;
pub mod oci;
pub mod state;
pub mod tool;
pub mod vmlinux;

pub use fault::Fault;
