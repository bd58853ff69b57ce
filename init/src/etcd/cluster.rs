//! The cluster service, and the leader's moving to another member.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the node gives this room its own methods only"
)]

use std::time::Duration;

use kv::error::Error;
use kv::etcd::message as etcd;
use kv::etcd::method::Method;
use kv::etcd::status::Status;
use kv::replica::members::Member;
use kv::replica::{Event, Step};

use super::identity::member_number;
use super::keys::{Read, decode};
use super::node::{Node, Waiting};
use super::url::Url;
use super::{Call, Moment, Order};

/// A call that waits for another leader.
#[derive(Debug)]
pub(super) struct Moving {
    call: Call,
    to: u64,
    pub(super) until: Duration,
}

impl Node {
    pub(super) fn on_cluster(
        &mut self,
        method: Method,
        call: Call,
        message: &[u8],
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        if method == Method::MemberList {
            let asked: etcd::MemberListRequest = decode(message)?;
            return self.on_list(call, asked.linearizable, moment, out);
        }
        self.administer(call, moment)?;
        match method {
            Method::MemberAdd => self.on_add(call, decode(message)?, moment, out),
            Method::MemberUpdate => self.on_update(call, decode(message)?, moment, out),
            Method::MemberPromote => {
                let asked: etcd::MemberIdRequest = decode(message)?;
                self.change_members(call, None, Step::Promote(asked.id), moment, out);
                Ok(())
            }
            Method::MoveLeader => {
                let asked: etcd::MoveLeaderRequest = decode(message)?;
                self.on_move(call, asked.target_id, moment, out)
            }
            _ => {
                let asked: etcd::MemberIdRequest = decode(message)?;
                self.change_members(call, None, Step::Remove(asked.id), moment, out);
                Ok(())
            }
        }
    }

    fn on_list(
        &mut self,
        call: Call,
        linearizable: bool,
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        if linearizable {
            self.read_later(call, Read::Members, moment, out);
        } else {
            self.answer_list(call, out);
        }
        Ok(())
    }

    fn on_add(
        &mut self,
        call: Call,
        asked: etcd::MemberAddRequest,
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        let peer_urls = self.peer_urls(&asked.peer_urls, None)?;
        let token = &self.settings.cluster_token;
        let id = member_number(&peer_urls, token, Some(moment.unix_ms));
        let member = Member { id, peer_urls, learner: asked.is_learner, ..Member::default() };
        self.change_members(call, Some(id), Step::Add(member), moment, out);
        Ok(())
    }

    fn on_update(
        &mut self,
        call: Call,
        asked: etcd::MemberUpdateRequest,
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        let peer_urls = self.peer_urls(&asked.peer_urls, Some(asked.id))?;
        let present = &self.replica.members().present;
        let known = present.get(&asked.id).ok_or(Error::MemberNotFound)?;
        let member = Member { peer_urls, ..known.clone() };
        self.change_members(call, None, Step::Update(member), moment, out);
        Ok(())
    }

    /// Addresses for a member: well formed, and no other's.
    fn peer_urls(&self, urls: &[String], of: Option<u64>) -> Result<Vec<String>, Error> {
        if urls.is_empty() || urls.iter().any(|url| Url::parse(url).is_err()) {
            return Err(Error::MemberBadUrls);
        }
        let others = self.replica.members().present.values().filter(|other| Some(other.id) != of);
        let mut taken = others.flat_map(|other| &other.peer_urls);
        if taken.any(|url| urls.contains(url)) {
            return Err(Error::PeerUrlExists);
        }
        Ok(urls.to_vec())
    }

    fn change_members(
        &mut self,
        call: Call,
        added: Option<u64>,
        step: Step,
        moment: Moment,
        out: &mut Vec<Order>,
    ) {
        let ticket = self.await_answer(Waiting::Members(call, added));
        self.tell_replica(Event::ChangeAsked { ticket, steps: vec![step] }, moment, out);
    }

    fn on_move(
        &mut self,
        call: Call,
        to: u64,
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        if !self.replica.leads() {
            return Err(Error::NotLeader.into());
        }
        let voter = self.replica.members().present.get(&to).is_some_and(|member| !member.learner);
        if !voter {
            return Err(Error::BadLeaderTransferee.into());
        }
        let until = moment.now + self.settings.replica.election() * 2;
        self.moving.push(Moving { call, to, until });
        self.tell_replica(Event::TransferAsked { to }, moment, out);
        self.look_at_moves(moment, out);
        Ok(())
    }

    /// Answers those whose wish came true, and those whose time is up.
    pub(super) fn look_at_moves(&mut self, moment: Moment, out: &mut Vec<Order>) {
        if self.moving.is_empty() {
            return;
        }
        let leader = self.replica.leader();
        for moving in std::mem::take(&mut self.moving) {
            if moving.to == leader {
                let header = self.header_now();
                self.reply(moving.call, &etcd::HeaderResponse { header }, out);
            } else if moving.until <= moment.now {
                self.end(moving.call, Some(Error::TimeoutLeaderFail.into()), out);
            } else {
                self.moving.push(moving);
            }
        }
    }

    fn shown(&self, member: &Member) -> etcd::Member {
        let published = self.replica.machine().published().get(&member.id);
        etcd::Member {
            id: member.id,
            name: published.map_or_else(|| member.name.clone(), |told| told.name.clone()),
            peer_urls: member.peer_urls.clone(),
            client_urls: published.map_or_else(Vec::new, |told| told.client_urls.clone()),
            is_learner: member.learner,
        }
    }

    pub(super) fn answer_list(&mut self, call: Call, out: &mut Vec<Order>) {
        self.answer_members(call, None, out);
    }

    /// Tells all members, and the new one if one was added.
    pub(super) fn answer_members(&mut self, call: Call, added: Option<u64>, out: &mut Vec<Order>) {
        let present = &self.replica.members().present;
        let members: Vec<etcd::Member> =
            present.values().map(|member| self.shown(member)).collect();
        let header = self.header_now();
        match added {
            None => self.reply(call, &etcd::MembersResponse { header, members }, out),
            Some(id) => {
                let member = members.iter().find(|member| member.id == id).cloned();
                let told = etcd::MemberAddResponse { header, member, members };
                self.reply(call, &told, out);
            }
        }
    }
}
