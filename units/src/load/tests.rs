//! Whole sets of files.

use super::{Loaded, load};
use crate::name::UnitName;
use crate::source::{LoadOptions, SourceFile};
use crate::spec::{Body, RelationKind, Spec};

/// Files as `path` lines beginning with `==> `, each followed by its text; `-> target` is a link.
fn files(text: &str) -> Vec<SourceFile> {
    let mut files = Vec::new();
    for part in text.split("==> ").skip(1) {
        let (head, body) = part.split_once('\n').unwrap();
        files.push(match head.split_once(" -> ") {
            Some((path, target)) => SourceFile::symlink(path, target),
            None => SourceFile::regular(head, body.as_bytes()),
        });
    }
    files
}

fn read(text: &str) -> Loaded {
    load(&files(text), &LoadOptions::default())
}

fn unit<'a>(loaded: &'a Loaded, name: &str) -> &'a Spec {
    let found = loaded.specs.iter().find(|spec| spec.name.as_str() == name);
    found.unwrap_or_else(|| panic!("{name} is not among the specs: {:?}", said(loaded)))
}

fn said(loaded: &Loaded) -> Vec<String> {
    loaded.diagnostics.iter().map(ToString::to_string).collect()
}

fn related(spec: &Spec, kind: RelationKind) -> Vec<&str> {
    spec.related(kind).map(UnitName::as_str).collect()
}

#[test]
fn a_service_with_its_defaults() {
    let loaded = read(
        "==> /etc/systemd/system/web.service
[Unit]
Description=A web server for %H
After=network.target
[Service]
ExecStart=/usr/bin/web --port 80
[Install]
WantedBy=multi-user.target
==> /etc/systemd/system/multi-user.target.wants/web.service -> ../web.service
",
    );
    assert_eq!(said(&loaded), [""; 0]);
    let web = unit(&loaded, "web.service");
    assert_eq!(&*web.description, "A web server for localhost");
    assert_eq!(
        related(web, RelationKind::After),
        ["basic.target", "network.target", "sysinit.target"]
    );
    assert_eq!(related(web, RelationKind::Requires), ["sysinit.target"]);
    assert_eq!(related(web, RelationKind::Before), ["shutdown.target"]);
    let target = unit(&loaded, "multi-user.target");
    assert_eq!(related(target, RelationKind::Wants), ["web.service"]);
    assert!(related(target, RelationKind::After).contains(&"web.service"));
}

#[test]
fn precedence_of_directories_masks_and_dropins() {
    let loaded = read(
        "==> /usr/lib/systemd/system/a.service
[Service]
ExecStart=/usr
==> /etc/systemd/system/a.service
[Service]
ExecStart=/etc
Environment=A=1
==> /usr/lib/systemd/system/a.service.d/20.conf
[Service]
ExecStart=
ExecStart=/dropin
==> /usr/lib/systemd/system/a.service.d/10.conf
[Service]
Environment=A=usr
==> /run/systemd/system/a.service.d/10.conf
[Service]
Environment=A=run
==> /usr/lib/systemd/system/service.d/30.conf
[Service]
Nice=5
==> /usr/lib/systemd/system/service.d/20.conf
[Service]
Nice=7
==> /usr/lib/systemd/system/b.service
[Service]
ExecStart=/b
==> /etc/systemd/system/b.service -> /dev/null
==> /etc/systemd/system/c.service
==> /etc/systemd/system/d-e.service
[Service]
ExecStart=/d
==> /etc/systemd/system/d-.service.d/x.conf
[Service]
User=nobody
==> /etc/systemd/system/service.d/30.conf -> /dev/null
",
    );
    let service = unit(&loaded, "a.service").service().unwrap();
    assert_eq!(service.commands.start.len(), 1);
    assert_eq!(&*service.commands.start[0].program, "/dropin");
    assert_eq!(service.execution.environment, [("A".into(), "run".into())]);
    assert_eq!(service.execution.nice, None, "30.conf is masked, 20.conf is the unit's own");
    let masked: Vec<&str> = loaded.masked.iter().map(UnitName::as_str).collect();
    assert_eq!(masked, ["b.service", "c.service"]);
    let execution = &unit(&loaded, "d-e.service").service().unwrap().execution;
    assert_eq!(execution.user.as_deref(), Some("nobody"));
}

#[test]
fn templates_instances_and_aliases() {
    let loaded = read(
        "==> /lib/systemd/system/web@.service
[Service]
ExecStart=/web %i %I
[Install]
WantedBy=multi-user.target
==> /lib/systemd/system/web@special.service
[Service]
ExecStart=/special
==> /lib/systemd/system/all.target
[Unit]
Wants=web@a-b.service www.service
==> /etc/systemd/system/multi-user.target.wants/web@linked.service -> /lib/systemd/system/web@.service
==> /etc/systemd/system/www.service -> /lib/systemd/system/real.service
==> /lib/systemd/system/real.service
[Service]
ExecStart=/real
==> /lib/systemd/system/www.service.d/user.conf
[Service]
User=www
",
    );
    assert_eq!(said(&loaded), [""; 0]);
    let argument = |name: &str| {
        let service = unit(&loaded, name).service().unwrap();
        format!("{:?}", service.commands.start[0].arguments)
    };
    assert!(argument("web@a-b.service").contains("\"a-b\"), Literal(\"a/b\")"));
    assert!(argument("web@linked.service").contains("linked"));
    assert!(argument("web@special.service").contains("/special"));
    assert!(!loaded.specs.iter().any(|spec| spec.name.is_template()));
    let real = unit(&loaded, "real.service");
    assert_eq!(real.aliases, [UnitName::new("www.service").unwrap()]);
    assert_eq!(real.service().unwrap().execution.user.as_deref(), Some("www"));
    let all = unit(&loaded, "all.target");
    assert_eq!(related(all, RelationKind::Wants), ["real.service", "web@a-b.service"]);
}

