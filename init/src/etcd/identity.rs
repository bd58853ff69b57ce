//! Who a member is: numbers drawn from addresses and the cluster's token, so that all first members arrive
//! at the same ones, and the small file that keeps them.

use std::collections::BTreeMap;

use kv::replica::members::{Member, Members};
use sha2::{Digest, Sha256};

use super::url::Url;

/// A member's and its cluster's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The member's.
    pub member: u64,
    /// The cluster's.
    pub cluster: u64,
}

const HEAD: &str = "keelson store 1";

impl Identity {
    /// The file's content.
    pub fn encode(&self) -> String {
        format!("{HEAD}\nmember {:016x}\ncluster {:016x}\n", self.member, self.cluster)
    }

    /// Reads it.
    pub fn decode(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next() != Some(HEAD) {
            return None;
        }
        let mut number = |name: &str| {
            let hex = lines.next()?.strip_prefix(name)?.strip_prefix(' ')?;
            u64::from_str_radix(hex, 16).ok().filter(|number| *number != 0)
        };
        Some(Self { member: number("member")?, cluster: number("cluster")? })
    }
}

/// A number for some words; never zero.
fn number(words: &[&str]) -> u64 {
    let mut hash = Sha256::new();
    for word in words {
        hash.update((word.len() as u64).to_le_bytes());
        hash.update(word.as_bytes());
    }
    let digest = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first).max(1)
}

/// A member's number. One that is added later has the time in it, so that none comes twice.
pub fn member_number(peer_urls: &[String], token: &str, added_unix_ms: Option<u64>) -> u64 {
    let mut urls: Vec<&str> = peer_urls.iter().map(String::as_str).collect();
    urls.sort_unstable();
    let added = added_unix_ms.map(|at| at.to_string()).unwrap_or_default();
    urls.extend([token, added.as_str()]);
    number(&urls)
}

/// The first members of a cluster, by `--initial-cluster`, and its number.
pub fn first_members(cluster: &BTreeMap<String, Vec<Url>>, token: &str) -> (u64, Members) {
    let member = |(name, urls): (&String, &Vec<Url>)| {
        let peer_urls: Vec<String> = urls.iter().map(Url::to_string).collect();
        let id = member_number(&peer_urls, token, None);
        Member { id, name: name.clone(), peer_urls, ..Member::default() }
    };
    let members = Members::of(cluster.iter().map(member));
    let ids: Vec<String> = members.present.keys().map(u64::to_string).collect();
    let words: Vec<&str> = ids.iter().map(String::as_str).collect();
    (number(&words), members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_first_members_arrive_at_the_same_numbers() {
        let url = |text: &str| vec![Url::parse(text).unwrap()];
        let two = BTreeMap::from([
            ("a".to_owned(), url("http://1.1.1.1:1")),
            ("b".to_owned(), url("http://1.1.1.2:1")),
        ]);
        let (cluster, members) = first_members(&two, "token");
        assert_eq!(first_members(&two, "token"), (cluster, members.clone()));
        assert_eq!(members.voters().len(), 2);
        assert_ne!(first_members(&two, "other").0, cluster);
        let identity = Identity { member: members.voters()[0], cluster };
        assert_eq!(Identity::decode(&identity.encode()), Some(identity));
        assert_eq!(Identity::decode("keelson store 2\n"), None);
    }
}
