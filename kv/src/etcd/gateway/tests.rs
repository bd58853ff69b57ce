//! What etcd 3.4.23 was asked with curl, and answered.

use prost::Message;

use super::*;
use crate::etcd::message as etcd;

fn asked<M: Message + Default>(path: &str, body: &str) -> M {
    let method = find(path).unwrap();
    M::decode(&ask(method, body.as_bytes()).unwrap()[..]).unwrap()
}

fn refusal(path: &str, body: &str) -> String {
    error(&ask(find(path).unwrap(), body.as_bytes()).unwrap_err())
}

fn told(path: &str, message: &impl Message) -> String {
    to_json(reply(find(path).unwrap()), &message.encode_to_vec()).unwrap()
}

const HEADER: Option<etcd::ResponseHeader> = Some(etcd::ResponseHeader {
    cluster_id: 15_118_495_548_433_857_066,
    member_id: 13_668_033_151_171_901_709,
    revision: 4,
    raft_term: 2,
});
const HEADER_TEXT: &str = r#""header":{"cluster_id":"15118495548433857066","member_id":"13668033151171901709","revision":"4","raft_term":"2"}"#;

fn key_value() -> etcd::KeyValue {
    etcd::KeyValue {
        key: b"foo".to_vec(),
        create_revision: 2,
        mod_revision: 4,
        version: 3,
        value: b"bar".to_vec(),
        lease: 0,
    }
}

#[test]
fn paths_name_calls() {
    for method in Method::ALL {
        let name = route::path(method);
        assert_eq!(find(&format!("/v3/{name}")), Some(method));
        assert_eq!(find(&format!("/v3beta/{name}")), Some(method));
    }
    assert_eq!(find("/v3/kv/lease/revoke"), Some(Method::LeaseRevoke));
    assert_eq!(find("/v3/kv/lease/timetolive"), Some(Method::LeaseTimeToLive));
    for path in ["/v3/kv/nosuch", "/v3/", "/v3", "/v2/keys", "kv/range", "/v3/kv/lease/grant"] {
        assert_eq!(find(path), None, "{path}");
    }
}

