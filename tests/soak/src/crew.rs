//! The producers as processes: who they are, how they are started, stopped, killed and ended.
//!
//! Some live from beginning to end and are watched; the mortal ones are killed and replaced by others. Each is the leader
//! of a process group, so that the children of one that was killed can be found and waited for.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::random::Random;

/// How long a producer may take to flush, close and end once the network is good.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often is looked whether a process has ended.
const LOOK: Duration = Duration::from_millis(50);

/// What kinds there are: the name's beginning, what it does, how many live to the end, how many are mortal.
const ROSTER: [(&str, Kind, usize, usize); 3] = [
    ("steady", Kind::Python("steady"), 2, 1),
    ("forking", Kind::Python("forking"), 1, 1),
    ("rust", Kind::Rust, 1, 1),
];

/// What a producer is told beside where the store is. Each says that the store answers: to find out would take two
/// seconds of silence for an answer, and a stall is not what a silent server is.
const OPTIONS: [&str; 3] = [
    "server=opentsdb&answer_timeout=3s&backoff=20ms..1s",
    "server=opentsdb&connections=2&backoff=50ms..2s",
    "server=opentsdb&window_bytes=64KiB&answer_timeout=4s&backoff=20ms..500ms&linger=0",
];

#[derive(Clone, Copy)]
enum Kind {
    Python(&'static str),
    Rust,
}

pub(crate) struct Crew {
    folder: PathBuf,
    url: String,
    members: Vec<Member>,
    started: u64,
    killed: u64,
    terminated: u64,
    groups: Vec<Pid>,
    troubles: Vec<String>,
}

struct Member {
    name: String,
    kind: Kind,
    mortal: bool,
    process: Child,
}

impl Crew {
    pub(crate) fn start(folder: &Path, url: &str, random: &mut Random) -> anyhow::Result<Crew> {
        let mut crew = Crew {
            folder: folder.to_owned(),
            url: url.to_owned(),
            members: Vec::new(),
            started: 0,
            killed: 0,
            terminated: 0,
            groups: Vec::new(),
            troubles: Vec::new(),
        };
        for (beginning, kind, lasting, mortal) in ROSTER {
            for number in 0..lasting + mortal {
                let member = crew.spawn(beginning, kind, number >= lasting, random)?;
                crew.members.push(member);
            }
        }
        Ok(crew)
    }

    fn spawn(&mut self, beginning: &str, kind: Kind, mortal: bool, random: &mut Random) -> anyhow::Result<Member> {
        let name = format!("{beginning}{}", self.started);
        self.started += 1;
        let options = OPTIONS[usize::try_from(random.below(OPTIONS.len() as u64))?];
        let url = format!("{}?queue_points=0&{options}", self.url);
        let mut command = match kind {
            Kind::Python(role) => {
                let python = std::env::var_os("POTSDB_PYTHON").context("POTSDB_PYTHON says which interpreter")?;
                let mut command = Command::new(python);
                command.args(["-W", "ignore::DeprecationWarning"]);
                command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/producer.py"));
                command
                    .arg(&self.folder)
                    .args([&name, &url, &random.below(1 << 30).to_string()]);
                command.arg(role);
                command
            }
            Kind::Rust => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("produce").arg(&self.folder).args([&name, &url]);
                command
            }
        };
        let log = File::create(self.folder.join(format!("{name}.log")))?;
        let process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()?;
        self.groups.push(Pid::from_child(&process));
        Ok(Member {
            name,
            kind,
            mortal,
            process,
        })
    }

    /// Those that live to the end: name and process.
    pub(crate) fn watched(&self) -> impl Iterator<Item = (&str, u32)> {
        let lasting = self.members.iter().filter(|member| !member.mortal);
        lasting.map(|member| (member.name.as_str(), member.process.id()))
    }

    /// Kills one of the mortal ones, its children too or not, and puts another in its place.
    pub(crate) fn kill_one(&mut self, random: &mut Random) -> anyhow::Result<()> {
        let index = self.mortal(random, |_| true);
        let pid = Pid::from_child(&self.members[index].process);
        match random.below(2) {
            0 => kill_process(pid, Signal::KILL)?,
            _ => kill_process_group(pid, Signal::KILL)?,
        }
        self.members[index].process.wait()?;
        self.killed += 1;
        self.replace(index, random)
    }

