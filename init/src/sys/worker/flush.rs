//! Writes to the state partition what is only in the log memory.
//!
//! The disk itself says how far it is: what a source's last segment ends with. So a worker that was
//! killed half-way, a torn write or a lost answer costs nothing but looking again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::io::Errno;

use crate::limits::{LOG_SEGMENT_BYTES_MAX, LOG_SEGMENT_BYTES_MIN, LOG_SEGMENTS_PER_SOURCE};
use crate::logs::block::{BLOCK_HEAD_BYTES, BlockView, tail};
use crate::logs::layout::BLOCK_BYTES;
use crate::logs::segment::{self, SEGMENT_HEAD_BYTES, SegmentHead};
use crate::logs::snapshot::{Snapshot, SnapshotSource};
use crate::paths::STATE_LOGS;
use crate::sys::workers::TARGET_DESCRIPTOR;
use crate::work::{FlushReply, FlushRequest, decode, encode};

/// The worker.
#[must_use]
pub fn main() -> ExitCode {
    let request = super::request().ok();
    let Some(request) = request.and_then(|bytes| decode::<FlushRequest>(&bytes).ok()) else {
        return super::fail("unreadable request");
    };
    if !crate::sys::state::is_present() {
        return super::answer(&encode(&FlushReply::default()));
    }
    match read_memory(&request) {
        Ok(snapshot) => {
            let reply = Disk::new(Path::new(STATE_LOGS), &request).write(&snapshot, &request);
            super::answer(&encode(&reply))
        }
        Err(error) => super::fail(&format!("cannot read the log memory: {error}")),
    }
}

fn read_memory(request: &FlushRequest) -> io::Result<Snapshot> {
    let memory = File::open(format!("/proc/self/fd/{TARGET_DESCRIPTOR}"))?;
    let read_at = |at: u64, into: &mut [u8]| memory.read_exact_at(into, at);
    Snapshot::take(&read_at, |name, end_record| {
        request.sources.iter().any(|(source, from)| &**source == name && end_record > *from)
    })
}

/// The logs on a disk.
struct Disk<'a> {
    base: &'a Path,
    segment_bytes_max: u64,
    unit_bytes_max: u64,
    all_bytes_max: u64,
    durable: bool,
    dropped_segments: u32,
}

/// One segment file.
#[derive(Debug, Clone)]
struct Segment {
    path: PathBuf,
    number: u64,
    bytes: u64,
}

