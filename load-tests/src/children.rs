//! Processes that end when this one does, however it ends.

use std::{
    fs, io,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// A process group for what this process starts, and for what that starts in turn. All of it is
/// killed when this is dropped, and when this process ends without dropping anything, by SIGKILL.
pub struct Children {
    /// The first of the group. It waits for its standard input to end: the kernel closes it when
    /// nobody else can.
    watcher: Child,
}

impl Children {
    /// A group with nobody in it yet.
    pub fn new() -> io::Result<Self> {
        let mut watcher = Command::new("sh");
        watcher.args(["-c", "trap '' HUP INT TERM; read -r _; kill -KILL 0"]);
        watcher.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
        Ok(Self { watcher: watcher.spawn()? })
    }

    /// Starts a process in the group.
    pub fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        // A process id is never so big that it is negative.
        command.process_group(self.watcher.id().cast_signed()).spawn()
    }

    /// Whether a process is one of the group and has not ended. Its number may be another's by now.
    pub fn has(&self, pid: u32) -> bool {
        is_of(pid, self.watcher.id())
    }

    fn any(&self) -> bool {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut pids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
        pids.any(|pid| self.has(pid))
    }
}

fn is_of(pid: u32, wanted: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before may hold anything. A zombie has ended and was not waited for.
    let mut after_name = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let (state, group) = (after_name.next(), after_name.nth(1));
    state != Some("Z") && group.and_then(|group| group.parse().ok()) == Some(wanted)
}

impl Drop for Children {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        // What is killed may still write to files that are about to be removed.
        while self.any() {
            thread::sleep(Duration::from_millis(10));
        }
        // Nothing to be done where it can't be waited for.
        let _ = self.watcher.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grandchild(children: &Children) -> u32 {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' HUP INT TERM; sleep 600 >/dev/null & echo $!"]);
        let child = children.spawn(command.stdout(Stdio::piped())).expect("a shell starts");
        let said = child.wait_with_output().expect("it says something").stdout;
        String::from_utf8_lossy(&said).trim().parse().expect("it says a process id")
    }

    #[test]
    fn grandchildren_end_too_and_nobody_else() {
        let (children, others) = (Children::new().unwrap(), Children::new().unwrap());
        let (pid, other) = (grandchild(&children), grandchild(&others));
        assert!(children.has(pid));
        assert!(!children.has(other));
        let group = children.watcher.id();
        drop(children);
        assert!(!is_of(pid, group));
        assert!(others.has(other));
    }
}