#[test]
fn requests_are_read_in_all_their_forms() {
    let body = r#"{"key":"Zm9v","sort_order":"DESCEND","sortTarget":3,"limit":"2","revision":5}"#;
    let range: etcd::RangeRequest = asked("/v3/kv/range", body);
    let wanted = etcd::RangeRequest {
        key: b"foo".to_vec(),
        sort_order: 2,
        sort_target: 3,
        limit: 2,
        revision: 5,
        ..Default::default()
    };
    assert_eq!(range, wanted);
    let body = r#"{"key":"Zm9v","limit":null,"nosuch":[1,2,{"a":1}]} and what follows"#;
    assert_eq!(asked::<etcd::RangeRequest>("/v3/kv/range", body).key, b"foo");
    for nothing in ["", "  ", "{}", "null"] {
        let asked: etcd::RangeRequest = asked("/v3/kv/range", nothing);
        assert_eq!(asked, etcd::RangeRequest::default());
    }
    let grant: etcd::LeaseGrantRequest = asked("/v3/lease/grant", r#"{"TTL":10,"ID":"12345"}"#);
    assert_eq!((grant.ttl, grant.id), (10, 12345));
    let ignored: etcd::LeaseGrantRequest = asked("/v3/lease/grant", r#"{"ttl":"10"}"#);
    assert_eq!(ignored.ttl, 0, "capitals matter");
    let target: etcd::MoveLeaderRequest =
        asked("/v3/maintenance/transfer-leadership", r#"{"targetID":"18446744073709551615"}"#);
    assert_eq!(target.target_id, u64::MAX);
}

#[test]
fn a_transaction_is_read_with_all_its_parts() {
    let body = r#"{"compare":[{"target":"VERSION","result":"GREATER","key":"Zm9v","version":"0"}],
        "success":[{"request_put":{"key":"YQ==","value":"Yg=="}},{"requestRange":{"key":"Zm9v"}},
        {"request_delete_range":{"key":"eg=="}},{"request_txn":{}}],"failure":[{}]}"#;
    let txn: etcd::TxnRequest = asked("/v3/kv/txn", body);
    let compare = etcd::Compare {
        result: 1,
        key: b"foo".to_vec(),
        target_union: Some(etcd::TargetUnion::Version(0)),
        ..Default::default()
    };
    assert_eq!(txn.compare, [compare], "a zero that was given is given");
    let nested = Some(etcd::Request::RequestTxn(etcd::TxnRequest::default()));
    assert_eq!(txn.success[3].request, nested);
    assert_eq!((txn.success.len(), txn.failure.len()), (4, 1));
    let body = r#"{"create_request":{"key":"YQ==","filters":["NODELETE",0]}}"#;
    let watch: etcd::WatchRequest = asked("/v3/watch", body);
    let Some(etcd::WatchAsked::CreateRequest(create)) = watch.request_union else {
        panic!("{watch:?}")
    };
    assert_eq!(create.filters, [1, 0]);
}

#[test]
fn nonsense_is_refused_as_etcd_refuses_it() {
    let path = "/v3/kv/range";
    let both = |text: &str| format!(r#"{{"error":{text},"message":{text},"code":3}}"#);
    let unknown = r#""unknown value \"NOSUCH\" for enum etcdserverpb.RangeRequest_SortOrder""#;
    assert_eq!(refusal(path, r#"{"key":"Zm9v","sort_order":"NOSUCH"}"#), both(unknown));
    let illegal = r#""illegal base64 data at input byte 0""#;
    assert_eq!(refusal(path, r#"{"key":"!!!"}"#), both(illegal));
    assert_eq!(refusal(path, r#"{"key":"Zm8"}"#), both(illegal));
    assert_eq!(refusal(path, r#"{"key":"#), both(r#""unexpected EOF""#));
    for body in [
        r#"{"limit":"x"}"#,
        r#"{"limit":1.5}"#,
        r#"{"limit":9223372036854775808}"#,
        r#"{"limit":true}"#,
        r#"{"key":5}"#,
        r#"{"key":{}}"#,
        r#"{"keys_only":"true"}"#,
        r#"{"sort_order":2147483648}"#,
        "[]",
        "5",
        "\"x\"",
        "{\"key\":\"\u{7f}\"}",
    ] {
        assert!(refusal(path, body).ends_with(",\"code\":3}"), "{body}");
    }
    assert!(refusal("/v3/cluster/member/remove", r#"{"ID":-1}"#).contains("for ID"));
    let watch = refusal("/v3/watch", r#"{"create_request":{"start_revision":"x"}}"#);
    assert!(watch.ends_with(",\"code\":2}"), "{watch}");
    let deep = "{\"success\":[{\"request_txn\":".repeat(200);
    assert!(ask(Method::Txn, deep.as_bytes()).is_err());
}

#[test]
fn streams_are_read_one_by_one() {
    let body = br#"{"progress_request":{}} {"create_request":{"key":"YQ=="}}{"cancel_req"#;
    let shape = request(Method::Watch);
    let (first, size) = take_message(shape, body).unwrap().unwrap();
    assert_eq!((first.as_slice(), size), (&b"\x1a\0"[..], 23));
    let (second, more) = take_message(shape, &body[size..]).unwrap().unwrap();
    assert_eq!(second, b"\x0a\x03\x0a\x01a");
    assert!(take_message(shape, &body[size + more..]).unwrap_err().is_cut);
    assert_eq!(take_message(shape, b" \n"), Ok(None));
}

#[test]
fn answers_are_written_as_etcd_writes_them() {
    let range =
        etcd::RangeResponse { header: HEADER, kvs: vec![key_value()], more: false, count: 1 };
    let kvs = r#""kvs":[{"key":"Zm9v","create_revision":"2","mod_revision":"4","version":"3","value":"YmFy"}]"#;
    assert_eq!(told("/v3/kv/range", &range), format!(r#"{{{HEADER_TEXT},{kvs},"count":"1"}}"#));
    let inner = |response| etcd::ResponseOp { response: Some(response) };
    let bare = Some(etcd::ResponseHeader { revision: 5, ..Default::default() });
    let empty = Some(etcd::ResponseHeader::default());
    let txn = etcd::TxnResponse {
        header: None,
        succeeded: true,
        responses: vec![
            inner(etcd::Response::ResponsePut(etcd::PutResponse { header: bare, prev_kv: None })),
            inner(etcd::Response::ResponseTxn(etcd::TxnResponse {
                header: empty,
                succeeded: true,
                responses: Vec::new(),
            })),
        ],
    };
    let text = r#"{"succeeded":true,"responses":[{"response_put":{"header":{"revision":"5"}}},{"response_txn":{"header":{},"succeeded":true}}]}"#;
    assert_eq!(told("/v3/kv/txn", &txn), text);
    let gone = etcd::LeaseTimeToLiveResponse { id: 999, ttl: -1, ..Default::default() };
    assert_eq!(told("/v3/lease/timetolive", &gone), r#"{"ID":"999","TTL":"-1"}"#);
    let hash = etcd::HashResponse { header: None, hash: 668_768_377 };
    assert_eq!(told("/v3/maintenance/hash", &hash), r#"{"hash":668768377}"#);
    let alarm = etcd::AlarmMember { member_id: 12, alarm: 1 };
    let alarms = etcd::AlarmResponse { header: None, alarms: vec![alarm] };
    let text = r#"{"alarms":[{"memberID":"12","alarm":"NOSPACE"}]}"#;
    assert_eq!(told("/v3/maintenance/alarm", &alarms), text);
    let perm = etcd::Permission { perm_type: 2, key: b"a".to_vec(), range_end: b"b".to_vec() };
    let role = etcd::AuthRoleGetResponse { header: None, perm: vec![perm] };
    let text = r#"{"perm":[{"permType":"READWRITE","key":"YQ==","range_end":"Yg=="}]}"#;
    assert_eq!(told("/v3/auth/role/get", &role), text);
}

#[test]
fn streams_are_written_line_by_line() {
    let event = etcd::Event { r#type: 1, kv: Some(key_value()), prev_kv: Some(key_value()) };
    let put = etcd::Event { r#type: 0, kv: Some(key_value()), prev_kv: None };
    let told = etcd::WatchResponse {
        watch_id: -1,
        canceled: true,
        events: vec![event, put],
        ..Default::default()
    };
    let kv =
        r#"{"key":"Zm9v","create_revision":"2","mod_revision":"4","version":"3","value":"YmFy"}"#;
    let events = format!(r#"[{{"type":"DELETE","kv":{kv},"prev_kv":{kv}}},{{"kv":{kv}}}]"#);
    let text = format!(r#"{{"result":{{"watch_id":"-1","canceled":true,"events":{events}}}}}"#);
    assert_eq!(line(Method::Watch, &told.encode_to_vec()).unwrap(), format!("{text}\n"));
    let lost = Status::from(crate::error::Error::NoLeader);
    let text = r#"{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader","http_status":"Service Unavailable"}}"#;
    assert_eq!(error_line(&lost), format!("{text}\n"));
}

#[test]
fn codes_are_those_that_curl_saw() {
    let http = |error: crate::error::Error| http_status(Status::from(error).code);
    use crate::error::Error as E;
    assert_eq!(http(E::EmptyKey), 400);
    assert_eq!(http(E::FutureRevision), 400);
    assert_eq!(http(E::LeaseNotFound), 404);
    assert_eq!(http(E::LeaseExists), 412);
    assert_eq!(http(E::NoLeader), 503);
    assert_eq!(http(E::InvalidAuthToken), 401);
}

#[test]
fn bytes_that_are_no_answer_are_told_apart() {
    for bytes in [
        &b"\x0a\x05\x08"[..],
        b"\x08\x01",
        b"\x20",
        b"\x0b",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    ] {
        assert_eq!(to_json(reply(Method::Range), bytes), Err(NotAMessage), "{bytes:?}");
    }
    assert_eq!(to_json(reply(Method::Range), b"\xf8\x3f\x01").unwrap(), "{}");
}

/// A message of a shape with something in every field.
fn sample(shape: &'static Shape) -> Vec<u8> {
    use super::shape::Kind;
    let mut out = Vec::new();
    for field in shape.fields {
        let (wire, value) = match field.kind {
            Kind::Bytes | Kind::Text => (2, b"x".to_vec()),
            Kind::Message(inner) => (2, sample(inner)),
            Kind::Int64 | Kind::Uint64 | Kind::Uint32 | Kind::Bool | Kind::Enum(_) => (0, vec![1]),
        };
        prost::encoding::encode_varint(u64::from(field.number << 3 | wire), &mut out);
        if wire == 2 {
            prost::encoding::encode_varint(value.len() as u64, &mut out);
        }
        out.extend(value);
    }
    out
}

/// Shape and message have the same fields.
fn same<M: Message + Default + std::fmt::Debug>(shape: &'static Shape) {
    let bytes = sample(shape);
    let message = M::decode(&bytes[..]).unwrap();
    assert_eq!(message.encode_to_vec(), bytes, "{message:?}");
    let shown = format!("{message:?}");
    for unset in [": 0,", ": 0 ", ": \"\"", ": []", ": None", ": false"] {
        assert!(!shown.contains(unset), "the shape lacks something: {shown}");
    }
    let json = to_json(shape, &bytes).unwrap();
    assert_eq!(take_message(shape, json.as_bytes()), Ok(Some((bytes, json.len()))));
}

#[test]
fn shapes_of_requests_are_those_of_the_messages() {
    use Method as M;
    same::<etcd::RangeRequest>(request(M::Range));
    same::<etcd::PutRequest>(request(M::Put));
    same::<etcd::DeleteRangeRequest>(request(M::DeleteRange));
    same::<etcd::CompactionRequest>(request(M::Compact));
    same::<etcd::LeaseGrantRequest>(request(M::LeaseGrant));
    same::<etcd::LeaseRevokeRequest>(request(M::LeaseRevoke));
    same::<etcd::LeaseKeepAliveRequest>(request(M::LeaseKeepAlive));
    same::<etcd::LeaseTimeToLiveRequest>(request(M::LeaseTimeToLive));
    same::<etcd::MemberAddRequest>(request(M::MemberAdd));
    same::<etcd::MemberIdRequest>(request(M::MemberRemove));
    same::<etcd::MemberUpdateRequest>(request(M::MemberUpdate));
    same::<etcd::MemberListRequest>(request(M::MemberList));
    same::<etcd::AlarmRequest>(request(M::Alarm));
    same::<etcd::HashKvRequest>(request(M::HashKv));
    same::<etcd::MoveLeaderRequest>(request(M::MoveLeader));
    same::<etcd::DowngradeRequest>(request(M::Downgrade));
    same::<etcd::AuthenticateRequest>(request(M::Authenticate));
    same::<etcd::AuthUserAddRequest>(request(M::UserAdd));
    same::<etcd::AuthNameRequest>(request(M::UserGet));
    same::<etcd::AuthNameRequest>(request(M::RoleGet));
    same::<etcd::AuthUserChangePasswordRequest>(request(M::UserChangePassword));
    same::<etcd::AuthUserRoleRequest>(request(M::UserGrantRole));
    same::<etcd::AuthUserRoleRequest>(request(M::UserRevokeRole));
    same::<etcd::AuthRoleGrantPermissionRequest>(request(M::RoleGrantPermission));
    same::<etcd::AuthRoleRevokePermissionRequest>(request(M::RoleRevokePermission));
    same::<etcd::LockRequest>(request(M::Lock));
    same::<etcd::UnlockRequest>(request(M::Unlock));
    same::<etcd::CampaignRequest>(request(M::Campaign));
    same::<etcd::LeaderRequest>(request(M::Leader));
    same::<etcd::LeaderRequest>(request(M::Observe));
    same::<etcd::ProclaimRequest>(request(M::Proclaim));
    same::<etcd::ResignRequest>(request(M::Resign));
    for method in [M::LeaseLeases, M::Status, M::AuthEnable, M::UserList, M::Snapshot, M::Hash] {
        same::<etcd::EmptyRequest>(request(method));
    }
}

#[test]
fn shapes_of_answers_are_those_of_the_messages() {
    use Method as M;
    same::<etcd::RangeResponse>(reply(M::Range));
    same::<etcd::PutResponse>(reply(M::Put));
    same::<etcd::DeleteRangeResponse>(reply(M::DeleteRange));
    same::<etcd::HeaderResponse>(reply(M::Compact));
    same::<etcd::WatchResponse>(reply(M::Watch));
    same::<etcd::LeaseGrantResponse>(reply(M::LeaseGrant));
    same::<etcd::LeaseKeepAliveResponse>(reply(M::LeaseKeepAlive));
    same::<etcd::LeaseTimeToLiveResponse>(reply(M::LeaseTimeToLive));
    same::<etcd::LeaseLeasesResponse>(reply(M::LeaseLeases));
    same::<etcd::MemberAddResponse>(reply(M::MemberAdd));
    same::<etcd::MembersResponse>(reply(M::MemberList));
    same::<etcd::AlarmResponse>(reply(M::Alarm));
    same::<etcd::StatusResponse>(reply(M::Status));
    same::<etcd::HashResponse>(reply(M::Hash));
    same::<etcd::HashKvResponse>(reply(M::HashKv));
    same::<etcd::SnapshotResponse>(reply(M::Snapshot));
    same::<etcd::AuthStatusResponse>(reply(M::AuthStatus));
    same::<etcd::AuthenticateResponse>(reply(M::Authenticate));
    same::<etcd::AuthRoleGetResponse>(reply(M::RoleGet));
    for method in [M::UserGet, M::UserList, M::RoleList] {
        same::<etcd::AuthNamesResponse>(reply(method));
    }
    same::<etcd::LockResponse>(reply(M::Lock));
    same::<etcd::CampaignResponse>(reply(M::Campaign));
    same::<etcd::LeaderResponse>(reply(M::Leader));
}
