//! The images of the demo and of the tests, made of the distribution's own packages.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::apt::Apt;
use crate::cache::{Cache, part_of};
use crate::debian::{Entry, Tree, closure};
use crate::oci::{Image, Layer, Owner, PackedLayer, digest};
use crate::{Fault, tool};

/// Changes whenever images made by an earlier form of this file must not be used any more.
const EDITION: u32 = 1;

const NGINX_CONF: &str = include_str!("../demo/images/nginx/nginx.conf");
const NGINX_PAGE: &str = include_str!("../demo/images/nginx/index.html");
const REDIS_CONF: &str = include_str!("../demo/images/redis/redis.conf");

/// The user ids that the official images of these programs have, too.
const WWW_DATA: Owner = Owner { uid: 33, gid: 33 };
const REDIS: Owner = Owner { uid: 999, gid: 999 };

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An image that lies in the cache as a layout.
#[derive(Debug, Clone)]
pub struct MadeImage {
    /// Its name on the state disk.
    pub name: &'static str,
    /// The layout.
    pub folder: PathBuf,
}

/// How to make one image.
struct Recipe {
    name: &'static str,
    /// The packages it is made of; the libraries they need come along.
    seeds: &'static [&'static str],
    /// What it takes of them.
    files: &'static [&'static str],
    /// Adds what no package has.
    finish: fn(&mut Layer),
    config: fn() -> Value,
}

const RECIPES: [Recipe; 2] = [
    Recipe {
        name: "nginx",
        seeds: &["nginx-light", "nginx", "nginx-common"],
        files: &["usr/sbin/nginx", "etc/nginx/mime.types"],
        finish: finish_nginx,
        config: nginx_config,
    },
    Recipe {
        name: "redis",
        seeds: &["redis-server", "redis-tools"],
        files: &["usr/bin/redis-server", "usr/bin/redis-cli"],
        finish: finish_redis,
        config: redis_config,
    },
];

/// What every image above the C library begins with.
const BASE_FILES: [&str; 3] = [
    "usr/lib/x86_64-linux-gnu/libc.so.6",
    "usr/lib/x86_64-linux-gnu/libm.so.6",
    "usr/lib/x86_64-linux-gnu/libresolv.so.2",
];

/// Makes the demo's nginx and redis, and the busybox that tests use, unless the cache has them.
///
/// # Errors
/// When a package cannot be fetched or lacks what an image needs.
pub fn images(cache: &Cache) -> Result<Vec<MadeImage>, Fault> {
    let mut images = Vec::new();
    for recipe in &RECIPES {
        images.push(recipe.make(cache)?);
    }
    images.push(busybox(cache)?);
    Ok(images)
}

impl Recipe {
    fn make(&self, cache: &Cache) -> Result<MadeImage, Fault> {
        let packages = Apt::new(cache)
            .fetch(&format!("image-{}", self.name), |apt| closure(apt, self.seeds))?;
        make(cache, self.name, &packages, || {
            let tree = Tree::read(&packages)?;
            let base = base_layer(&tree)?;
            let mut layer = Layer::default();
            for (path, entry) in tree.select(self.files)? {
                if !base.entries.contains_key(&path) {
                    layer.add(&path, entry);
                }
            }
            (self.finish)(&mut layer);
            Ok((vec![base.pack()?, layer.pack()?], (self.config)()))
        })
    }
}

/// A single static program under many names.
fn busybox(cache: &Cache) -> Result<MadeImage, Fault> {
    let packages = busybox_package(cache)?;
    make(cache, "busybox", &packages, || {
        let tree = Tree::read(&packages)?;
        let mut layer = skeleton();
        let program = tree.select(&["usr/bin/busybox"])?;
        for (path, entry) in program {
            layer.add(&path, entry);
        }
        for applet in applets(cache)? {
            layer.add(&format!("usr/bin/{applet}"), Entry::Symlink("busybox".to_owned()));
        }
        Ok((vec![layer.pack()?], json!({ "Env": [PATH], "Cmd": ["/bin/sh"] })))
    })
}

/// A static busybox as a program of the host's, for what tests want to look at in a guest.
///
/// # Errors
/// When its package cannot be fetched or holds none.
pub fn busybox_program(cache: &Cache) -> Result<PathBuf, Fault> {
    let tree = Tree::read(&busybox_package(cache)?)?;
    let Some(Entry::File(_, bytes)) = tree.get("usr/bin/busybox") else {
        return Err(Fault::malformed("busybox-static", "holds no busybox"));
    };
    let program = cache.path("busybox")?;
    if fs::read(&program).is_ok_and(|there| there == *bytes) {
        return Ok(program);
    }
    let part = part_of(&program);
    fs::write(&part, bytes).map_err(Fault::file("write", &part))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&part, mode).map_err(Fault::file("make executable", &part))?;
    fs::rename(&part, &program).map_err(Fault::file("put in place", &program))?;
    Ok(program)
}

fn busybox_package(cache: &Cache) -> Result<Vec<PathBuf>, Fault> {
    Apt::new(cache).fetch("image-busybox", |_| Ok(vec!["busybox-static".to_owned()]))
}

