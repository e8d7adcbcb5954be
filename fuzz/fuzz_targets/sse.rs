#![no_main]

use endturn::protocol::{Limits, Protocol};
use libfuzzer_sys::fuzz_target;

// Small limits, so that each of them is reached.
fuzz_target!(|data: &[u8]| {
    for (line_bytes, body_bytes, events) in [
        (1 << 20, 8 << 20, 20_000),
        (64, 1024, 8),
        (7, 60, 3),
        (300, 90, 2),
    ] {
        let limits = Limits {
            line_bytes,
            body_bytes,
            events,
        };
        endturn_fuzz::check_stream(Protocol::OpenaiChat, limits, data);
    }
});
