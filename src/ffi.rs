//! The only unsafe code: the few OpenSSL calls that the `openssl` crate lacks, a word with the system about large
//! buffers, and an end for a process that it gives no more memory.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ffi::{CStr, c_char, c_int, c_long},
    ops::Range,
    os::fd::AsFd,
    ptr,
    sync::OnceLock,
};

use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::{
    asn1::{Asn1GeneralizedTimeRef, Asn1TimeRef},
    error::ErrorStack,
    pkey::{PKeyRef, Private, Public},
    pkey_ctx::PkeyCtx,
    ssl::SslRef,
    x509::{X509CrlRef, X509StoreContextRef, store::X509StoreBuilderRef, verify::X509VerifyParamRef},
};
use zeroize::{Zeroize, Zeroizing};

unsafe extern "C" {
    fn _exit(status: c_int) -> !;
    fn SSL_get0_group_name(ssl: *mut openssl_sys::SSL) -> *const c_char;
    fn X509_STORE_add_crl(store: *mut openssl_sys::X509_STORE, crl: *mut openssl_sys::X509_CRL) -> c_int;
    fn d2i_X509_ALGOR(
        algorithm: *mut *mut openssl_sys::X509_ALGOR,
        der: *mut *const u8,
        length: c_long,
    ) -> *mut openssl_sys::X509_ALGOR;
    fn X509_ALGOR_free(algorithm: *mut openssl_sys::X509_ALGOR);
    fn PKCS12_pbe_crypt(
        algorithm: *const openssl_sys::X509_ALGOR,
        passphrase: *const c_char,
        length: c_int,
        input: *const u8,
        input_length: c_int,
        output: *mut *mut u8,
        output_length: *mut c_int,
        encrypt: c_int,
    ) -> *mut u8;
    fn X509_STORE_CTX_get0_param(context: *mut openssl_sys::X509_STORE_CTX) -> *mut openssl_sys::X509_VERIFY_PARAM;
    fn X509_VERIFY_PARAM_add0_policy(
        param: *mut openssl_sys::X509_VERIFY_PARAM,
        policy: *mut openssl_sys::ASN1_OBJECT,
    ) -> c_int;
}

/// The name of the group that the handshake agreed on, for instance `X25519MLKEM768`; none where no key exchange
/// by group took place. OpenSSL 3.2 and up, `SSL_get0_group_name(3)`.
pub fn group_name(ssl: &SslRef) -> Option<String> {
    // SAFETY: the reference keeps the SSL object alive during the call, which only reads it.
    let name = unsafe { SSL_get0_group_name(ssl.as_ptr()) };
    if name.is_null() {
        return None;
    }
    // SAFETY: OpenSSL gives a NUL-terminated string that lives at least as long as the object, and the text is
    // copied before the reference ends.
    Some(unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned())
}

/// Adds a list of revoked certificates to a store, `X509_STORE_add_crl(3)`.
///
/// # Errors
/// What the library says.
pub fn store_add_crl(store: &mut X509StoreBuilderRef, list: &X509CrlRef) -> Result<(), ErrorStack> {
    // SAFETY: both are alive during the call, nobody else holds the store, and the store counts its own reference
    // to the list.
    match unsafe { X509_STORE_add_crl(store.as_ptr(), list.as_ptr()) } {
        1 => Ok(()),
        _ => Err(ErrorStack::get()),
    }
}

/// Decrypts what is locked with a passphrase, by an AlgorithmIdentifier in DER of PBES2, PBES1 or PKCS#12 (RFC 7292,
/// C); `PKCS12_pbe_crypt`. In PKCS#12 no passphrase is another than the empty one.
///
/// # Errors
/// What the library says.
pub fn decrypt_by_passphrase(
    algorithm: &[u8],
    passphrase: Option<&str>,
    data: &[u8],
) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
    let lengths = (c_long::try_from(algorithm.len()), c_int::try_from(data.len()));
    let passphrase_length = c_int::try_from(passphrase.map_or(0, str::len));
    let ((Ok(algorithm_length), Ok(length)), Ok(passphrase_length)) = (lengths, passphrase_length) else {
        return Err(ErrorStack::get());
    };
    let passphrase = passphrase.map_or(ptr::null(), |text| text.as_ptr().cast());
    let mut der = algorithm.as_ptr();
    // SAFETY: the bytes are alive during the call, and as long as is said.
    let algorithm = unsafe { d2i_X509_ALGOR(ptr::null_mut(), &raw mut der, algorithm_length) };
    if algorithm.is_null() {
        return Err(ErrorStack::get());
    }
    let (mut out, mut out_length) = (ptr::null_mut(), 0);
    // SAFETY: all of these are alive during the call and as long as is said; the passphrase may be null. On success
    // the library gives memory of its own, with its length.
    let given = unsafe {
        PKCS12_pbe_crypt(
            algorithm,
            passphrase,
            passphrase_length,
            data.as_ptr(),
            length,
            &raw mut out,
            &raw mut out_length,
            0,
        )
    };
    // SAFETY: it was made above, and is not used again.
    unsafe { X509_ALGOR_free(algorithm) };
    let (false, Ok(out_length)) = (given.is_null(), usize::try_from(out_length)) else {
        return Err(ErrorStack::get());
    };
    // SAFETY: the library says that so many bytes are there; they are copied, wiped, and given back once.
    unsafe {
        let bytes = std::slice::from_raw_parts_mut(given, out_length);
        let copy = Zeroizing::new(bytes.to_vec());
        zeroize::Zeroize::zeroize(bytes);
        openssl_sys::OPENSSL_free(given.cast());
        Ok(copy)
    }
}

