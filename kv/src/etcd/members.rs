//! The cluster service: who belongs to the cluster, and changes of that.

use std::collections::BTreeMap;

use super::message as etcd;
use super::tell::Header;
use crate::error::Error;
use crate::replica::Step;
use crate::replica::members::{Member, Members};
use crate::store::Published;

/// A new member. Its number was drawn from its addresses, by the rule that the caller has for that.
///
/// # Errors
///
/// Its addresses are none, or another member's.
pub fn add(asked: etcd::MemberAddRequest, id: u64, members: &Members) -> Result<Step, Error> {
    let learner = asked.is_learner;
    let peer_urls = urls(asked.peer_urls, None, members)?;
    if members.present.contains_key(&id) || members.removed.contains(&id) {
        return Err(Error::MemberExists);
    }
    Ok(Step::Add(Member { id, peer_urls, learner, ..Member::default() }))
}

/// A member leaves.
///
/// # Errors
///
/// There is none of that number.
pub fn remove(asked: &etcd::MemberIdRequest, members: &Members) -> Result<Step, Error> {
    find(asked.id, members)?;
    Ok(Step::Remove(asked.id))
}

/// A member moves.
///
/// # Errors
///
/// There is none of that number, or its addresses are none, or another member's.
pub fn update(asked: etcd::MemberUpdateRequest, members: &Members) -> Result<Step, Error> {
    let member = find(asked.id, members);
    let peer_urls = urls(asked.peer_urls, Some(asked.id), members)?;
    Ok(Step::Update(Member { peer_urls, ..member?.clone() }))
}

/// A learner becomes a voter.
///
/// # Errors
///
/// There is none of that number, or it votes already.
pub fn promote(asked: &etcd::MemberIdRequest, members: &Members) -> Result<Step, Error> {
    let member = find(asked.id, members)?;
    if !member.learner {
        return Err(Error::MemberNotLearner);
    }
    Ok(Step::Promote(asked.id))
}

/// Who shall lead.
///
/// # Errors
///
/// There is none of that number that could.
pub fn transferee(asked: &etcd::MoveLeaderRequest, members: &Members) -> Result<u64, Error> {
    let member = find(asked.target_id, members).map_err(|_| Error::BadLeaderTransferee)?;
    if member.learner { Err(Error::BadLeaderTransferee) } else { Ok(member.id) }
}

fn find(id: u64, members: &Members) -> Result<&Member, Error> {
    members.present.get(&id).ok_or(Error::MemberNotFound)
}

/// A member's addresses in order. `of` is whose they may be already.
fn urls(mut urls: Vec<String>, of: Option<u64>, members: &Members) -> Result<Vec<String>, Error> {
    if urls.is_empty() || !urls.iter().all(|url| is_url(url)) {
        return Err(Error::MemberBadUrls);
    }
    urls.sort();
    let others = members.present.values().filter(|member| Some(member.id) != of);
    let is_taken = others.flat_map(|member| &member.peer_urls).any(|url| urls.contains(url));
    if is_taken { Err(Error::PeerUrlExists) } else { Ok(urls) }
}

/// An address as etcd takes it: scheme, host, port, and nothing behind.
pub fn is_url(url: &str) -> bool {
    let Some((scheme, place)) = url.split_once("://") else { return false };
    match scheme {
        "http" | "https" => {
            let Some((host, port)) = place.rsplit_once(':') else { return false };
            let is_host = !host.contains(['/', '?', '#', '@', ' ']);
            is_host && port.parse::<u16>().is_ok()
        }
        "unix" | "unixs" => !place.is_empty(),
        _ => false,
    }
}

/// All members, by number.
pub fn list(
    members: &Members,
    published: &BTreeMap<u64, Published>,
    header: Option<Header>,
) -> etcd::MembersResponse {
    let members = members.present.values().map(|member| shown(member, published)).collect();
    etcd::MembersResponse { header, members }
}

