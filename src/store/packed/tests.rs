//! Whatever is packed comes out the same, to the microsecond.

use proptest::{option, prelude::*};

use super::*;

fn target() -> TargetId {
    "anthropic/claude-haiku-4-5".parse().unwrap()
}

prop_compose! {
    fn span()(micros in prop_oneof![0..5_000_000_u64, any::<u64>()]) -> Duration {
        Duration::from_micros(micros)
    }
}

prop_compose! {
    fn all_phases()(p in prop::array::uniform12(option::of(span()))) -> Phases {
        let [dns, connect, request, head, first_byte, first_token, first_output, last_token, stop, terminal, end, gap_max] = p;
        Phases { dns, connect, request, head, first_byte, first_token, first_output, last_token, stop, terminal, end, gap_max }
    }
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    let at = prop_oneof![
        Just(FailedAt::Transport),
        Just(FailedAt::Stream),
        any::<u16>().prop_map(FailedAt::Status)
    ];
    prop_oneof![
        Just(Verdict::Complete),
        Just(Verdict::Limited),
        Just(Verdict::Refused),
        Just(Verdict::Unknown),
        prop::sample::select(Truncation::ALL.to_vec()).prop_map(Verdict::Truncated),
        prop::sample::select(OffScript::ALL.to_vec()).prop_map(Verdict::OffScript),
        (prop::sample::select(ErrorClass::ALL.to_vec()), at)
            .prop_map(|(class, at)| Verdict::Errored(Failure { class, at })),
    ]
}

prop_compose! {
    fn usages()(
        input in option::of(any::<u64>()),
        output in option::of(any::<u64>()),
        reasoning in option::of(any::<u64>()),
        provisional in any::<bool>(),
    ) -> Usage {
        Usage { input, output, reasoning, provisional }
    }
}

prop_compose! {
    fn observations()(
        times in (any::<i64>(), any::<i64>()),
        source in prop::sample::select(Source::ALL.to_vec()),
        canary in prop::sample::select(CanaryKind::ALL.to_vec()),
        purpose in 0..4_u8,
        bits in any::<[bool; 3]>(),
        verdict in verdicts(),
        flags in prop_oneof![Just(0), Just(Flags::SENTINEL_FOUND.bits()), any::<u32>()],
        phases in all_phases(),
        connection in option::of(prop_oneof![Just(Connection::Fresh), Just(Connection::Reused)]),
        http_status in option::of(prop_oneof![Just(200), any::<u16>()]),
        usage in usages(),
        cost_usd in prop_oneof![Just(0.0), Just(-0.0), 0.0..1.0_f64, any::<f64>(), (0..1_000_000_u64).prop_map(|n| n as f64 / 1e6)],
        retry_after in option::of(span()),
    ) -> Observation {
        let mut o = Observation::new(target(), Timestamp::from_millis(times.0), source, verdict);
        o.started = Timestamp::from_millis(times.1);
        if canary.source() == source && matches!(canary, CanaryKind::Json | CanaryKind::Tool) {
            o.canary = Some(canary);
        }
        o.purpose = purpose_of(purpose);
        o.trust = if bits[0] { Trust::Full } else { Trust::Corroborate };
        (o.with_key, o.expected) = (bits[1], bits[2]);
        o.flags = Flags::from_bits(flags);
        (o.phases, o.connection, o.http_status, o.usage) = (phases, connection, http_status, usage);
        (o.cost_usd, o.retry_after) = (cost_usd, retry_after);
        o
    }
}

proptest! {
    #[test]
    fn what_is_packed_comes_out_the_same(
        o in observations(),
        drift in prop_oneof![Just(0), any::<i64>()],
        words in any::<[Option<u64>; 4]>(),
        has_texts in any::<bool>(),
    ) {
        let base = Timestamp::from_millis(o.at.as_millis().wrapping_add(drift));
        let [stop_reason, served_model, reporter, vantage] = words;
        let words = Words { stop_reason, served_model, reporter, vantage };
        let data = pack(&o, base, words, has_texts);
        prop_assert!(data.len() <= MAX_BYTES, "{} bytes", data.len());
        let out = unpack(target(), base, kind(o.verdict), &data).unwrap();
        // Bits, so that -0.0 and NaN count too.
        prop_assert_eq!(out.observation.cost_usd.to_bits(), o.cost_usd.to_bits());
        let mut found = out.observation;
        found.cost_usd = o.cost_usd;
        if !o.cost_usd.is_nan() {
            prop_assert_eq!(&found, &o);
        }
        prop_assert_eq!(out.words, words);
        prop_assert_eq!(out.has_texts, has_texts);
        prop_assert_eq!(source_of(&data), Some(o.source));
    }

    #[test]
    fn foreign_bytes_never_panic(kind in any::<u8>(), data in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = unpack(target(), Timestamp::from_millis(0), kind, &data);
    }

    #[test]
    fn a_cut_row_is_no_row(o in observations()) {
        let data = pack(&o, o.at, Words::default(), false);
        for end in 0..data.len() {
            prop_assert!(unpack(target(), o.at, kind(o.verdict), &data[..end]).is_none());
        }
    }
}

#[test]
fn digits_below_a_microsecond_are_cut() {
    let mut o = Observation::new(
        target(),
        Timestamp::from_millis(0),
        Source::Canary,
        Verdict::Complete,
    );
    o.phases.first_token = Some(Duration::from_nanos(412_345_678));
    let data = pack(&o, o.at, Words::default(), false);
    let found = unpack(target(), o.at, 0, &data).unwrap().observation;
    assert_eq!(found.ttft(), Some(Duration::from_nanos(412_345_000)));
}

#[test]
fn family_names_and_numbers_agree() {
    let failure = Failure {
        class: ErrorClass::Dns,
        at: FailedAt::Transport,
    };
    for verdict in [
        Verdict::Complete,
        Verdict::Truncated(Truncation::Cut),
        Verdict::Limited,
        Verdict::Refused,
        Verdict::OffScript(OffScript::Gap),
        Verdict::Errored(failure),
        Verdict::Unknown,
    ] {
        assert_eq!(kind_of_family(verdict.family()), Some(kind(verdict)));
    }
    assert_eq!(kind_of_family("gone"), None);
}