/// The parameters of one verification, to be set before it; `X509_STORE_CTX_get0_param(3)`.
pub fn verify_param(context: &mut X509StoreContextRef) -> Option<&mut X509VerifyParamRef> {
    // SAFETY: the reference keeps the context alive during the call, which only reads it.
    let param = unsafe { X509_STORE_CTX_get0_param(context.as_ptr()) };
    // SAFETY: the parameters are the context's own, and are borrowed from it as it is borrowed here, for as long.
    (!param.is_null()).then(|| unsafe { X509VerifyParamRef::from_ptr_mut(param) })
}

/// Lets every certificate policy be one of those wanted (RFC 5280, 6.1.1 (c)), `X509_VERIFY_PARAM_add0_policy(3)`.
///
/// # Errors
/// What the library says.
pub fn accept_any_policy(param: &mut X509VerifyParamRef) -> Result<(), ErrorStack> {
    const ANY_POLICY: c_int = 746;
    // SAFETY: the reference keeps the parameters alive during the call, and nobody else holds them. The object is one
    // of the library's table, which lives as long as the process, and freeing it does nothing.
    let done = unsafe { X509_VERIFY_PARAM_add0_policy(param.as_ptr(), openssl_sys::OBJ_nid2obj(ANY_POLICY)) == 1 };
    if done { Ok(()) } else { Err(ErrorStack::get()) }
}

/// A GeneralizedTime as a Time, which it is one form of; `ASN1_TIME_set(3)`.
pub fn time(time: &Asn1GeneralizedTimeRef) -> &Asn1TimeRef {
    // SAFETY: to the library both are the one type ASN1_STRING, which holds its form, and the result is borrowed for
    // as long as the argument.
    unsafe { Asn1TimeRef::from_ptr(time.as_ptr().cast()) }
}

/// Makes a shared secret for the holder of a key, and what tells it to him; ciphertext first. OpenSSL 3.0 and up,
/// `EVP_PKEY_encapsulate(3)`.
///
/// # Errors
/// What the library says.
pub fn encapsulate(key: &PKeyRef<Public>) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), ErrorStack> {
    let context = PkeyCtx::new(key)?;
    let (mut wrapped, mut secret) = (0, 0);
    // SAFETY: the context is alive and nobody else holds it. Null for parameters means none, and null for buffers
    // asks for their lengths alone.
    let asked = unsafe {
        openssl_sys::EVP_PKEY_encapsulate_init(context.as_ptr(), ptr::null()) == 1
            && openssl_sys::EVP_PKEY_encapsulate(
                context.as_ptr(),
                ptr::null_mut(),
                &mut wrapped,
                ptr::null_mut(),
                &mut secret,
            ) == 1
    };
    if !asked {
        return Err(ErrorStack::get());
    }
    let mut ciphertext = vec![0; wrapped];
    let mut shared = Zeroizing::new(vec![0; secret]);
    // SAFETY: as above, and both buffers are as long as is said, which is as long as was asked for.
    let made = unsafe {
        openssl_sys::EVP_PKEY_encapsulate(
            context.as_ptr(),
            ciphertext.as_mut_ptr(),
            &mut wrapped,
            shared.as_mut_ptr(),
            &mut secret,
        )
    };
    if made != 1 {
        return Err(ErrorStack::get());
    }
    ciphertext.truncate(wrapped);
    shared.truncate(secret);
    Ok((ciphertext, shared))
}