#[test]
fn files_in_our_own_directories_are_enabled_by_themselves() {
    let loaded = read(
        "==> /etc/keelson/units/a.service
[Service]
ExecStart=/a
[Install]
WantedBy=multi-user.target
Alias=other.service
==> /etc/keelson/units/b@.service
[Service]
ExecStart=/b %i
[Install]
WantedBy=default.target
DefaultInstance=one
==> /etc/systemd/system/c.service
[Service]
ExecStart=/c
[Install]
WantedBy=multi-user.target
",
    );
    let target = unit(&loaded, "multi-user.target");
    assert_eq!(related(target, RelationKind::Wants), ["a.service", "b@one.service"]);
    assert_eq!(unit(&loaded, "a.service").aliases[0].as_str(), "other.service");
}

#[test]
fn a_broken_file_spares_the_rest() {
    let loaded = read(
        "==> /etc/systemd/system/bad.service
[Service]
ExecStart=/bad
Restart=sometimes
==> /etc/systemd/system/good.service
[Unit]
Requires=bad.service
[Service]
ExecStart=/good
Colour=red
RootImage=/x.raw
==> /etc/systemd/system/fine.service
[Service]
ExecStart=/fine
",
    );
    let broken: Vec<&str> = loaded.broken.iter().map(UnitName::as_str).collect();
    assert_eq!(broken, ["bad.service", "good.service"]);
    unit(&loaded, "fine.service");
    let text = said(&loaded).join("");
    let expected = [
        "error[bad-value]: `Restart=` cannot be `sometimes`",
        "  --> /etc/systemd/system/bad.service:3:9",
        "   |",
        " 3 | Restart=sometimes",
        "   |         ^^^^^^^^^",
    ];
    assert!(text.contains(&expected.join("\n")), "{text}");
    assert!(text.contains("good.service:5:1"), "{text}");
    assert!(text.contains("`RootImage=` is refused"), "{text}");
}

#[test]
fn cycles_are_told_with_their_path() {
    let loaded = read(
        "==> /etc/systemd/system/a.service
[Unit]
After=b.service
[Service]
ExecStart=/a
==> /etc/systemd/system/b.service
[Unit]
Before=c.service
After=c.service
[Service]
ExecStart=/b
==> /etc/systemd/system/c.service
[Unit]
Before=d.service
After=a.service
[Service]
ExecStart=/c
==> /etc/systemd/system/d.service
[Service]
ExecStart=/d
",
    );
    let text = said(&loaded).join("");
    assert!(text.contains("a.service → b.service → c.service → a.service"), "{text}");
    assert_eq!(loaded.specs.iter().filter(|spec| spec.service().is_some()).count(), 4);
}

#[test]
fn timers_sockets_and_mounts_imply_their_order() {
    let loaded = read(
        "==> /etc/systemd/system/a.timer
[Timer]
OnCalendar=daily
==> /etc/systemd/system/a.service
[Unit]
RequiresMountsFor=/data/x
[Service]
Type=oneshot
ExecStart=/a
==> /etc/systemd/system/e.socket
[Socket]
ListenStream=7
Accept=yes
==> /etc/systemd/system/e@.service
[Unit]
Description=%i
[Service]
ExecStart=-/e %i
StandardInput=socket
==> /etc/systemd/system/s.socket
[Socket]
ListenStream=/data/s.sock
==> /etc/systemd/system/s.service
[Service]
ExecStart=/s
==> /etc/systemd/system/data.mount
[Mount]
What=/dev/vdb
Where=/data
",
    );
    assert_eq!(said(&loaded), [""; 0]);
    let timer = unit(&loaded, "a.timer");
    assert!(related(timer, RelationKind::Before).contains(&"a.service"));
    assert!(related(timer, RelationKind::After).contains(&"time-sync.target"));
    let service = unit(&loaded, "a.service");
    assert!(related(service, RelationKind::Requires).contains(&"data.mount"));
    assert_eq!(service.service().unwrap().timeouts.start, None);
    assert!(related(unit(&loaded, "s.socket"), RelationKind::After).contains(&"data.mount"));
    assert!(related(unit(&loaded, "s.socket"), RelationKind::Before).contains(&"s.service"));
    let template = unit(&loaded, "e@.service");
    let Body::Socket(socket) = &unit(&loaded, "e.socket").body else { panic!() };
    assert_eq!(socket.unit, template.name);
}

#[test]
fn what_nothing_can_be_made_of() {
    let loaded = read(
        "==> /etc/systemd/system/x.path
[Path]
PathExists=/x
==> /etc/systemd/system/y.service -> y2.service
==> /etc/systemd/system/y2.service -> y.service
==> /etc/systemd/system/z.service -> z.timer
==> /etc/systemd/system/utf.service
[Service]\nExecStart=/x \u{1}
==> /etc/systemd/system/empty.timer
[Timer]
==> /etc/systemd/system/w.service
[Unit]
Wants=y.service
[Service]
ExecStart=/w
",
    );
    let text = said(&loaded).join("");
    for part in ["no .path units", "go in a circle", "cannot be another name", "has no time"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    unit(&loaded, "w.service");
}

#[test]
fn the_order_of_files_does_not_matter() {
    let mut all = files(
        "==> /etc/systemd/system/b.service
[Service]
ExecStart=/b
==> /etc/systemd/system/a.service
[Unit]
Wants=b.service
[Service]
ExecStart=/a
",
    );
    let forward = load(&all, &LoadOptions::default());
    all.reverse();
    assert_eq!(load(&all, &LoadOptions::default()), forward);
}
