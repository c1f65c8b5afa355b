//! Pieces of the page.

use std::fmt::Write as _;

use super::accesses::Counts;
use super::timeline::Step;

/// `2026-11-26 18:12:45`.
pub(super) fn time(text: &str) -> String {
    escape(text.get(..19).unwrap_or(text)).replace('T', " ")
}

/// How much of the most, permits before denies.
pub(super) fn bar(counts: &Counts, most: u64) -> String {
    let width = |count: u64| count.saturating_mul(100).checked_div(most.max(1)).unwrap_or_default();
    format!(
        "<span class=\"bar\" title=\"{} permitted, {} refused\"><i class=\"permit\" style=\"width:{}%\"></i><i class=\"deny\" style=\"width:{}%\"></i></span>",
        counts.permits,
        counts.denies,
        width(counts.permits),
        width(counts.denies)
    )
}

/// Bars, one above the other.
pub(super) fn chart(steps: &[Step]) -> String {
    const HEIGHT: u64 = 120;
    const WIDTH: u64 = 10;
    let most = steps.iter().map(|step| step.permits.saturating_add(step.denies)).max().unwrap_or(1).max(1);
    // What is there can be seen, however little it is.
    let height = |count: u64| match count.saturating_mul(HEIGHT).checked_div(most) {
        Some(0) if count > 0 => 1,
        height => height.unwrap_or_default(),
    };
    let mut bars = String::new();
    let mut x = 0_u64;
    for step in steps {
        let (permits, denies) = (height(step.permits), height(step.denies));
        let top = HEIGHT.saturating_sub(permits).saturating_sub(denies);
        let _ = write!(
            bars,
            "<g><title>{}: {} permitted, {} refused</title><rect class=\"room\" x=\"{x}\" y=\"0\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\
             <rect class=\"deny\" x=\"{x}\" y=\"{top}\" width=\"8\" height=\"{denies}\"/>\
             <rect class=\"permit\" x=\"{x}\" y=\"{}\" width=\"8\" height=\"{permits}\"/></g>",
            escape(&step.begin),
            step.permits,
            step.denies,
            top.saturating_add(denies),
        );
        x = x.saturating_add(WIDTH);
    }
    let width = x.max(WIDTH.saturating_mul(24));
    let (first, last) = (steps.first().map_or("", |step| &step.begin), steps.last().map_or("", |step| &step.begin));
    format!(
        "<svg viewBox=\"0 0 {width} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"Permitted and refused over time\">{bars}</svg>\n\
         <p class=\"axis\"><span>{}</span><span>at most {most}</span><span>{}</span></p>\n",
        escape(first),
        escape(last)
    )
}

/// What is in a log came from clients: nothing of it may be markup.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Neither control characters nor those that turn the direction of text.
            character
                if character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                escaped.push('\u{fffd}');
            }
            character => escaped.push(character),
        }
    }
    escaped
}