/// The new member, and all of them.
pub fn added(
    id: u64,
    members: &Members,
    published: &BTreeMap<u64, Published>,
    header: Option<Header>,
) -> etcd::MemberAddResponse {
    let member = members.present.get(&id).map(|member| shown(member, published));
    etcd::MemberAddResponse { header, member, members: list(members, published, None).members }
}

/// What a member told of itself counts more than what others were told of it.
fn shown(member: &Member, published: &BTreeMap<u64, Published>) -> etcd::Member {
    let told = published.get(&member.id);
    let name = told.map_or(&member.name, |told| &told.name).clone();
    let client_urls = told.map_or(&member.client_urls, |told| &told.client_urls).clone();
    let (peer_urls, is_learner) = (member.peer_urls.clone(), member.learner);
    etcd::Member { id: member.id, name, peer_urls, client_urls, is_learner }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> Members {
        let member = |id: u64, learner| Member {
            id,
            learner,
            peer_urls: vec![format!("http://h{id}:1")],
            ..Member::default()
        };
        let mut members = Members::of([member(1, false), member(2, true)]);
        members.removed.insert(3);
        members
    }

    fn asked(urls: &[&str]) -> etcd::MemberAddRequest {
        let peer_urls = urls.iter().map(|url| (*url).to_owned()).collect();
        etcd::MemberAddRequest { peer_urls, is_learner: true }
    }

    #[test]
    fn members_are_added_with_addresses_of_their_own() {
        let members = members();
        let added = add(asked(&["http://b:1", "http://a:1"]), 9, &members).unwrap();
        let peer_urls = vec!["http://a:1".to_owned(), "http://b:1".to_owned()];
        let learner = true;
        assert_eq!(added, Step::Add(Member { id: 9, peer_urls, learner, ..Member::default() }));
        assert_eq!(add(asked(&["http://h1:1"]), 9, &members), Err(Error::PeerUrlExists));
        assert_eq!(add(asked(&["http://a:1"]), 3, &members), Err(Error::MemberExists));
        for urls in [&[][..], &["x"], &["http://a"], &["http://a:1/p"], &["ftp://a:1"]] {
            assert_eq!(add(asked(urls), 9, &members), Err(Error::MemberBadUrls), "{urls:?}");
        }
    }

    #[test]
    fn members_are_changed_if_they_are_there() {
        let members = members();
        let one = |id| etcd::MemberIdRequest { id };
        assert_eq!(remove(&one(2), &members), Ok(Step::Remove(2)));
        assert_eq!(remove(&one(3), &members), Err(Error::MemberNotFound));
        assert_eq!(promote(&one(2), &members), Ok(Step::Promote(2)));
        assert_eq!(promote(&one(1), &members), Err(Error::MemberNotLearner));
        let to = |target_id| etcd::MoveLeaderRequest { target_id };
        assert_eq!(transferee(&to(1), &members), Ok(1));
        assert_eq!(transferee(&to(2), &members), Err(Error::BadLeaderTransferee));
        assert_eq!(transferee(&to(7), &members), Err(Error::BadLeaderTransferee));
        let moved = |id, url: &str| etcd::MemberUpdateRequest { id, peer_urls: vec![url.into()] };
        assert!(update(moved(1, "http://h1:1"), &members).is_ok());
        assert_eq!(update(moved(1, "http://h2:1"), &members), Err(Error::PeerUrlExists));
        assert_eq!(update(moved(8, "http://h8:1"), &members), Err(Error::MemberNotFound));
    }

    #[test]
    fn what_members_told_is_shown() {
        let told = Published { name: "n".into(), client_urls: vec!["http://c:1".into()] };
        let list = list(&members(), &BTreeMap::from([(1, told)]), None).members;
        assert_eq!((list[0].name.as_str(), list[0].client_urls.len()), ("n", 1));
        assert_eq!((list[1].name.as_str(), list[1].is_learner), ("", true));
    }
}
