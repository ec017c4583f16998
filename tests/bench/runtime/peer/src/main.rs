// tokio on the steps of ../ours.cpp: NAME WORKERS CPU_MS, and the same line of output.
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot, Mutex};

/// User and system time of all threads of the process.
fn cpu_ns() -> i64 {
    let mut used = unsafe { std::mem::zeroed::<libc::timespec>() };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut used) };
    used.tv_sec * 1_000_000_000 + used.tv_nsec
}

struct Countdown {
    left: AtomicUsize,
    done: std::sync::Mutex<Option<oneshot::Sender<()>>>,
}

impl Countdown {
    fn new(from: usize) -> (Arc<Countdown>, oneshot::Receiver<()>) {
        let (to, there) = oneshot::channel();
        let rest = Countdown { left: AtomicUsize::new(from), done: Some(to).into() };
        (Arc::new(rest), there)
    }
    fn tell(&self) {
        if self.left.fetch_sub(1, Relaxed) == 1 {
            let done = self.done.lock().unwrap().take().unwrap();
            done.send(()).unwrap();
        }
    }
}

const CHAIN: usize = 1000;
const PINGS: usize = 1000;
const SPAWNS: usize = 10_000;
const YIELDERS: usize = 200;
const YIELDS: usize = 1000;
const ROUNDS: usize = 100;
const A_ROUND: usize = 100;
const MESSAGES: usize = 10_000;
const ROOM: usize = 100;
const LOCKERS: usize = 100;
const LOCKS: usize = 100;
const HELD_OVER_YIELD: usize = 10;

fn chain(left: usize, done: oneshot::Sender<()>) {
    if left == 0 {
        done.send(()).unwrap();
    } else {
        tokio::spawn(async move { chain(left - 1, done) });
    }
}

async fn chained_spawn() {
    let (to, there) = oneshot::channel();
    tokio::spawn(async move { chain(CHAIN, to) });
    there.await.unwrap();
}

async fn ping_pong() {
    let (rest, done) = Countdown::new(PINGS);
    tokio::spawn(async move {
        for _ in 0..PINGS {
            let rest = rest.clone();
            tokio::spawn(async move {
                let (to, there) = oneshot::channel::<i32>();
                let (back, here) = oneshot::channel::<i32>();
                tokio::spawn(async move {
                    there.await.unwrap();
                    back.send(0).unwrap();
                });
                to.send(0).unwrap();
                here.await.unwrap();
                rest.tell();
            });
        }
    });
    done.await.unwrap();
}

async fn spawn_many() {
    let (rest, done) = Countdown::new(SPAWNS);
    for _ in 0..SPAWNS {
        let rest = rest.clone();
        tokio::spawn(async move { rest.tell() });
    }
    done.await.unwrap();
}

async fn yield_many() {
    let (rest, done) = Countdown::new(YIELDERS);
    for _ in 0..YIELDERS {
        let rest = rest.clone();
        tokio::spawn(async move {
            for _ in 0..YIELDS {
                tokio::task::yield_now().await;
            }
            rest.tell();
        });
    }
    done.await.unwrap();
}

/// On a runtime of one thread: what comes next to tasks that stay on their worker.
async fn spawn_here() {
    tokio::spawn(async {
        for _ in 0..ROUNDS {
            let left = Arc::new(AtomicUsize::new(A_ROUND));
            for _ in 0..A_ROUND {
                let left = left.clone();
                tokio::spawn(async move {
                    // One thread: no read-modify-write is needed.
                    left.store(left.load(Relaxed) - 1, Relaxed);
                });
            }
            while left.load(Relaxed) > 0 {
                tokio::task::yield_now().await;
            }
        }
    })
    .await
    .unwrap();
}

async fn spawn_join() {
    tokio::spawn(async {
        for _ in 0..ROUNDS {
            let mut handles = Vec::with_capacity(A_ROUND);
            for _ in 0..A_ROUND {
                handles.push(tokio::spawn(async {}));
            }
            for handle in handles {
                handle.await.unwrap();
            }
        }
    })
    .await
    .unwrap();
}

