//! The spool on a real file system: what only that shows.

#![cfg(unix)]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use potsdb_spool::disk::unix::Folder;
use potsdb_spool::disk::{Entry, Folder as _, Kind};
use potsdb_spool::store::{Moment, Store};
use potsdb_spool::{Full, Lines, Options, Spool};

const CHILD: &str = "POTSDB_SPOOL_LOCK";

/// A folder of a test's own, which goes with it.
struct Temp(PathBuf);

impl Temp {
    fn new(test: &str) -> Temp {
        let path = std::env::temp_dir().join(format!("potsdb-spool-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Temp(path)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn spool(path: &Path, options: Options) -> Spool<Folder> {
    let path = path.to_owned();
    Spool::open(
        Box::new(move || Folder::at(&path)),
        "store",
        "test",
        options,
        Moment::default(),
    )
    .unwrap()
}

fn lines(points: usize) -> Lines {
    Lines::new("put m 1767225600 1 a=b\n".repeat(points), 0)
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// Bytes on disk below a folder, as `du` counts them.
fn bytes(folder: &Folder) -> u64 {
    let below = |entry: &Entry| match entry.kind {
        Kind::Folder => bytes(&folder.folder(&entry.name).unwrap()),
        _ => entry.bytes,
    };
    folder.list().unwrap().iter().map(below).sum()
}

#[test]
fn folders_and_files_are_the_users_own() {
    let temp = Temp::new("modes");
    let root = temp.0.join("spool");
    let options = Options {
        // Whatever is free here.
        spool_free: Some(0),
        ..Options::default()
    };
    let mut spool = spool(&root, options);
    spool.append(Moment::default(), lines(1)).unwrap();
    spool.sync(Moment::default());
    let slot = root.join("store/0");
    assert_eq!((mode(&root), mode(&slot)), (0o700, 0o700));
    assert_eq!(mode(&slot.join("00000000000000000000.spool")), 0o600);
    assert_eq!(mode(&slot.join("lock")), 0o600);
}

#[test]
fn a_folder_that_others_can_write_and_a_link_are_refused() {
    let temp = Temp::new("refused");
    let open = temp.0.join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o777)).unwrap();
    assert!(Folder::at(&open).is_err());
    let link = temp.0.join("link");
    symlink(&temp.0, &link).unwrap();
    assert!(Folder::at(&link).is_err());
    let root = Folder::at(&temp.0.join("spool")).unwrap();
    symlink("/etc/hostname", temp.0.join("spool/acked")).unwrap();
    assert!(root.open("acked").is_err(), "no link is followed inside either");
}

#[test]
fn e6_19_20_a_lock_is_held_against_the_process_itself_and_others() {
    if let Some(path) = std::env::var_os(CHILD) {
        let free = Folder::at(Path::new(&path)).unwrap().lock("lock").unwrap().is_some();
        std::process::exit(if free { 0 } else { 3 });
    }
    let temp = Temp::new("lock");
    let path = temp.0.join("spool");
    let root = Folder::at(&path).unwrap();
    let other = || {
        let status = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "e6_19_20_a_lock_is_held_against_the_process_itself_and_others",
            ])
            .env(CHILD, &path)
            .stdout(Stdio::null())
            .status();
        status.unwrap().code()
    };
    let lock = root.lock("lock").unwrap().unwrap();
    assert!(root.lock("lock").unwrap().is_none(), "by this process");
    assert_eq!(other(), Some(3), "and asking did not release it");
    drop(lock);
    assert_eq!(other(), Some(0));
    assert!(root.lock("lock").unwrap().is_some());
}

#[test]
fn e6_15_the_cap_holds_for_bytes_as_the_file_system_counts_them() {
    let temp = Temp::new("cap");
    let path = temp.0.join("spool");
    let cap = 2 << 20;
    let options = Options {
        spool_bytes: cap,
        spool_free: Some(0),
        full: Full::DropOldest,
        ..Options::default()
    };
    let mut spool = spool(&path, options);
    let root = Folder::at(&path).unwrap();
    for _ in 0..60 {
        spool.append(Moment::default(), lines(2_500)).unwrap();
        let used = bytes(&root.folder("store").unwrap());
        assert!(used <= cap, "{used} bytes");
    }
    spool.close(Moment::default());
}

/// `POTSDB_BACKLOG` makes it ten gigabytes; a hundred megabytes unless said.
#[test]
fn e6_17_a_start_does_not_depend_on_the_backlog() {
    let temp = Temp::new("backlog");
    let segments = if std::env::var_os("POTSDB_BACKLOG").is_some() {
        1_250
    } else {
        12
    };
    let options = Options {
        spool_bytes: 64 << 30,
        spool_free: Some(0),
        // The test is not about syncs.
        spool_sync: Duration::from_secs(3_600),
        ..Options::default()
    };
    let mut first = spool(&temp.0.join("spool"), options.clone());
    let lines = lines(400);
    let count = segments * (8 << 20) / 9_240;
    for _ in 0..count {
        first.append(Moment::default(), lines.clone()).unwrap();
    }
    first.close(Moment::default());
    let began = std::time::Instant::now();
    let second = spool(&temp.0.join("spool"), options);
    let took = began.elapsed();
    let stats = second.stats(second.own()).unwrap();
    assert_eq!(stats.points, 400 * count);
    assert!(
        took < Duration::from_secs(1),
        "{took:?} for {} segments",
        stats.segments
    );
}

/// The figures of a disk: `cargo test --release -p potsdb-spool --test real -- --ignored --nocapture figures`.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "what is measured")]
fn figures() {
    let block = Lines::new(
        "put web.requests 1767225600 1 path=/login host=web-1\n".repeat(1_236),
        0,
    );
    for (what, every) in [
        ("synced each second or 4 MiB", true),
        ("not synced by the spool", false),
    ] {
        let temp = Temp::new("figures");
        let root = Folder::at(&temp.0.join("spool")).unwrap();
        let (above, folder) = (
            root.folder("store").unwrap(),
            root.folder("store").unwrap().folder("0").unwrap(),
        );
        let options = Options {
            spool_free: Some(0),
            segment_bytes: if every { 8 << 20 } else { 1 << 30 },
            spool_bytes: if every { 1 << 30 } else { 1 << 40 },
            ..Options::default()
        };
        let mut store = Store::open(folder, above, "store", options, Moment::default()).unwrap();
        let (began, mut bytes) = (std::time::Instant::now(), 0);
        while began.elapsed() < Duration::from_secs(5) && bytes < 900 << 20 {
            let now = Moment {
                mono: began.elapsed(),
                wall: 0,
            };
            if store.append(now, block.clone()).is_ok() {
                bytes += (*block.payload).as_ref().len();
            }
            if every {
                store.tick(now);
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        let (mb, syncs) = (bytes as f64 / 1e6, store.stats().syncs);
        eprintln!(
            "{what}: {:.0} MB/s, {mb:.0} MB in {seconds:.1} s, {syncs} syncs",
            mb / seconds
        );
    }
}
