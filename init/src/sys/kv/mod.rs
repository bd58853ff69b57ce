//! The store's shore: its disk, its clients' and peers' connections, and the loop of `keelson etcd`.

mod connection;
mod disk;
mod files;
mod http2;
pub mod main;
mod passwords;
mod peers;
mod server;
mod wire;
