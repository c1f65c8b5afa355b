//! The clock of a process, moved by as many seconds as eight bytes of a file say: preloaded into Envoy (ld.so(8), `LD_PRELOAD`), it
//! makes the clock jump while Envoy runs. `CLOCK_FILE` names the file. Monotonic time goes on as ever.

#![expect(unsafe_code, reason = "it stands in the place of a function of the C library")]

use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::ptr;
use std::sync::atomic::{AtomicI64, AtomicPtr, Ordering};

const CLOCK_REALTIME: c_int = 0;
const O_RDONLY: c_int = 0;
const PROT_READ: c_int = 1;
const MAP_SHARED: c_int = 1;

/// Whoever comes after this library in the order of the linker.
const RTLD_NEXT: *mut c_void = ptr::without_provenance_mut(usize::MAX);

/// `struct timespec` (POSIX).
#[repr(C)]
pub struct Timespec {
    seconds: i64,
    nanoseconds: c_long,
}

type Gettime = unsafe extern "C" fn(c_int, *mut Timespec) -> c_int;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *mut c_void;
    fn getenv(name: *const c_char) -> *const c_char;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn mmap(at: *mut c_void, size: usize, protection: c_int, flags: c_int, file: c_int, offset: i64) -> *mut c_void;
}

/// The function of the C library, once it was looked up.
static GETTIME: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// The bytes of the file, once they were mapped.
static OFFSET: AtomicPtr<AtomicI64> = AtomicPtr::new(ptr::null_mut());

/// `clock_gettime` (POSIX).
///
/// # Safety
///
/// That of the function that it stands for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int {
    // SAFETY: the function of this name has this type, and `time` is the caller's.
    let result = unsafe { gettime()(clock, time) };
    if clock == CLOCK_REALTIME && result == 0 {
        // SAFETY: the C library has just filled it.
        let time = unsafe { &mut *time };
        time.seconds = time.seconds.saturating_add(offset());
    }
    result
}

fn gettime() -> Gettime {
    let mut found = GETTIME.load(Ordering::Relaxed);
    if found.is_null() {
        const NAME: &CStr = c"clock_gettime";
        // SAFETY: a name that ends with a zero.
        found = unsafe { dlsym(RTLD_NEXT, NAME.as_ptr()) };
        GETTIME.store(found, Ordering::Relaxed);
    }
    // SAFETY: the C library has a function of this name and type.
    unsafe { std::mem::transmute::<*mut c_void, Gettime>(found) }
}

/// By how many seconds the clock is moved. Nothing here allocates: an allocator may ask what time it is.
fn offset() -> i64 {
    let mut mapped = OFFSET.load(Ordering::Relaxed);
    if mapped.is_null() {
        // SAFETY: names that end with a zero; the file has eight bytes, and is mapped for as long as the process lives.
        mapped = unsafe {
            let path = getenv(c"CLOCK_FILE".as_ptr());
            if path.is_null() {
                return 0;
            }
            mmap(ptr::null_mut(), 8, PROT_READ, MAP_SHARED, open(path, O_RDONLY), 0).cast()
        };
        OFFSET.store(mapped, Ordering::Relaxed);
    }
    // SAFETY: eight bytes at the start of a page.
    unsafe { &*mapped }.load(Ordering::Relaxed)
}
