// tokio on the steps of ../ours.cpp: NAME WORKERS ITERATIONS, and the same line of output.
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, Mutex};

fn cpu_ns() -> i64 {
    let mut used = unsafe { std::mem::zeroed::<libc::rusage>() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut used) };
    let ns = |at: libc::timeval| at.tv_sec * 1_000_000_000 + at.tv_usec * 1000;
    ns(used.ru_utime) + ns(used.ru_stime)
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
const LOCKERS: usize = 100;
const LOCKS: usize = 100;

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

async fn spawn_here() {
    tokio::spawn(async {
        for _ in 0..100 {
            let mut handles = Vec::with_capacity(100);
            for _ in 0..100 {
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

async fn mutex_contended() {
    let mutex = Arc::new(Mutex::new(0));
    let (rest, done) = Countdown::new(LOCKERS);
    for _ in 0..LOCKERS {
        let (mutex, rest) = (mutex.clone(), rest.clone());
        tokio::spawn(async move {
            for _ in 0..LOCKS {
                *mutex.lock().await += 1;
            }
            rest.tell();
        });
    }
    done.await.unwrap();
}

fn run<F: Future<Output = ()>>(name: &str, operations: usize, once: fn() -> F, workers: usize, iterations: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_time()
        .build()
        .unwrap();
    for _ in 0..3 {
        runtime.block_on(once());
    }
    let (cpu, wall) = (cpu_ns(), Instant::now());
    for _ in 0..iterations {
        runtime.block_on(once());
    }
    let (took, used) = (wall.elapsed().as_nanos(), cpu_ns() - cpu);
    println!("{name} {} {took} {used}", operations * iterations);
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, workers, iterations] = &arguments[..] else {
        eprintln!("usage: bench-runtime-peer NAME WORKERS ITERATIONS");
        std::process::exit(2);
    };
    let (w, n) = (workers.parse().unwrap(), iterations.parse().unwrap());
    match name.as_str() {
        "chained_spawn" => run(name, CHAIN, chained_spawn, w, n),
        "ping_pong" => run(name, PINGS, ping_pong, w, n),
        "spawn_many" => run(name, SPAWNS, spawn_many, w, n),
        "yield_many" => run(name, YIELDERS * YIELDS, yield_many, w, n),
        "spawn_here" => run(name, 10_000, spawn_here, w, n),
        "yield_here" => run(name, 10_000, yield_here, w, n),
        "sleep_add_cancel" => run(name, 10_000, sleep_add_cancel, w, n),
        "mutex_contended" => run(name, LOCKERS * LOCKS, mutex_contended, w, n),
        _ => std::process::exit(2),
    }
}
