//! The calls of etcd's services, by path.

use kv::etcd::status::Status;

macro_rules! methods {
    ($($service:literal { $($name:ident = $call:literal),* $(,)? })*) => {
        /// A call that is served.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names are etcd's")]
        pub enum Method {
            $($($name),*),*
        }

        const METHODS: &[(&str, &[(&str, Method)])] =
            &[$(($service, &[$(($call, Method::$name)),*])),*];
    };
}

methods! {
    "etcdserverpb.KV" {
        Range = "Range", Put = "Put", DeleteRange = "DeleteRange", Txn = "Txn", Compact = "Compact",
    }
}

/// What a path names.
///
/// # Errors
///
/// Nothing, in gRPC's words.
pub fn method(path: &str) -> Result<Method, Status> {
    let (service, call) =
        path.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or_default();
    let Some((_, calls)) = METHODS.iter().find(|(name, _)| *name == service) else {
        return Err(Status::unknown_call(service, call));
    };
    let found = calls.iter().find(|(name, _)| *name == call);
    found.map(|(_, method)| *method).ok_or_else(|| Status::unknown_call(service, call))
}
