//! How much of the traffic each candidate takes, for whoever spreads it.

use super::{rank::Entrant, standing::Standing};

/// The shares of the candidates, which come in order of preference: each takes its weight of what those before it left,
/// so that a target that comes back takes over from its stand-in by degrees. Suspects and unknown ones take only what
/// the others leave. What nobody takes (all that are left ramp up) is spread in proportion. Sums to 1, or to 0 where
/// nobody is eligible. Four decimals.
pub(super) fn shares(wanted: &[Entrant<'_>]) -> Vec<f64> {
    let mut shares = vec![0.0; wanted.len()];
    let mut left = 1.0;
    let groups: [&[Standing]; 3] = [
        &[Standing::Well, Standing::Impaired, Standing::Ramping],
        &[Standing::Suspect],
        &[Standing::Unknown],
    ];
    for group in groups {
        let members = wanted.iter().zip(&mut shares);
        for (entrant, share) in members.filter(|(entrant, _)| group.contains(&entrant.standing)) {
            *share = left * weight(entrant);
            left -= *share;
        }
    }
    let taken: f64 = shares.iter().sum();
    if taken > 0.0 {
        for share in &mut shares {
            *share /= taken;
        }
    }
    rounded(shares)
}

/// Of 1. Where the feed has no opinion, or speaks of a key that isn't the caller's, the state's own weight.
fn weight(entrant: &Entrant<'_>) -> f64 {
    let told = entrant.health.and_then(|health| health.routing.weight);
    let (told, usual) = match entrant.standing {
        Standing::Unknown => (None, 1.0),
        Standing::Impaired => (told, 0.5),
        _ => (told, 1.0),
    };
    // Nobody who is eligible takes nothing for ever.
    told.unwrap_or(usual).clamp(0.01, 1.0)
}

/// Four decimals that still sum to 1: what rounding took goes to the largest.
fn rounded(mut shares: Vec<f64>) -> Vec<f64> {
    let before: f64 = shares.iter().sum();
    for share in &mut shares {
        *share = (*share * 1e4).round() / 1e4;
    }
    let lost = before.round() - shares.iter().sum::<f64>();
    if let Some(most) = shares.iter_mut().max_by(|a, b| a.total_cmp(b)) {
        *most = ((*most + lost) * 1e4).round() / 1e4;
    }
    shares
}
