//! What Rust guests of gevent-wasm can import: one file, without dependencies. `docs/guest-imports.md` says what each
//! function does. Put it beside your code, or point at it:
//!
//! ```ignore
//! #[path = "../node_modules/gevent-wasm/ts/guest/bindings/gevent.rs"]
//! mod gevent;
//!
//! #[no_mangle]
//! pub extern "C" fn launch(rocket: i32) {
//!     let done = gevent::spawn(move || {
//!         gevent::sleep(0.5);
//!         gevent::log(&format!("rocket {rocket} flies"));
//!     });
//!     done.join(None);
//! }
//! ```
//!
//! `rustc --target wasm32-unknown-unknown -O --crate-type cdylib guest.rs`, or a `cdylib` of Cargo; programs for
//! `wasm32-wasip1` can use it too.
//!
//! Everything blocks the calling greenlet only. A limit is `None` (none) or seconds. A panic is the end of its greenlet: call
//! `log_panics()` to hear why.

#![allow(dead_code)]

use std::cell::UnsafeCell;
use std::fmt;

/// The imports as they are.
pub mod raw {
    #[link(wasm_import_module = "gevent")]
    extern "C" {
        #[link_name = "yield"]
        pub fn yield_now();
        pub fn sleep(seconds: f64);
        pub fn spawn(function: extern "C" fn(i32), argument: i32) -> i32;
        pub fn id(slot: i32) -> f64;
        pub fn now() -> f64;
        pub fn getcurrent() -> f64;
        pub fn join(greenlet: f64, timeout: f64) -> i32;
        pub fn kill(greenlet: f64) -> i32;
        pub fn alive(greenlet: f64) -> i32;
        pub fn log(text: *const u8, length: i32);
        pub fn close(handle: i32) -> i32;
        pub fn channel_new() -> i32;
        pub fn channel_put(channel: i32, item: f64, timeout: f64) -> i32;
        pub fn channel_get(channel: i32, item: *mut f64, timeout: f64) -> i32;
        pub fn channel_end(channel: i32, timeout: f64) -> i32;
        pub fn queue_new(maxsize: i32) -> i32;
        pub fn queue_put(queue: i32, bytes: *const u8, length: i32, timeout: f64) -> i32;
        pub fn queue_get(queue: i32, timeout: f64) -> i32;
        pub fn queue_take(into: *mut u8, capacity: i32) -> i32;
        pub fn queue_size(queue: i32) -> i32;
        pub fn queue_shutdown(queue: i32);
        pub fn semaphore_new(permits: i32) -> i32;
        pub fn semaphore_acquire(semaphore: i32, timeout: f64) -> i32;
        pub fn semaphore_try(semaphore: i32) -> i32;
        pub fn semaphore_release(semaphore: i32, count: i32);
        pub fn event_new() -> i32;
        pub fn event_set(event: i32);
        pub fn event_clear(event: i32);
        pub fn event_is_set(event: i32) -> i32;
        pub fn event_wait(event: i32, timeout: f64) -> i32;
        pub fn connect(host: *const u8, length: i32, port: i32, timeout: f64) -> i32;
        pub fn listen(host: *const u8, length: i32, port: i32) -> i32;
        pub fn accept(listener: i32, timeout: f64) -> i32;
        pub fn port(socket: i32) -> i32;
        pub fn recv(socket: i32, into: *mut u8, capacity: i32, timeout: f64) -> i32;
        pub fn send(socket: i32, bytes: *const u8, length: i32, timeout: f64) -> i32;
        pub fn shutdown(socket: i32, how: i32) -> i32;
        pub fn open(path: *const u8, length: i32, flags: i32) -> i32;
        pub fn read(file: i32, into: *mut u8, capacity: i32) -> i32;
        pub fn write(file: i32, bytes: *const u8, length: i32) -> i32;
        pub fn seek(file: i32, position: f64) -> i32;
    }
}

/// A number of WASI's error numbers, above 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(pub i32);

impl Error {
    /// The limit came first.
    pub const TIMED_OUT: Error = Error(73);
    /// There are no more items, or the peer takes no more.
    pub const ENDED: Error = Error(64);
    /// `load()` did not allow it: no `net`, no `files`.
    pub const FORBIDDEN: Error = Error(76);
    pub const NOT_FOUND: Error = Error(44);
    pub const REFUSED: Error = Error(14);
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::TIMED_OUT => f.write_str("timed out"),
            Error::ENDED => f.write_str("no more items"),
            Error::FORBIDDEN => f.write_str("not allowed by load()"),
            Error(number) => write!(f, "WASI error {number}"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Error {}

pub type Result<T> = std::result::Result<T, Error>;

/// Seconds; `None`: no limit.
pub type Limit = Option<f64>;

fn seconds(limit: Limit) -> f64 {
    // Below 0 means none to the imports, and would surprise here.
    limit.map_or(-1.0, |it| if it < 0.0 { 0.0 } else { it })
}

fn checked(result: i32) -> Result<usize> {
    if result < 0 {
        Err(Error(-result))
    } else {
        Ok(result as usize)
    }
}

// ---- greenlets ------------------------------------------------------------------------------------------------------

/// Let others run.
pub fn yield_now() {
    unsafe { raw::yield_now() }
}

pub fn sleep(seconds: f64) {
    unsafe { raw::sleep(seconds) }
}

/// Seconds on the hub's clock.
pub fn now() -> f64 {
    unsafe { raw::now() }
}

/// Say a line, where `load({ log })` has it.
pub fn log(text: &str) {
    unsafe { raw::log(text.as_ptr(), text.len() as i32) }
}

/// Have panics say why, as a line of the log.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| log(&info.to_string())));
}

/// A greenlet, living or ended.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Greenlet(pub f64);

impl Greenlet {
    /// Wait until it has ended. False: the limit came first.
    pub fn join(self, limit: Limit) -> bool {
        unsafe { raw::join(self.0, seconds(limit)) == 0 }
    }

