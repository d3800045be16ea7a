//! What this library is and has.

use std::ffi::c_char;

/// Version of this header, which may be older than the library: wsock_version tells that one's.
pub const WSOCK_VERSION_MAJOR: u32 = 0;
/// Its second number.
pub const WSOCK_VERSION_MINOR: u32 = 1;
/// Its third number.
pub const WSOCK_VERSION_PATCH: u32 = 0;

/// wsock_features: wss:// and servers that speak TLS work.
pub const WSOCK_FEATURE_TLS: u64 = 1;
/// wsock_features: permessage-deflate works.
pub const WSOCK_FEATURE_DEFLATE: u64 = 2;

/// The version of the library that is running, as major << 16 | minor << 8 | patch.
///
/// Thread: any. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_version() -> u32 {
    WSOCK_VERSION_MAJOR << 16 | WSOCK_VERSION_MINOR << 8 | WSOCK_VERSION_PATCH
}

/// The same as text, such as "0.1.0".
///
/// Thread: any. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_version_string() -> *const c_char {
    const TEXT: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    TEXT.as_ptr().cast()
}

/// The number in the name of the shared library, libwsock.so.N. Programs built for one N work with
/// every library of that N that is not older.
///
/// Thread: any. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_abi_version() -> u32 {
    0
}

/// What this build can do: WSOCK_FEATURE_* bits. What is missing answers WSOCK_ERR_UNSUPPORTED.
///
/// Thread: any. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_features() -> u64 {
    let has = |built_in, bit| if built_in { bit } else { 0 };
    has(cfg!(feature = "tls"), WSOCK_FEATURE_TLS)
        | has(cfg!(feature = "deflate"), WSOCK_FEATURE_DEFLATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_versions_agree() {
        let text = format!("{WSOCK_VERSION_MAJOR}.{WSOCK_VERSION_MINOR}.{WSOCK_VERSION_PATCH}");
        assert_eq!(text, env!("CARGO_PKG_VERSION"));
        assert_eq!(wsock_version(), 0x000100);
    }
}
