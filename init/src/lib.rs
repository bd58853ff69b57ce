//! Keelson's init: the node, and the shore it stands on.