    /// Order its end. False: it had ended.
    pub fn kill(self) -> bool {
        unsafe { raw::kill(self.0) == 1 }
    }

    pub fn is_alive(self) -> bool {
        unsafe { raw::alive(self.0) == 1 }
    }
}

/// The greenlet that calls; `None` in a function that JavaScript called directly.
pub fn current() -> Option<Greenlet> {
    let id = unsafe { raw::getcurrent() };
    (id >= 0.0).then_some(Greenlet(id))
}

/// Run a closure as a greenlet of this instance, from the next turn on. Greenlets share its memory and are never
/// interrupted between two calls that block, so neither `Send` nor a lock is asked for.
pub fn spawn<F: FnOnce() + 'static>(f: F) -> Greenlet {
    extern "C" fn run(argument: i32) {
        let f = unsafe { Box::from_raw(argument as usize as *mut Box<dyn FnOnce()>) };
        f();
    }
    let boxed: Box<Box<dyn FnOnce()>> = Box::new(Box::new(f));
    let slot = unsafe { raw::spawn(run, Box::into_raw(boxed) as usize as i32) };
    Greenlet(unsafe { raw::id(slot) })
}

/// A value that greenlets of this instance share, as in a `static`: only one of them runs at a time.
pub struct Shared<T>(UnsafeCell<T>);

unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub const fn new(value: T) -> Self {
        Shared(UnsafeCell::new(value))
    }

    /// Use the value. `f` must not block, nor come here again.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        unsafe { f(&mut *self.0.get()) }
    }
}

// ---- what is shared with JavaScript ---------------------------------------------------------------------------------

/// An object behind a handle. These can be copied, to be moved into closures; `close` forgets the handle.
macro_rules! handle {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name(pub i32);

        impl $name {
            /// For a handle that was passed to an export.
            pub fn from_handle(handle: i32) -> Self {
                $name(handle)
            }

            pub fn close(self) {
                unsafe { raw::close(self.0) };
            }
        }
    };
}

handle!(
    /// Hands numbers over from those who put to those who get. Any queue of numbers serves, too.
    Channel
);
handle!(
    /// A queue of bytes.
    Queue
);
handle!(Semaphore);
handle!(Event);

impl Channel {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Channel(unsafe { raw::channel_new() })
    }

    pub fn put(self, item: f64, limit: Limit) -> Result<()> {
        checked(unsafe { raw::channel_put(self.0, item, seconds(limit)) }).map(drop)
    }

    /// `Error::ENDED`: there are no more.
    pub fn get(self, limit: Limit) -> Result<f64> {
        let mut item = 0.0;
        checked(unsafe { raw::channel_get(self.0, &mut item, seconds(limit)) })?;
        Ok(item)
    }

    /// Tell one getter that there are no more.
    pub fn end(self, limit: Limit) -> Result<()> {
        checked(unsafe { raw::channel_end(self.0, seconds(limit)) }).map(drop)
    }
}

/// Items, to the end.
impl Iterator for Channel {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        self.get(None).ok()
    }
}

impl Queue {
    /// @param maxsize 0: any number of items
    pub fn new(maxsize: i32) -> Self {
        Queue(unsafe { raw::queue_new(maxsize) })
    }

    pub fn put(self, bytes: &[u8], limit: Limit) -> Result<()> {
        checked(unsafe { raw::queue_put(self.0, bytes.as_ptr(), bytes.len() as i32, seconds(limit)) }).map(drop)
    }

    /// `Error::ENDED`: it was shut down and is empty.
    pub fn get(self, limit: Limit) -> Result<Vec<u8>> {
        let length = checked(unsafe { raw::queue_get(self.0, seconds(limit)) })?;
        let mut item = vec![0; length];
        unsafe { raw::queue_take(item.as_mut_ptr(), length as i32) };
        Ok(item)
    }

    pub fn len(self) -> usize {
        unsafe { raw::queue_size(self.0) as usize }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub fn shutdown(self) {
        unsafe { raw::queue_shutdown(self.0) }
    }
}

/// Items, to the end.
impl Iterator for Queue {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        self.get(None).ok()
    }
}

/// Gives its permit back when it goes.
pub struct Permit(Semaphore);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.release(1);
    }
}