/// The names under which busybox knows itself, asked of itself.
fn applets(cache: &Cache) -> Result<Vec<String>, Fault> {
    let program = busybox_program(cache)?;
    let list = tool::output(std::process::Command::new(&program).arg("--list"))?;
    let list = String::from_utf8_lossy(&list);
    Ok(list.lines().filter(|name| *name != "busybox").map(str::to_owned).collect())
}

/// Makes the layout unless the cache has one of the same packages and the same recipe.
fn make(
    cache: &Cache,
    name: &'static str,
    packages: &[PathBuf],
    build: impl FnOnce() -> Result<(Vec<PackedLayer>, Value), Fault>,
) -> Result<MadeImage, Fault> {
    let folder = cache.path(&format!("images/{name}-{}", key(packages)))?;
    if folder.is_dir() {
        return Ok(MadeImage { name, folder });
    }
    let (layers, config) = build()?;
    let part = part_of(&folder);
    Image { layers: layers.iter().collect(), config }.write(&part)?;
    match fs::rename(&part, &folder) {
        Ok(()) => {}
        // Another process was first with the same thing.
        Err(_) if folder.is_dir() => {
            fs::remove_dir_all(&part).map_err(Fault::file("remove", &part))?;
        }
        Err(error) => return Err(Fault::file("put in place", &folder)(error)),
    }
    Ok(MadeImage { name, folder })
}

/// A short digest of everything an image is made from.
fn key(packages: &[PathBuf]) -> String {
    let mut text = format!("{EDITION}\n{NGINX_CONF}{NGINX_PAGE}{REDIS_CONF}");
    for package in packages {
        text += &package.file_name().unwrap_or_default().to_string_lossy();
        text.push('\n');
    }
    digest(text.as_bytes()).trim_start_matches("sha256:")[..16].to_owned()
}

/// The C library and the folders that every program expects; the same bytes in each image.
fn base_layer(tree: &Tree) -> Result<Layer, Fault> {
    let mut layer = skeleton();
    for (path, entry) in tree.select(&BASE_FILES)? {
        layer.add(&path, entry);
    }
    Ok(layer)
}

fn skeleton() -> Layer {
    let mut layer = Layer::default();
    for (path, mode) in [
        ("dev", 0o755),
        ("etc", 0o755),
        ("proc", 0o555),
        ("root", 0o700),
        ("run", 0o755),
        ("sys", 0o555),
        ("tmp", 0o1777),
        ("usr/bin", 0o755),
        ("usr/lib", 0o755),
        ("usr/lib64", 0o755),
        ("usr/sbin", 0o755),
        ("var/tmp", 0o1777),
    ] {
        layer.add(path, Entry::Directory(mode));
    }
    for folder in ["bin", "sbin", "lib", "lib64"] {
        layer.add(folder, Entry::Symlink(format!("usr/{folder}")));
    }
    add_accounts(&mut layer, "", "");
    add_text(&mut layer, "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
    layer
}

fn add_accounts(layer: &mut Layer, users: &str, groups: &str) {
    let passwd =
        format!("root:x:0:0:root:/root:/bin/sh\n{users}nobody:x:65534:65534::/:/bin/false\n");
    let group = format!("root:x:0:\n{groups}nogroup:x:65534:\n");
    add_text(layer, "etc/passwd", &passwd);
    add_text(layer, "etc/group", &group);
}

fn add_text(layer: &mut Layer, path: &str, text: &str) {
    layer.add(path, Entry::File(0o644, text.as_bytes().to_vec()));
}

fn finish_nginx(layer: &mut Layer) {
    let Owner { uid, gid } = WWW_DATA;
    add_accounts(
        layer,
        &format!("www-data:x:{uid}:{gid}::/var/www:/bin/false\n"),
        &format!("www-data:x:{gid}:\n"),
    );
    add_text(layer, "etc/nginx/nginx.conf", NGINX_CONF);
    add_text(layer, "usr/share/nginx/html/index.html", NGINX_PAGE);
    // nginx opens its compiled-in log before it has read its configuration.
    layer.add("var/log/nginx", Entry::Directory(0o755));
    layer.add("var/lib/nginx", Entry::Directory(0o755));
}

fn nginx_config() -> Value {
    json!({
        "Env": [PATH],
        "Entrypoint": ["/usr/sbin/nginx"],
        "Cmd": ["-e", "stderr", "-c", "/etc/nginx/nginx.conf"],
        "WorkingDir": "/",
        "ExposedPorts": { "80/tcp": {} },
        "StopSignal": "SIGQUIT",
    })
}

fn finish_redis(layer: &mut Layer) {
    let Owner { uid, gid } = REDIS;
    add_accounts(
        layer,
        &format!("redis:x:{uid}:{gid}::/data:/bin/false\n"),
        &format!("redis:x:{gid}:\n"),
    );
    add_text(layer, "etc/redis/redis.conf", REDIS_CONF);
    layer.add_owned("data", Entry::Directory(0o750), REDIS);
}

fn redis_config() -> Value {
    json!({
        "User": "redis",
        "Env": [PATH],
        "Entrypoint": ["/usr/bin/redis-server"],
        "Cmd": ["/etc/redis/redis.conf"],
        "WorkingDir": "/data",
        "ExposedPorts": { "6379/tcp": {} },
        "Volumes": { "/data": {} },
    })
}
