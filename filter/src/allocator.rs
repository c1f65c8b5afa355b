//! The module's memory: pieces of up to 4 KB from lists of freed ones, the rest from the allocator of the C library.
//!
//! A request allocates some dozens of such pieces and frees them again. The allocator of the C library looks for the best piece each
//! time and merges neighbours; here a piece of a size that was freed is the next one of that size, which takes a few instructions.
//! What was such a piece once stays one: the lists hold as much as was in use at once, and no more.

#![expect(unsafe_code, reason = "an allocator hands out raw memory; each block says why it is sound")]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "`list_of` bounds the number of a list, which is that of a coarse size where one is counted, and `cut` compares before it subtracts"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

/// Sizes are rounded up to a multiple of this, which is also how pieces are aligned.
const GRAIN: usize = 16;

/// How many sizes there are lists for by this: up to 512 bytes.
const SMALL_SIZES: usize = 32;

/// What larger sizes are rounded up to.
const COARSE_GRAIN: usize = 128;

/// Up to which size there are lists: tokens and the headers of a request have room in it.
const LARGEST: usize = 4096;

/// How many sizes there are lists for.
const SIZES: usize = SMALL_SIZES + LARGEST / COARSE_GRAIN - COARSE_OF_SMALL;

/// How much is asked for at once, to be cut into pieces. What is left of one when it is too little is given up.
const SLAB_BYTES: usize = 64 * 1024;

/// What a freed piece holds: the next one.
struct Freed {
    next: *mut Freed,
}

struct Allocator {
    freed: [Cell<*mut Freed>; SIZES],
    /// What is left of the last slab: where it starts, and how many bytes.
    rest: Cell<*mut u8>,
    rest_bytes: Cell<usize>,
}

// SAFETY: a module without shared memory has one thread.
#[cfg(not(target_feature = "atomics"))]
unsafe impl Sync for Allocator {}

#[global_allocator]
static ALLOCATOR: Allocator = Allocator {
    freed: [const { Cell::new(ptr::null_mut()) }; SIZES],
    rest: Cell::new(ptr::null_mut()),
    rest_bytes: Cell::new(0),
};

/// The list for pieces of this layout; none if they are too large.
const fn list_of(layout: Layout) -> Option<usize> {
    let before = layout.size().saturating_sub(1);
    let small = before / GRAIN;
    let list = if small < SMALL_SIZES { small } else { before / COARSE_GRAIN + SMALL_SIZES - COARSE_OF_SMALL };
    if list < SIZES && layout.align() <= GRAIN { Some(list) } else { None }
}

/// How many coarse sizes there would be among the small ones.
const COARSE_OF_SMALL: usize = SMALL_SIZES * GRAIN / COARSE_GRAIN;

/// How large the pieces of a list are.
const fn bytes_of(list: usize) -> usize {
    if list < SMALL_SIZES { (list + 1) * GRAIN } else { (list + 1 + COARSE_OF_SMALL - SMALL_SIZES) * COARSE_GRAIN }
}

impl Allocator {
    /// Cuts a piece off the slab, or off a new one.
    fn cut(&self, list: usize) -> *mut u8 {
        let bytes = bytes_of(list);
        if self.rest_bytes.get() < bytes {
            // SAFETY: the layout has a size.
            let slab = unsafe { System.alloc(Layout::from_size_align_unchecked(SLAB_BYTES, GRAIN)) };
            if slab.is_null() {
                return slab;
            }
            self.rest.set(slab);
            self.rest_bytes.set(SLAB_BYTES);
        }
        let piece = self.rest.get();
        // SAFETY: so many bytes are left.
        self.rest.set(unsafe { piece.add(bytes) });
        self.rest_bytes.set(self.rest_bytes.get() - bytes);
        piece
    }
}

// SAFETY: a piece is in use or in one list, never both: it is taken off a list or cut off a slab when it is handed out, and put on
// the list of its layout when it is given back, which is the layout that it was asked for with.
unsafe impl GlobalAlloc for Allocator {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(list) = list_of(layout) else {
            // SAFETY: as the caller says.
            return unsafe { System.alloc(layout) };
        };
        let head = &self.freed[list];
        let piece = head.get();
        if piece.is_null() {
            return self.cut(list);
        }
        // SAFETY: what is on the list was written by `dealloc` and is in nobody's use.
        head.set(unsafe { (*piece).next });
        piece.cast()
    }

    #[inline(never)]
    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        let Some(list) = list_of(layout) else {
            // SAFETY: it came from there, for it has this layout.
            return unsafe { System.dealloc(piece, layout) };
        };
        let head = &self.freed[list];
        let piece: *mut Freed = piece.cast();
        // SAFETY: the piece is aligned and large enough, and nobody uses it any more.
        unsafe { piece.write(Freed { next: head.get() }) };
        head.set(piece);
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: the caller says that the size is sound for the alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(bytes, layout.align()) };
        match (list_of(layout), list_of(wanted)) {
            (None, None) => {
                // SAFETY: as the caller says.
                return unsafe { System.realloc(piece, layout, bytes) };
            }
            (Some(list), Some(other)) if list == other => return piece,
            _ => {}
        }
        // SAFETY: both pieces have at least so many bytes, and are not the same.
        unsafe {
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(piece, moved, layout.size().min(bytes));
                self.dealloc(piece, layout);
            }
            moved
        }
    }
}