impl<'a> Disk<'a> {
    fn new(base: &'a Path, request: &FlushRequest) -> Disk<'a> {
        let share = request.unit_bytes_max / LOG_SEGMENTS_PER_SOURCE;
        Disk {
            base,
            segment_bytes_max: share.clamp(LOG_SEGMENT_BYTES_MIN, LOG_SEGMENT_BYTES_MAX),
            unit_bytes_max: request.unit_bytes_max,
            all_bytes_max: request.all_bytes_max,
            durable: request.durable,
            dropped_segments: 0,
        }
    }

    fn write(mut self, snapshot: &Snapshot, request: &FlushRequest) -> FlushReply {
        let mut reply = FlushReply { has_disk: true, ..FlushReply::default() };
        for (name, from) in &request.sources {
            let Some(source) = snapshot.sources.get(&**name) else { continue };
            match self.write_source(snapshot.boot_id, name, *from, source) {
                Ok(end) => reply.flushed.push((name.clone(), end)),
                Err(error) => {
                    reply.complaint = Some(format!("{name}: {error}").into());
                }
            }
        }
        if let Err(error) = self.keep_quotas() {
            reply.complaint.get_or_insert_with(|| error.to_string().into());
        }
        reply.dropped_segments = self.dropped_segments;
        reply
    }

    /// Appends a source's new records; gives the number after the last one that is on the disk.
    fn write_source(
        &mut self,
        boot_id: [u8; 32],
        name: &str,
        from: u64,
        source: &SnapshotSource,
    ) -> io::Result<u64> {
        let directory = self.base.join(name);
        fs::DirBuilder::new().recursive(true).mode(0o750).create(&directory)?;
        let last = segments(&directory)?.pop();
        let mut writer = match &last {
            Some(segment) => Writer::resume(segment, boot_id)?,
            None => None,
        };
        let mut next_number = last.map_or(1, |segment| segment.number + 1);
        let mut end = writer.as_ref().and_then(|writer| writer.end_record).unwrap_or(0).max(from);
        for view in source.views().filter(|view| view.end_record() > from) {
            if view.end_record() <= end {
                continue;
            }
            let block = tail(&view, end);
            if writer.as_ref().is_none_or(|writer| writer.bytes() >= self.segment_bytes_max) {
                self.finish(writer.take())?;
                let head = SegmentHead {
                    boot_id,
                    first_unix_us: first_time(&view, end),
                    source: name.to_owned(),
                };
                let path = directory.join(segment::file_name(next_number));
                writer = Some(Writer::create(&path, &head)?);
                next_number += 1;
            }
            if let Some(writer) = &mut writer {
                writer.pending.extend(block);
            }
            end = view.end_record();
        }
        self.finish(writer)?;
        Ok(end)
    }

    /// Writes what is pending. On a full disk older segments give way, first of whoever has the most.
    fn finish(&mut self, writer: Option<Writer>) -> io::Result<()> {
        let Some(mut writer) = writer else { return Ok(()) };
        loop {
            match writer.flush(self.durable) {
                Err(error) if is_full(&error) => {
                    if !self.drop_one(Some(&writer.path))? {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
    }

    /// Drops old segments until every quota is kept.
    fn keep_quotas(&mut self) -> io::Result<()> {
        let mut all: u64 = 0;
        for directory in directories(self.base)? {
            let mut segments = segments(&directory)?;
            let mut bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
            while bytes > self.unit_bytes_max && segments.len() > 1 {
                let oldest = segments.remove(0);
                self.drop_segment(&oldest)?;
                bytes -= oldest.bytes;
            }
            all += bytes;
        }
        while all > self.all_bytes_max {
            let before = all;
            if !self.drop_one(None)? {
                break;
            }
            all = total(self.base)?;
            if all >= before {
                break;
            }
        }
        Ok(())
    }

    /// Drops the oldest segment of whoever has the most; `false` if there is none to drop.
    fn drop_one(&mut self, spared: Option<&Path>) -> io::Result<bool> {
        let mut heaviest: Option<(u64, Segment)> = None;
        for directory in directories(self.base)? {
            let segments = segments(&directory)?;
            let bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
            let oldest = segments.into_iter().find(|s| spared != Some(s.path.as_path()));
            let Some(oldest) = oldest else { continue };
            if heaviest.as_ref().is_none_or(|(most, _)| bytes > *most) {
                heaviest = Some((bytes, oldest));
            }
        }
        match heaviest {
            Some((_, segment)) => self.drop_segment(&segment).map(|()| true),
            None => Ok(false),
        }
    }

    fn drop_segment(&mut self, segment: &Segment) -> io::Result<()> {
        fs::remove_file(&segment.path)?;
        self.dropped_segments += 1;
        Ok(())
    }
}

/// A segment that is being appended to.
struct Writer {
    file: File,
    path: PathBuf,
    /// Where its whole blocks end.
    at: u64,
    end_record: Option<u64>,
    pending: Vec<u8>,
}

impl Writer {
    fn create(path: &Path, head: &SegmentHead) -> io::Result<Writer> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o640).open(path)?;
        let pending = head.encode().to_vec();
        Ok(Writer { file, path: path.to_owned(), at: 0, end_record: None, pending })
    }

    /// Goes on with a segment, if it is of this boot. What is torn at its end is overwritten.
    fn resume(segment: &Segment, boot_id: [u8; 32]) -> io::Result<Option<Writer>> {
        let mut file = OpenOptions::new().read(true).write(true).open(&segment.path)?;
        let mut head = vec![0; SEGMENT_HEAD_BYTES];
        let head_read = file.read_exact(&mut head).is_ok();
        if !head_read || SegmentHead::parse(&head).is_none_or(|head| head.boot_id != boot_id) {
            return Ok(None);
        }
        let (at, end_record) = find_end(&mut file, segment.bytes)?;
        file.set_len(at)?;
        let path = segment.path.clone();
        Ok(Some(Writer { file, path, at, end_record, pending: Vec::new() }))
    }

    fn bytes(&self) -> u64 {
        self.at + self.pending.len() as u64
    }

    /// Writes all that is pending, or nothing.
    fn flush(&mut self, durable: bool) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.file.seek(SeekFrom::Start(self.at))?;
        if let Err(error) = self.file.write_all(&self.pending) {
            // Half a block is no use; a failure to cut it off shows when it is read.
            let _ = self.file.set_len(self.at);
            return Err(error);
        }
        self.at += self.pending.len() as u64;
        self.pending.clear();
        if durable { self.file.sync_data() } else { Ok(()) }
    }
}

/// Where a segment's whole blocks end: the last block is looked for near the end, and only if it
/// is not whole the segment is read from its beginning.
fn find_end(file: &mut File, bytes: u64) -> io::Result<(u64, Option<u64>)> {
    let near = (2 * BLOCK_BYTES as u64).min(bytes.saturating_sub(SEGMENT_HEAD_BYTES as u64));
    let mut last = vec![0; usize::try_from(near).map_err(io::Error::other)?];
    file.seek(SeekFrom::Start(bytes - near))?;
    file.read_exact(&mut last)?;
    for at in (0..last.len().saturating_sub(BLOCK_HEAD_BYTES - 1)).rev() {
        let whole = BlockView::parse(&last[at..]).filter(|view| at + view.bytes() == last.len());
        if let Some(view) = whole {
            return Ok((bytes, Some(view.end_record())));
        }
    }
    let mut all = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut all)?;
    let (end, end_record) = segment::end(&all);
    Ok((end as u64, end_record))
}

/// The segments of one source, oldest first.
fn segments(directory: &Path) -> io::Result<Vec<Segment>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Some(number) = entry.file_name().to_str().and_then(segment::number) else { continue };
        found.push(Segment { path: entry.path(), number, bytes: entry.metadata()?.len() });
    }
    found.sort_by_key(|segment| segment.number);
    Ok(found)
}

