//! A simulated parser that splits a text into chunks in the ways seen in practice.

use proptest::prelude::*;

/// The order in which chunks are returned.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    OfTheText,
    /// By the decimal digits of their numbers, so that 10 comes before 2.
    Lexicographic,
    Shuffled(u64),
}

/// Splits a text into chunks of tokens of four characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunker {
    /// Tokens per chunk.
    pub(crate) size: usize,
    /// Tokens that two neighbours share.
    pub(crate) overlap: usize,
    pub(crate) order: Order,
    /// Whether trailing white space of the text is dropped.
    pub(crate) trim: bool,
    /// Whether trailing chunks may lie within the one before.
    pub(crate) runs_out: bool,
}

impl Chunker {
    pub(crate) fn new(size: usize, overlap: usize) -> Self {
        Self { size, overlap, order: Order::OfTheText, trim: false, runs_out: false }
    }

    pub(crate) fn split(&self, text: &str) -> Vec<String> {
        let text = if self.trim { text.trim_end() } else { text };
        let ends = text.char_indices().map(|(at, _)| at).step_by(4).chain([text.len()]);
        let tokens: Vec<usize> = ends.collect();
        let last = tokens.len() - 1;
        let mut chunks = Vec::new();
        for start in (0..last).step_by(self.size - self.overlap) {
            let end = last.min(start + self.size);
            chunks.push(text[tokens[start]..tokens[end]].to_owned());
            if end == last && !self.runs_out {
                break;
            }
        }
        self.order.apply(chunks)
    }
}

impl Order {
    fn apply(self, chunks: Vec<String>) -> Vec<String> {
        let mut numbered: Vec<_> = chunks.into_iter().enumerate().collect();
        match self {
            Self::OfTheText => {}
            Self::Lexicographic => numbered.sort_by_key(|(number, _)| number.to_string()),
            Self::Shuffled(seed) => numbered.sort_by_key(|&(number, _)| {
                let mixed = (number as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
            }),
        }
        numbered.into_iter().map(|(_, chunk)| chunk).collect()
    }
}

/// Generates chunkers whose chunks have `sizes` tokens and share `overlap` percent of them, at most half.
pub(crate) fn chunkers(
    sizes: std::ops::RangeInclusive<usize>,
    overlap: std::ops::RangeInclusive<usize>,
) -> impl Strategy<Value = Chunker> {
    let orders = prop_oneof![
        Just(Order::OfTheText),
        Just(Order::Lexicographic),
        any::<u64>().prop_map(Order::Shuffled),
    ];
    (sizes, overlap, orders, any::<bool>(), any::<bool>()).prop_map(
        |(size, percent, order, trim, runs_out)| {
            let overlap = size * percent / 100;
            Chunker { size, overlap, order, trim, runs_out }
        },
    )
}
