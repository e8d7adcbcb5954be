//! What can be computed of the looks: contrast in both themes.

use super::*;

const CSS: &str = include_str!("../../../../dashboards/status/status.css");

/// A custom property of the stylesheet in the light and the dark theme.
fn colours(name: &str) -> [[f64; 3]; 2] {
    let value = CSS
        .split_once(&format!("  --{name}: light-dark("))
        .unwrap_or_else(|| panic!("{name} has two themes"))
        .1
        .split_once(')')
        .unwrap()
        .0;
    let mut themes = value.split(", ").map(|hex| {
        let byte = |i: usize| f64::from(u8::from_str_radix(&hex[i..i + 2], 16).unwrap()) / 255.0;
        [byte(1), byte(3), byte(5)]
    });
    [themes.next().unwrap(), themes.next().unwrap()]
}

/// Relative luminance as WCAG 2.2 defines it.
fn luminance(colour: [f64; 3]) -> f64 {
    let [r, g, b] = colour.map(|c| {
        if c <= 0.04045 {
            c / 12.92
        } else {
            ((c + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn every_colour_of_text_has_contrast_on_every_ground() {
    let states = State::ALL.map(State::as_str);
    for ground in ["paper", "wash"] {
        for text in ["ink", "quiet", "accent"].into_iter().chain(states) {
            for (theme, (text_colour, ground_colour)) in ["light", "dark"]
                .into_iter()
                .zip(colours(text).into_iter().zip(colours(ground)))
            {
                let ratio = contrast(text_colour, ground_colour);
                assert!(ratio >= 4.5, "{text} on {ground}, {theme}: {ratio:.2}");
            }
        }
    }
}

#[test]
fn what_a_bar_says_can_be_told_from_its_ground() {
    // Colours of states against the paper and against a watched day: WCAG 2.2, 1.4.11.
    for state in ["degraded", "partial", "down"] {
        for ground in ["paper", "bar"] {
            for (a, b) in colours(state).into_iter().zip(colours(ground)) {
                assert!(
                    contrast(a, b) >= 3.0,
                    "{state} on {ground}: {:.2}",
                    contrast(a, b)
                );
            }
        }
    }
}

#[test]
fn contrast_is_reckoned_as_defined() {
    assert!((contrast([0.0; 3], [1.0; 3]) - 21.0).abs() < 1e-9);
    let grey = 119.0 / 255.0; // #777777 on white, the classic near miss
    assert!((contrast([grey; 3], [1.0; 3]) - 4.48).abs() < 0.01);
}
