//! A guest in Rust over gevent.rs, which lies beside it when it is compiled.

mod gevent;

use gevent::{log, Channel, Error, Event, File, Greenlet, Listener, Queue, Semaphore, Shared, Shutdown, Socket};

static INSIDE: Shared<(i32, i32)> = Shared::new((0, 0));

#[no_mangle]
pub extern "C" fn channels(count: i32) -> i32 {
    gevent::log_panics();
    let numbers = Channel::new();
    gevent::spawn(move || {
        for i in 0..count {
            numbers.put(f64::from(i) * 1.5, None).unwrap();
        }
        numbers.end(None).unwrap();
    });
    let sum: f64 = numbers.sum();
    log(&format!("then {:?}", numbers.get(Some(0.5))));
    numbers.close();
    (sum * 2.0) as i32
}

#[no_mangle]
pub extern "C" fn shout(from: i32, to: i32) -> i32 {
    let to = Queue::from_handle(to);
    let mut count = 0;
    for item in Queue::from_handle(from) {
        to.put(String::from_utf8(item).unwrap().to_uppercase().as_bytes(), None).unwrap();
        count += 1;
    }
    to.shutdown();
    log(&format!("left {} {}", to.len(), to.is_empty()));
    count
}

#[no_mangle]
pub extern "C" fn workers(count: i32) -> i32 {
    let (lock, ready) = (Semaphore::new(2), Event::new());
    let all: Vec<Greenlet> = (0..count)
        .map(|n| {
            gevent::spawn(move || {
                ready.wait(None);
                let _permit = lock.lock();
                INSIDE.with(|(now, most)| {
                    *now += 1;
                    *most = (*now).max(*most);
                });
                gevent::sleep(0.1);
                log(&format!("worker {n}"));
                INSIDE.with(|(now, _)| *now -= 1);
            })
        })
        .collect();
    gevent::yield_now();
    ready.set();
    log(&format!("joined {}", all.iter().all(|it| it.join(None))));
    ready.clear();
    log(&format!("late {} taken {} {:?}", !ready.wait(Some(0.25)), lock.try_acquire(), all[0].is_alive()));
    INSIDE.with(|(_, most)| *most)
}

#[no_mangle]
pub extern "C" fn kills() -> i32 {
    let it = gevent::spawn(|| gevent::sleep(f64::INFINITY));
    let before = gevent::now();
    log(&format!("late {} after {}", !it.join(Some(1.0)), gevent::now() - before));
    log(&format!("killed {} joined {} killed {}", it.kill(), it.join(None), it.kill()));
    i32::from(gevent::current().is_some())
}

fn talk() -> gevent::Result<String> {
    let listener = Listener::bind("127.0.0.1", 0)?;
    let client = Socket::connect("127.0.0.1", listener.port(), Some(5.0))?;
    let served = listener.accept(Some(5.0))?;
    client.send(b"hello", None)?;
    client.shutdown(Shutdown::Write)?;
    let mut text = [0; 16];
    let got = served.recv(&mut text, Some(5.0))?;
    assert_eq!(served.recv(&mut [0; 16], Some(5.0))?, 0);
    Ok(String::from_utf8_lossy(&text[..got]).into_owned())
}

#[no_mangle]
pub extern "C" fn sockets() {
    log(&format!("{:?}", talk()));
}

#[no_mangle]
pub extern "C" fn files() -> i32 {
    let file = File::open("note.txt", File::READ | File::WRITE | File::CREATE).unwrap();
    file.write(b"hello file").unwrap();
    file.seek(6).unwrap();
    log(&String::from_utf8(file.read_to_end().unwrap()).unwrap());
    File::open("none.txt", File::READ).map_or_else(|Error(number)| number, |_| 0)
}

#[no_mangle]
pub extern "C" fn panics() {
    panic!("no fuel");
}