impl Semaphore {
    pub fn new(permits: i32) -> Self {
        Semaphore(unsafe { raw::semaphore_new(permits) })
    }

    pub fn acquire(self, limit: Limit) -> Result<()> {
        checked(unsafe { raw::semaphore_acquire(self.0, seconds(limit)) }).map(drop)
    }

    pub fn try_acquire(self) -> bool {
        unsafe { raw::semaphore_try(self.0) == 1 }
    }

    pub fn release(self, count: i32) {
        unsafe { raw::semaphore_release(self.0, count) }
    }

    /// A permit for a scope.
    pub fn lock(self) -> Permit {
        let _ = self.acquire(None);
        Permit(self)
    }
}

impl Event {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Event(unsafe { raw::event_new() })
    }

    pub fn set(self) {
        unsafe { raw::event_set(self.0) }
    }

    pub fn clear(self) {
        unsafe { raw::event_clear(self.0) }
    }

    pub fn is_set(self) -> bool {
        unsafe { raw::event_is_set(self.0) == 1 }
    }

    /// False: the limit came first.
    pub fn wait(self, limit: Limit) -> bool {
        unsafe { raw::event_wait(self.0, seconds(limit)) == 0 }
    }
}

// ---- sockets and files ----------------------------------------------------------------------------------------------

/// What is behind a handle that is closed when it goes.
macro_rules! owned {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Debug)]
        pub struct $name(i32);

        impl $name {
            /// For a handle that was passed to an export.
            pub fn from_handle(handle: i32) -> Self {
                $name(handle)
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                unsafe { raw::close(self.0) };
            }
        }
    };
}

owned!(
    /// A connection. Needs `load({ net })`.
    Socket
);
owned!(
    /// Takes connections. Needs `load({ net })`.
    Listener
);
owned!(
    /// A file below the folder of `load({ files })`.
    File
);

#[derive(Clone, Copy)]
pub enum Shutdown {
    Read = 0,
    Write = 1,
    Both = 2,
}

impl Socket {
    pub fn connect(host: &str, port: u16, limit: Limit) -> Result<Self> {
        checked(unsafe { raw::connect(host.as_ptr(), host.len() as i32, i32::from(port), seconds(limit)) })
            .map(|it| Socket(it as i32))
    }

    /// To a Unix socket.
    pub fn connect_unix(path: &str, limit: Limit) -> Result<Self> {
        checked(unsafe { raw::connect(path.as_ptr(), path.len() as i32, -1, seconds(limit)) }).map(|it| Socket(it as i32))
    }

    /// How many bytes; 0: the end.
    pub fn recv(&self, into: &mut [u8], limit: Limit) -> Result<usize> {
        checked(unsafe { raw::recv(self.0, into.as_mut_ptr(), into.len() as i32, seconds(limit)) })
    }

    /// All of them.
    pub fn send(&self, bytes: &[u8], limit: Limit) -> Result<()> {
        checked(unsafe { raw::send(self.0, bytes.as_ptr(), bytes.len() as i32, seconds(limit)) }).map(drop)
    }

    pub fn shutdown(&self, how: Shutdown) -> Result<()> {
        checked(unsafe { raw::shutdown(self.0, how as i32) }).map(drop)
    }
}

impl Listener {
    /// @param port 0: any
    pub fn bind(host: &str, port: u16) -> Result<Self> {
        checked(unsafe { raw::listen(host.as_ptr(), host.len() as i32, i32::from(port)) }).map(|it| Listener(it as i32))
    }

    pub fn accept(&self, limit: Limit) -> Result<Socket> {
        checked(unsafe { raw::accept(self.0, seconds(limit)) }).map(|it| Socket(it as i32))
    }

    pub fn port(&self) -> u16 {
        unsafe { raw::port(self.0) as u16 }
    }
}

impl File {
    pub const READ: i32 = 1;
    pub const WRITE: i32 = 2;
    pub const CREATE: i32 = 4;
    pub const TRUNCATE: i32 = 8;
    pub const APPEND: i32 = 16;
    /// It must not be there yet.
    pub const NEW: i32 = 32;

    /// `File::open("notes/today.txt", File::WRITE | File::CREATE)`
    pub fn open(path: &str, flags: i32) -> Result<Self> {
        checked(unsafe { raw::open(path.as_ptr(), path.len() as i32, flags) }).map(|it| File(it as i32))
    }

    /// How many bytes, from where it is; 0: the end.
    pub fn read(&self, into: &mut [u8]) -> Result<usize> {
        checked(unsafe { raw::read(self.0, into.as_mut_ptr(), into.len() as i32) })
    }

    /// All to the end.
    pub fn read_to_end(&self) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut piece = [0; 4096];
        loop {
            match self.read(&mut piece)? {
                0 => return Ok(all),
                count => all.extend_from_slice(&piece[..count]),
            }
        }
    }

    /// All of them.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        checked(unsafe { raw::write(self.0, bytes.as_ptr(), bytes.len() as i32) }).map(drop)
    }

    /// Read and write go on there.
    pub fn seek(&self, position: u64) -> Result<()> {
        checked(unsafe { raw::seek(self.0, position as f64) }).map(drop)
    }
}