fn directories(base: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(base)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn total(base: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for directory in directories(base)? {
        bytes += segments(&directory)?.iter().map(|segment| segment.bytes).sum::<u64>();
    }
    Ok(bytes)
}

fn is_full(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOSPC | Errno::DQUOT))
}

/// When the first record of a block that is to be written was read.
fn first_time(view: &BlockView<'_>, from: u64) -> i64 {
    let first = view.records().find(|record| record.number >= from);
    first.map_or(view.head.base_unix_us, |record| record.unix_us)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::merge::{Item, SourceCursor};
    use crate::logs::snapshot::read_slice;
    use crate::logs::{LogStore, Stream};

    fn scratch(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("keelson-flush-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn request(store: &LogStore) -> FlushRequest {
        FlushRequest {
            sources: store.sources().map(|s| (s.name.into(), s.counters.flushed)).collect(),
            unit_bytes_max: 1 << 20,
            all_bytes_max: 4 << 20,
            durable: false,
        }
    }

    fn flush_with(store: &mut LogStore, base: &Path, request: &FlushRequest) -> FlushReply {
        let arena = store.arena().to_vec();
        let snapshot =
            Snapshot::take(&|at, into| read_slice(&arena, at, into), |_, _| true).unwrap();
        let reply = Disk::new(base, request).write(&snapshot, request);
        for (name, end) in &reply.flushed {
            store.set_flushed(name, *end);
        }
        reply
    }

    fn flush(store: &mut LogStore, base: &Path) -> FlushReply {
        let request = request(store);
        flush_with(store, base, &request)
    }

    /// All lines on the disk, with gaps as `-N`.
    fn read_back(base: &Path, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut cursor = SourceCursor::default();
        let mut into = |item| match item {
            Item::Line(line) => found.push(String::from_utf8(line.text).unwrap()),
            Item::Gap { lines, .. } => found.push(format!("-{lines}")),
        };
        for file in segments(&base.join(name)).unwrap() {
            let bytes = fs::read(&file.path).unwrap();
            for (_, view) in segment::blocks(&bytes) {
                cursor.push(&view, &mut into);
            }
        }
        cursor.give_up(&mut into);
        found
    }

    #[test]
    fn portions_on_the_disk_are_the_whole() {
        let base = scratch("portions");
        let mut store = LogStore::new(64 << 10, &[b'1'; 32]);
        let mut expected = Vec::new();
        for n in 0..500 {
            let line = format!("line {n}");
            store.append("a.service", Stream::Stdout, n, format!("{line}\n").as_bytes());
            expected.push(line);
            if n % 7 == 0 {
                assert_eq!(flush(&mut store, &base).complaint, None);
            }
        }
        flush(&mut store, &base);
        assert_eq!(read_back(&base, "a.service"), expected);
        // An answer that was lost, or a worker that was killed: nothing is written twice.
        let before = total(&base).unwrap();
        let again = FlushRequest { sources: vec![("a.service".into(), 0)], ..request(&store) };
        flush_with(&mut store, &base, &again);
        assert_eq!(total(&base).unwrap(), before);
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn a_torn_end_is_cut_off_and_written_again() {
        let base = scratch("torn");
        let mut store = LogStore::new(64 << 10, &[b'1'; 32]);
        let mut last = 0;
        for round in 0..40_u64 {
            store.append("a.service", Stream::Stdout, 0, format!("round {round}\n").as_bytes());
            flush(&mut store, &base);
            let file = segments(&base.join("a.service")).unwrap().pop().unwrap();
            let kept = file.bytes - (round * 5 % (file.bytes - last + 30)).min(file.bytes - 320);
            OpenOptions::new().write(true).open(&file.path).unwrap().set_len(kept).unwrap();
            last = kept;
            // PID 1 asks from where it believes to be; the disk knows better.
            let again = FlushRequest { sources: vec![("a.service".into(), 0)], ..request(&store) };
            flush_with(&mut store, &base, &again);
        }
        let expected: Vec<String> = (0..40).map(|round| format!("round {round}")).collect();
        assert_eq!(read_back(&base, "a.service"), expected);
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn quotas_take_the_oldest_of_the_heaviest() {
        let base = scratch("quota");
        let mut store = LogStore::new(256 << 10, &[b'1'; 32]);
        store.append("quiet.service", Stream::Stdout, 0, b"keep me\n");
        for n in 0..40_000 {
            store.append(
                "chatty.service",
                Stream::Stdout,
                n,
                format!("chatter {n:06}\n").as_bytes(),
            );
            if n % 2_000 == 0 {
                let limits = FlushRequest {
                    unit_bytes_max: 300 << 10,
                    all_bytes_max: 280 << 10,
                    ..request(&store)
                };
                assert_eq!(flush_with(&mut store, &base, &limits).complaint, None);
            }
        }
        assert!(total(&base).unwrap() <= 280 << 10);
        assert_eq!(read_back(&base, "quiet.service"), ["keep me"]);
        let kept = read_back(&base, "chatty.service");
        assert!(kept.len() > 1000 && !kept.iter().any(|line| line.starts_with('-')));
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn another_boot_begins_another_segment() {
        let base = scratch("boots");
        for boot in [b'1', b'2'] {
            let mut store = LogStore::new(64 << 10, &[boot; 32]);
            store.append("a.service", Stream::Stdout, 0, &[boot, b'\n']);
            flush(&mut store, &base);
        }
        assert_eq!(segments(&base.join("a.service")).unwrap().len(), 2);
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn lines_lost_before_they_were_written_are_counted_on_the_disk() {
        let base = scratch("lost");
        let mut store = LogStore::new(16 << 10, &[b'1'; 32]);
        store.append("a.service", Stream::Stdout, 0, b"first\n");
        flush(&mut store, &base);
        for n in 0..2_000 {
            store.append("a.service", Stream::Stdout, n, format!("line {n}\n").as_bytes());
        }
        flush(&mut store, &base);
        let kept = read_back(&base, "a.service");
        let lost: u64 = kept[1].strip_prefix('-').unwrap().parse().unwrap();
        assert_eq!(lost + kept.len() as u64 - 2, 2_000);
        assert_eq!(lost, store.lost_lines());
        fs::remove_dir_all(base).unwrap();
    }

    /// Needs root: a small file system of its own.
    #[test]
    fn a_full_disk_is_survived() {
        let base = scratch("full");
        let options = format!("size={}", 256 << 10);
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "none"])
            .arg(&base)
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            eprintln!("skipped: cannot mount");
            return;
        }
        let mut store = LogStore::new(128 << 10, &[b'1'; 32]);
        for n in 0..60_000 {
            store.append("a.service", Stream::Stdout, n, format!("line {n:06}\n").as_bytes());
            if n % 2_000 == 1_999 {
                let reply = flush(&mut store, &base);
                assert_eq!(reply.complaint, None);
            }
        }
        let kept = read_back(&base, "a.service");
        assert_eq!(kept.last().unwrap(), "line 059999");
        // Somebody else takes the rest of the disk: what was written stays, and the complaint says it.
        let mut hog = File::create(base.join("hog")).unwrap();
        while hog.write_all(&[0; 4096]).is_ok() {}
        let reply = loop {
            store.append("a.service", Stream::Stdout, 0, &[b'\n'; 3000]);
            let reply = flush(&mut store, &base);
            while hog.write_all(&[0; 4096]).is_ok() {}
            if reply.complaint.is_some() {
                break reply;
            }
        };
        assert!(reply.complaint.unwrap().contains("a.service"));
        drop(hog);
        std::process::Command::new("umount").arg(&base).status().unwrap();
        fs::remove_dir_all(base).unwrap();
    }
}
