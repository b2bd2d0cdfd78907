//! The processes of a fleet: what one of them does, and how the test starts, tells and ends them.

use bytes::Bytes;
use dogpile_cache::Region;
use dogpile_cache::backend::Redis;
use dogpile_cache::codec::Raw;
use std::env;
use std::io::{BufRead, BufReader, Write, stdin};
use std::process::{Child, ChildStdin, Command, Stdio, exit};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The URL of the server, and the number of tasks: a process that has it is a child.
const PART: &str = "DOGPILE_SERVERS_PART";

/// How long the test waits for a line.
const PATIENCE: Duration = Duration::from_secs(60);

/// The key that all want.
const KEY: u64 = 7;

/// A line of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The process is connected.
    IsReady,
    /// One of its creators runs, and waits to be told to go on.
    Creates,
    /// So many of its tasks have the value.
    Returned(usize),
}

pub fn region(url: &str) -> Region<u64, Bytes> {
    let redis = Redis::lazy(url).expect("a sound URL");
    let region = Region::builder("fleet").expires_after(Duration::from_secs(3600)).far(redis).codec(Raw);
    region.build().expect("the settings agree")
}

pub fn value() -> Bytes {
    Bytes::from_static(b"value")
}

pub fn is_child() -> bool {
    env::var_os(PART).is_some()
}

/// The part of a child.
pub fn run() {
    let part = env::var(PART).expect("a child has a part");
    let (url, tasks) = part.split_once(' ').expect("two words");
    let (region, tasks) = (region(url), tasks.parse::<usize>().expect("a number"));
    let told = Arc::new(Told::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        region.ping().await.expect("the server is there");
        println!("ready");
        told.to("go").await;
        let get = |_| {
            let (region, told) = (region.clone(), Arc::clone(&told));
            tokio::spawn(async move {
                let made = region.get(&KEY).or_create(async || {
                    println!("creates");
                    told.to("create").await;
                    value()
                });
                assert_eq!(**made.await.expect("nothing fails"), *value());
            })
        };
        let mut returned = 0;
        for task in (0..tasks).map(get).collect::<Vec<_>>() {
            task.await.expect("no task panics");
            returned += 1;
        }
        println!("returned {returned}");
        told.to("end").await;
    });
}

/// What the test tells a child.
struct Told(Mutex<UnboundedReceiver<String>>);

impl Told {
    fn new() -> Told {
        let (tell, told) = unbounded_channel();
        thread::spawn(move || {
            for line in stdin().lines().map_while(Result::ok) {
                tell.send(line).expect("the child listens");
            }
            // The test is over, whatever has become of it.
            exit(0);
        });
        Told(Mutex::new(told))
    }

    /// Waits until the test tells the child to go on.
    async fn to(&self, go_on: &str) {
        let told = self.0.lock().await.recv().await;
        assert_eq!(told.as_deref(), Some(go_on));
    }
}

/// Processes that are connected to a server. SIGKILL ends them when the fleet is dropped.
pub struct Fleet {
    processes: Vec<(Child, ChildStdin)>,
    said: Receiver<(usize, Said)>,
}

impl Fleet {
    pub fn start(url: &str, processes: usize, tasks: usize) -> Fleet {
        let (tell, said) = channel();
        let mut fleet = Fleet { processes: Vec::new(), said };
        for number in 0..processes {
            let mut command = Command::new(env::current_exe().expect("a test knows its own program"));
            command.env(PART, format!("{url} {tasks}")).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().expect("a test can run itself");
            let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
            fleet.processes.push((child, input));
            let tell = tell.clone();
            thread::spawn(move || hear(number, BufReader::new(output), &tell));
        }
        for _ in 0..processes {
            assert_eq!(fleet.next().1, Said::IsReady);
        }
        fleet
    }

    pub fn tell(&mut self, process: usize, line: &str) {
        writeln!(self.processes[process].1, "{line}").expect("the process runs");
    }

    pub fn tell_all(&mut self, line: &str) {
        for process in 0..self.processes.len() {
            self.tell(process, line);
        }
    }

    /// Returns the next line of a process, and its number.
    pub fn next(&self) -> (usize, Said) {
        self.said.recv_timeout(PATIENCE).expect("a process says something")
    }
}

fn hear(number: usize, output: impl BufRead, tell: &Sender<(usize, Said)>) {
    for line in output.lines().map_while(Result::ok) {
        let said = match line.split_once(' ') {
            None if line == "ready" => Said::IsReady,
            None if line == "creates" => Said::Creates,
            Some(("returned", tasks)) => Said::Returned(tasks.parse().expect("a number")),
            _ => panic!("process {number} has said {line:?}"),
        };
        // (A test that has failed listens no more.)
        let _is_over = tell.send((number, said));
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for (child, _) in &mut self.processes {
            // An error means that the process has exited already.
            let _gone = child.kill();
            let _gone = child.wait();
        }
    }
}