/// The shared secret that somebody made for a key; for a ciphertext that is not right, ML-KEM gives a secret that is
/// not the shared one. OpenSSL 3.0 and up, `EVP_PKEY_decapsulate(3)`.
///
/// # Errors
/// What the library says.
pub fn decapsulate(key: &PKeyRef<Private>, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
    let context = PkeyCtx::new(key)?;
    let mut length = 0;
    // SAFETY: the context is alive and nobody else holds it. Null for parameters means none, and null for the buffer
    // asks for its length alone. The ciphertext is only read.
    let asked = unsafe {
        openssl_sys::EVP_PKEY_decapsulate_init(context.as_ptr(), ptr::null()) == 1
            && openssl_sys::EVP_PKEY_decapsulate(
                context.as_ptr(),
                ptr::null_mut(),
                &mut length,
                ciphertext.as_ptr(),
                ciphertext.len(),
            ) == 1
    };
    if !asked {
        return Err(ErrorStack::get());
    }
    let mut shared = Zeroizing::new(vec![0; length]);
    // SAFETY: as above, and the buffer is as long as is said, which is as long as was asked for.
    let made = unsafe {
        openssl_sys::EVP_PKEY_decapsulate(
            context.as_ptr(),
            shared.as_mut_ptr(),
            &mut length,
            ciphertext.as_ptr(),
            ciphertext.len(),
        )
    };
    if made != 1 {
        return Err(ErrorStack::get());
    }
    shared.truncate(length);
    Ok(shared)
}

/// What is written to stderr when memory runs out, and the exit code.
static LAST_WORDS: OnceLock<(u8, String)> = OnceLock::new();

/// The system's allocator. Where memory is refused the process ends with an exit code; Rust would abort, which
/// scripts cannot tell from a defect. It is for the program to choose, not for whoever links the library.
#[derive(Clone, Copy, Debug)]
pub struct Memory;

/// Sets what is written to stderr when memory runs out, and the exit code. The first call counts.
pub fn set_last_words(exit: u8, words: String) {
    let _ = LAST_WORDS.set((exit, words));
}

// SAFETY: all calls go to the system's allocator as they come, and null is never given back.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        given(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        given(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        given(unsafe { System.realloc(pointer, layout, size) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn given(memory: *mut u8) -> *mut u8 {
    if memory.is_null() {
        let (exit, words) = LAST_WORDS.get().map_or((71, "out of memory\n"), |(exit, words)| (*exit, words.as_str()));
        // Neither allocates nor takes a lock.
        let _ = rustix::io::write(std::io::stderr().as_fd(), words.as_bytes());
        // SAFETY: it takes a number and does not come back.
        unsafe { _exit(c_int::from(exit)) }
    }
    memory
}

/// From here on a buffer is worth a word with the system, in bytes.
const LARGE: usize = 4 << 20;

/// A multiple of the size of a page, whatever the system's is.
const PAGES: usize = 64 << 10;

/// Has the memory of a buffer come in large pages, where it is large: one of 2 MiB comes sooner than 512 of 4 KiB. It is
/// for those that never grow: the system does not move what is in pages of two kinds.
pub fn in_large_pages(mut buffer: Vec<u8>) -> Vec<u8> {
    if buffer.capacity() >= LARGE {
        // SAFETY: all of it is memory that the allocator gave, whose contents the advice does not change.
        unsafe { advise(buffer.as_mut_ptr(), buffer.capacity(), Advice::LargePages) };
    }
    buffer
}

/// Bytes of a large buffer that are used up.
pub struct UsedUp<'a>(&'a mut [u8]);

impl<'a> UsedUp<'a> {
    /// Those of a buffer that lie in a range, and the bytes behind it.
    #[allow(clippy::ptr_arg, reason = "behind a slice may be a file, whose bytes would come back")]
    pub fn new(buffer: &'a mut Vec<u8>, range: Range<usize>) -> (Self, &'a [u8]) {
        let end = range.end.min(buffer.len());
        let (before, behind) = buffer.split_at_mut(end);
        (Self(before.get_mut(range.start..).unwrap_or_default()), behind)
    }

    /// None.
    pub fn nothing() -> Self {
        Self(&mut [])
    }

    /// Wipes them, and gives their memory back to the system before the buffer goes. They are zeroes then.
    pub fn give_back(self) {
        self.0.zeroize();
        // SAFETY: a vector's bytes are memory that the allocator gave, behind which is no file, so that they read as
        // the zeroes that were just written there.
        unsafe { advise(self.0.as_mut_ptr(), self.0.len(), Advice::NotNeeded) };
    }
}

/// What the system is told about memory.
#[derive(Clone, Copy)]
enum Advice {
    LargePages,
    /// What it holds may go.
    NotNeeded,
}

/// Tells the system about the whole pages in some memory, where it listens.
///
/// # Safety
/// The memory is the caller's, of no file, and may be zeroes afterwards if it is not needed.
unsafe fn advise(memory: *mut u8, size: usize, advice: Advice) {
    #[cfg(target_os = "linux")]
    {
        let skipped = memory.align_offset(PAGES);
        let whole = size.saturating_sub(skipped) / PAGES * PAGES;
        let advice = match advice {
            Advice::LargePages => rustix::mm::Advice::LinuxHugepage,
            Advice::NotNeeded => rustix::mm::Advice::LinuxDontNeed,
        };
        // SAFETY: these pages lie within the caller's memory.
        let _ = unsafe { rustix::mm::madvise(memory.wrapping_add(skipped).cast(), whole, advice) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (memory, size, advice);
}