async fn yield_here() {
    tokio::spawn(async {
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

/// Polls a sleep once, so that it is armed, and gives it up.
struct Once(Pin<Box<tokio::time::Sleep>>);

impl Future for Once {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let _ = self.0.as_mut().poll(context);
        Poll::Ready(())
    }
}

async fn sleep_add_cancel() {
    tokio::spawn(async {
        for i in 0..10_000u64 {
            Once(Box::pin(tokio::time::sleep(Duration::from_secs(1 + i % 60)))).await;
        }
    })
    .await
    .unwrap();
}

async fn channel(senders: usize) {
    let (to, mut from) = mpsc::channel::<i32>(ROOM);
    let (done, here) = oneshot::channel();
    tokio::spawn(async move {
        while from.recv().await.is_some() {}
        done.send(()).unwrap();
    });
    for _ in 0..senders {
        let to = to.clone();
        tokio::spawn(async move {
            for i in 0..MESSAGES / senders {
                to.send(i as i32).await.unwrap();
            }
        });
    }
    drop(to);
    here.await.unwrap();
}

async fn mpsc_1() {
    channel(1).await
}

async fn mpsc_4() {
    channel(4).await
}

async fn mutex_contended() {
    let mutex = Arc::new(Mutex::new(0));
    let (rest, done) = Countdown::new(LOCKERS);
    for _ in 0..LOCKERS {
        let (mutex, rest) = (mutex.clone(), rest.clone());
        tokio::spawn(async move {
            for i in 0..LOCKS {
                let mut guard = mutex.lock().await;
                *guard += 1;
                if i % HELD_OVER_YIELD == 0 {
                    tokio::task::yield_now().await;
                }
            }
            rest.tell();
        });
    }
    done.await.unwrap();
}

struct How {
    threads: usize, // 0: all on the one that waits
    cpu_ms: i64,
}

impl How {
    fn runtime(&self) -> Runtime {
        let mut builder = match self.threads {
            0 => Builder::new_current_thread(),
            _ => Builder::new_multi_thread(),
        };
        builder.worker_threads(self.threads.max(1)).enable_time().build().unwrap()
    }

    fn run<F: Future<Output = ()>>(&self, name: &str, operations: usize, once: fn() -> F) {
        let runtime = self.runtime();
        for _ in 0..3 {
            runtime.block_on(once());
        }
        let (cpu, wall) = (cpu_ns(), Instant::now());
        let (mut used, mut iterations) = (0, 0);
        while used < self.cpu_ms * 1_000_000 {
            runtime.block_on(once());
            iterations += 1;
            used = cpu_ns() - cpu;
        }
        println!("{name} {} {} {used}", operations * iterations, wall.elapsed().as_nanos());
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, workers, cpu_ms] = &arguments[..] else {
        eprintln!("usage: bench-runtime-peer NAME WORKERS CPU_MS");
        std::process::exit(2);
    };
    let name = name.as_str();
    let threads = if name == "spawn_here" { 0 } else { workers.parse().unwrap() };
    let how = How { threads, cpu_ms: cpu_ms.parse().unwrap() };
    match name {
        "chained_spawn" => how.run(name, CHAIN, chained_spawn),
        "ping_pong" => how.run(name, PINGS, ping_pong),
        "spawn_many" => how.run(name, SPAWNS, spawn_many),
        "yield_many" => how.run(name, YIELDERS * YIELDS, yield_many),
        "spawn_here" => how.run(name, ROUNDS * A_ROUND, spawn_here),
        "spawn_join" => how.run(name, ROUNDS * A_ROUND, spawn_join),
        "yield_here" => how.run(name, 10_000, yield_here),
        "sleep_add_cancel" => how.run(name, 10_000, sleep_add_cancel),
        "mpsc_1" => how.run(name, MESSAGES, mpsc_1),
        "mpsc_4" => how.run(name, MESSAGES, mpsc_4),
        "mutex_contended" => how.run(name, LOCKERS * LOCKS, mutex_contended),
        _ => std::process::exit(2),
    }
}