    /// Ends one of the mortal ones by SIGTERM, which it has turned into `sys.exit`, and puts another in its place.
    pub(crate) fn terminate_one(&mut self, random: &mut Random) -> anyhow::Result<()> {
        let index = self.mortal(random, |kind| matches!(kind, Kind::Python(_)));
        let member = &mut self.members[index];
        kill_process(Pid::from_child(&member.process), Signal::TERM)?;
        let deadline = Instant::now() + PATIENCE;
        match ended(&mut member.process, deadline)? {
            Some(true) => self.terminated += 1,
            Some(false) => self
                .troubles
                .push(format!("{} did not end well by SIGTERM", member.name)),
            None => self
                .troubles
                .push(format!("{} did not end by SIGTERM within {PATIENCE:?}", member.name)),
        }
        let _ = self.members[index].process.kill();
        let _ = self.members[index].process.wait();
        self.replace(index, random)
    }

    /// Stops a producer where it is, or lets all go on.
    pub(crate) fn freeze_one(&mut self, random: &mut Random) -> anyhow::Result<()> {
        let index = usize::try_from(random.below(self.members.len() as u64))?;
        Ok(kill_process(
            Pid::from_child(&self.members[index].process),
            Signal::STOP,
        )?)
    }

    pub(crate) fn thaw(&self) -> anyhow::Result<()> {
        for member in &self.members {
            kill_process(Pid::from_child(&member.process), Signal::CONT)?;
        }
        Ok(())
    }

    fn mortal(&self, random: &mut Random, wanted: impl Fn(Kind) -> bool) -> usize {
        let all = self.members.iter().enumerate();
        let mortal: Vec<usize> = all
            .filter(|(_, member)| member.mortal && wanted(member.kind))
            .map(|(index, _)| index)
            .collect();
        mortal[random.below(mortal.len() as u64) as usize]
    }

    fn replace(&mut self, index: usize, random: &mut Random) -> anyhow::Result<()> {
        let kind = self.members[index].kind;
        let (beginning, ..) = ROSTER[index_of(kind)];
        self.members[index] = self.spawn(beginning, kind, true, random)?;
        Ok(())
    }

    /// Lets everybody end in good order; what went wrong.
    pub(crate) fn end(&mut self) -> Vec<String> {
        for member in &mut self.members {
            if let Some(mut input) = member.process.stdin.take() {
                // Who has ended already says so below.
                let _ = input.write_all(b"end\n");
            }
        }
        let deadline = Instant::now() + PATIENCE;
        for member in &mut self.members {
            match ended(&mut member.process, deadline) {
                Ok(Some(true)) => {}
                Ok(Some(false)) => self.troubles.push(format!("{} did not end well", member.name)),
                _ => self
                    .troubles
                    .push(format!("{} did not end within {PATIENCE:?}", member.name)),
            }
            let _ = member.process.kill();
            let _ = member.process.wait();
        }
        while !orphans(&self.groups).is_empty() {
            if Instant::now() >= deadline {
                self.troubles
                    .push(format!("{} children did not end", orphans(&self.groups).len()));
                for &group in &self.groups {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                break;
            }
            thread::park_timeout(LOOK);
        }
        self.read_logs();
        std::mem::take(&mut self.troubles)
    }

    /// An exception or a panic in any process is a trouble, whatever its status was.
    fn read_logs(&mut self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                let text = fs::read_to_string(&path).unwrap_or_default();
                if let Some(line) = text
                    .lines()
                    .find(|line| line.contains("Traceback") || line.contains("panicked"))
                {
                    let name = path.file_stem().unwrap_or_default().display();
                    let last = text.lines().last().unwrap_or_default();
                    self.troubles.push(format!("{name} said: {line} {last}"));
                }
            }
        }
    }

    pub(crate) fn words(&self) -> String {
        format!(
            "{} producers started, {} killed, {} ended by SIGTERM",
            self.started, self.killed, self.terminated
        )
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.process.kill();
            let _ = member.process.wait();
        }
    }
}

fn index_of(kind: Kind) -> usize {
    match kind {
        Kind::Python("steady") => 0,
        Kind::Python(_) => 1,
        Kind::Rust => 2,
    }
}

/// Waits for a process's end; whether it was a good one, and `None` at the deadline.
fn ended(process: &mut Child, deadline: Instant) -> anyhow::Result<Option<bool>> {
    loop {
        if let Some(status) = process.try_wait()? {
            return Ok(Some(status.success()));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::park_timeout(LOOK);
    }
}

/// Processes of these groups that still run: children of producers that are gone.
fn orphans(groups: &[Pid]) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| fs::read_to_string(process.path().join("stat")).ok())
        .filter(|stat| {
            // pid (name) state parent group: the name may hold blanks and brackets.
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            let group = fields
                .get(2)
                .and_then(|group| group.parse().ok())
                .and_then(Pid::from_raw);
            fields.first() != Some(&"Z") && group.is_some_and(|group| groups.contains(&group))
        })
        .collect()
}
