//! Arrays of map values in this process's memory: a BPF map or part of a file mapped in, or anonymous memory of the same form.

use core::marker::PhantomData;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

/// `length` values of `T`, shared with BPF programs (a map) or not (anonymous).
///
/// `T` is one of the types of `basalt_ebpf_abi`, which consist of shared cells: all octets zero is a value, and everyone may
/// change it through `&T`.
pub(crate) struct Region<T> {
    memory: NonNull<T>,
    length: usize,
    octets: usize,
    /// Where in the file the values begin.
    offset: u64,
    values: PhantomData<T>,
}

// SAFETY: the memory is not bound to a thread, and `T: Sync` allows access from several.
unsafe impl<T: Sync> Send for Region<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Region<T> {}

/// Types of which all octets zero is a value, and which may be changed behind a shared reference by others.
///
/// # Safety
/// The implementor consists of `Shared32`, `Shared64` or octets in an `UnsafeCell`, nothing else.
pub(crate) unsafe trait Record: Sync {}

// SAFETY: see the definitions; each is made of shared cells only.
unsafe impl Record for basalt_ebpf_abi::Settings {}
// SAFETY: as above.
unsafe impl Record for basalt_ebpf_abi::Uplink {}
// SAFETY: as above.
unsafe impl Record for basalt_ebpf_abi::Downlink {}
// SAFETY: as above.
unsafe impl Record for basalt_ebpf_abi::NextHop {}
// SAFETY: octets in an `UnsafeCell`.
unsafe impl Record for basalt_ebpf_abi::Destinations {}
// SAFETY: shared cells only.
unsafe impl Record for basalt_ebpf_abi::Bucket {}
// SAFETY: shared cells only.
unsafe impl Record for basalt_ebpf_abi::BenchPlan {}
// SAFETY: shared cells only.
unsafe impl Record for basalt_ebpf_abi::UeMeters {}
// SAFETY: as above.
unsafe impl Record for basalt_ebpf_abi::Policy {}
// SAFETY: as above.
unsafe impl Record for basalt_ebpf_abi::RuleState {}
// SAFETY: as above.
unsafe impl Record for basalt_ebpf_abi::Bearer {}
// SAFETY: as above.
unsafe impl Record for basalt_ebpf_abi::Nat {}
// SAFETY: as above.
unsafe impl Record for basalt_ebpf_abi::Block {}
// SAFETY: as above.
unsafe impl Record for basalt_ebpf_abi::Mapping {}
// SAFETY: as above.
unsafe impl Record for basalt_ebpf_abi::Fragment {}
// SAFETY: as above.
unsafe impl Record for basalt_ebpf_abi::Framed {}
// SAFETY: a shared cell.
unsafe impl Record for basalt_ebpf_abi::Shared64 {}
// SAFETY: a shared cell.
unsafe impl Record for basalt_ebpf_abi::Shared32 {}
// SAFETY: shared cells only.
unsafe impl Record for basalt_ebpf_abi::Watch {}

impl<T: Record> Region<T> {
    /// Anonymous memory, zero. Pages cost nothing before they are used.
    pub(crate) fn anonymous(length: usize) -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        Self::map(length, flags, -1, 0)
    }

    /// The values of a BPF array map made with `BPF_F_MMAPABLE`, which has at least `length` of them, each `T` wide.
    pub(crate) fn of_map(map: BorrowedFd<'_>, length: usize) -> io::Result<Self> {
        Self::map(length, libc::MAP_SHARED, map.as_raw_fd(), 0)
    }

    /// Values that lie in a file from `offset` on, which is a multiple of [`page_size`]; the file holds all of them.
    pub(crate) fn of_file(file: BorrowedFd<'_>, offset: usize, length: usize) -> io::Result<Self> {
        Self::map(length, libc::MAP_SHARED, file.as_raw_fd(), offset)
    }

    fn map(length: usize, flags: i32, fd: i32, offset: usize) -> io::Result<Self> {
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        let wanted = length.checked_mul(size_of::<T>()).filter(|n| *n > 0);
        let octets = wanted.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?.next_multiple_of(page_size());
        // SAFETY: a new mapping, chosen by the kernel; nothing else refers to it.
        let memory =
            unsafe { libc::mmap(std::ptr::null_mut(), octets, libc::PROT_READ | libc::PROT_WRITE, flags, fd, offset) };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast::<T>()).ok_or_else(io::Error::last_os_error)?;
        Ok(Self { memory, length, octets, offset: offset.cast_unsigned(), values: PhantomData })
    }

    /// A value.
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        if index >= self.length {
            return None;
        }
        // SAFETY: inside the mapping, aligned (pages, and sizes that are multiples of the alignment), valid for any octets.
        Some(unsafe { self.memory.add(index).as_ref() })
    }

    /// Where in the file a part of one of the values lies, if it is one of these.
    pub(crate) fn place<P>(&self, part: &P) -> Option<u64> {
        let behind = std::ptr::from_ref(part).addr().checked_sub(self.memory.addr().get())?;
        (behind < self.length * size_of::<T>()).then(|| self.offset + behind as u64)
    }

    /// All values.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &T> {
        // SAFETY: as in `get`, for every index.
        (0..self.length).map(|index| unsafe { self.memory.add(index).as_ref() })
    }
}

impl<T> Drop for Region<T> {
    fn drop(&mut self) {
        // SAFETY: this mapping is ours, and no reference outlives `self`.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.octets) };
    }
}

/// Octets of a page.
pub(crate) fn page_size() -> usize {
    // SAFETY: no arguments that could be wrong.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_ebpf_abi::{Shared64, Uplink};

    #[test]
    fn values_start_as_zero_and_stay_where_they_are() {
        let region = Region::<Uplink>::anonymous(100).unwrap();
        assert_eq!(region.iter().filter(|r| r.teid.get() == 0).count(), 100);
        region.get(99).unwrap().teid.set(7);
        assert_eq!(region.get(99).unwrap().teid.get(), 7);
        assert!(region.get(100).is_none());
        assert!(Region::<Shared64>::anonymous(0).is_err());
    }
}
